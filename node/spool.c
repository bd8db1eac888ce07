/*
 * The directory of fetched objects. It stands alone because it is the one
 * thing on disk that a node must bound and clean.
 *
 * Well: made at the first file, each file removed with its task, the
 * directory with the node. Badly: the node is killed: the next one that
 * starts over the same place finds the directory with a lock that nobody
 * holds (the kernel let go of it) and removes it. The disk is full: making or
 * writing a file says so, and its task is tried again.
 *
 * The directory is made under another name and renamed once its lock is
 * held: whoever finds it by its name finds it locked as long as its node lives.
 */
#include "node/spool.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>
#include <utlist.h>

#include "common/log.h"
#include "common/metrics.h"
#include "node/handlers/scratch.h"

#define PREFIX "millrace-objects-"
#define LOCK ".millrace-lock"

struct spool {
	uv_loop_t *loop;
	char *base, *node, *dir; /* dir: NULL until the first file */
	int lock;
	uint64_t max_bytes, used_bytes, files;
	int io;
	struct spool_claim *waiting;
	struct metric *used;
};

/* ---- what killed nodes left ---- */

static void remove_if_orphaned(const char *path)
{
	CLEANUP(free_ptr) char *lock = xasprintf("%s/" LOCK, path);
	struct stat st;

	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return;
	int fd = open(lock, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	if (fd < 0)
		return; /* none of ours, whatever its name is: ours have had a lock before their name */
	if (flock(fd, LOCK_EX | LOCK_NB) == 0) {
		log_info("removing objects that a killed node left", LOG_S("directory", path));
		scratch_discard(path);
	}
	close(fd);
}

static void remove_orphans(const struct spool *s)
{
	DIR *d = opendir(s->base);
	struct dirent *entry;

	while (d && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		if (strncmp(entry->d_name, PREFIX, sizeof(PREFIX) - 1) == 0) {
			CLEANUP(free_ptr) char *path = xasprintf("%s/%s", s->base, entry->d_name);
			remove_if_orphaned(path);
		}
	}
	if (d)
		closedir(d);
}

/* ---- the directory ---- */

static int make_dir(struct spool *s, struct err *e)
{
	CLEANUP(free_ptr) char *fresh = xasprintf("%s/.new-" PREFIX "%s-XXXXXX", s->base, s->node);

	if (!mkdtemp(fresh))
		return err_set(e, ERR_IO, "cannot make a directory for objects (%s): %s", fresh,
					   strerror(errno));
	const char *unique = fresh + strlen(fresh) - 6;
	CLEANUP(free_ptr) char *lock = xasprintf("%s/" LOCK, fresh);
	CLEANUP(free_ptr) char *dir = xasprintf("%s/" PREFIX "%s-%s", s->base, s->node, unique);
	s->lock = open(lock, O_RDWR | O_CREAT | O_EXCL | O_CLOEXEC, 0600);
	if (s->lock < 0 || flock(s->lock, LOCK_EX | LOCK_NB) || rename(fresh, dir)) {
		err_set(e, ERR_IO, "cannot make a directory for objects (%s): %s", dir, strerror(errno));
		if (s->lock >= 0)
			close(s->lock);
		s->lock = -1;
		scratch_discard(fresh);
		return ERR_IO;
	}
	s->dir = TAKE(dir);
	return 0;
}

int spool_create(struct spool_claim *c, int *ret_fd, struct err *e)
{
	struct spool *s = c->spool;

	if (!s->dir && make_dir(s, e))
		return e->code;
	CLEANUP(free_ptr) char *path = xasprintf("%s/%llu", s->dir, (unsigned long long)++s->files);
	int fd = open(path, O_RDWR | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	c->path = TAKE(path);
	*ret_fd = fd;
	return 0;
}

/* ---- room ---- */

static void on_unlinked(uv_fs_t *r)
{
	spool_io(r->data, -1);
	uv_fs_req_cleanup(r);
	free(r);
}

/* A large file takes the kernel a while: not on the loop. */
static void unlink_later(struct spool *s, const char *path)
{
	uv_fs_t *r = xcalloc(1, sizeof(*r));

	r->data = s;
	spool_io(s, 1);
	if (uv_fs_unlink(s->loop, r, path, on_unlinked) < 0)
		on_unlinked(r);
}

static void hand_out(struct spool *s)
{
	struct spool_claim *c;

	while ((c = s->waiting) && c->bytes <= s->max_bytes - s->used_bytes) {
		DL_DELETE(s->waiting, c);
		s->used_bytes += c->bytes;
		c->held = true;
		metric_set(s->used, (double)s->used_bytes);
		c->on_room(c);
	}
}

void spool_claim(struct spool *s, struct spool_claim *c, uint64_t bytes,
				 void (*on_room)(struct spool_claim *c))
{
	*c = (struct spool_claim){.spool = s, .bytes = bytes, .on_room = on_room};
	DL_APPEND(s->waiting, c);
	hand_out(s);
}

void spool_release(struct spool_claim *c)
{
	struct spool *s = c->spool;

	if (!s)
		return;
	if (c->path)
		unlink_later(s, c->path);
	free(TAKE(c->path));
	c->spool = NULL;
	if (!c->held) {
		DL_DELETE(s->waiting, c);
		return;
	}
	c->held = false;
	s->used_bytes -= c->bytes;
	metric_set(s->used, (double)s->used_bytes);
	hand_out(s);
}

/* ---- life ---- */

void spool_io(struct spool *s, int by)
{
	s->io += by;
}

bool spool_busy(const struct spool *s)
{
	return s->io > 0;
}

const char *spool_base(const struct spool *s)
{
	return s->base;
}

uint64_t spool_max_bytes(const struct spool *s)
{
	return s->max_bytes;
}

struct spool *spool_open(uv_loop_t *loop, const char *base, const char *node, uint64_t max_bytes)
{
	const char *tmp = getenv("TMPDIR");
	struct spool *s = xcalloc(1, sizeof(*s));

	s->loop = loop;
	s->base = xstrdup(base ? base : tmp && tmp[0] == '/' ? tmp : "/tmp");
	s->node = xstrdup(node);
	s->lock = -1;
	s->max_bytes = max_bytes;
	s->used = metric_gauge("millrace_node_objects_bytes",
						   "Bytes of objects that lie on disk for tasks.", NULL);
	remove_orphans(s);
	return s;
}

void spool_close(struct spool **sp)
{
	struct spool *s = TAKE(*sp);

	if (!s)
		return;
	if (s->dir)
		scratch_discard(s->dir);
	if (s->lock >= 0)
		close(s->lock);
	free(s->base);
	free(s->node);
	free(s->dir);
	free(s);
}
