/*
 * The fresh directory of a child. Removing is the hard half, for the child
 * is not to be trusted: it may have left links to elsewhere, directories
 * without permissions, or a chain of directories deeper than there are
 * descriptors. So everything is done relative to open directories, nothing
 * follows a link, and what lies deeper than DEPTH_MAX is first moved up to
 * the top. What cannot be removed is an error with its name.
 */
#include "node/handlers/scratch.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

enum { DEPTH_MAX = 32 };

struct removal {
	int top;
	unsigned moved; /* directories that were moved up */
	struct err *e;
};

int scratch_make(const char *node, char **ret_path, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	CLEANUP(free_ptr) char *path =
		xasprintf("%s/millrace-%s-XXXXXX", tmp && tmp[0] == '/' ? tmp : "/tmp", node ? node : "node");
	if (mkdtemp(path) == NULL)
		return err_set(e, ERR_IO, "cannot make a directory for the task (%s): %s", path,
		               strerror(errno));
	*ret_path = TAKE(path);
	return 0;
}

int scratch_write(const char *path, const void *data, size_t len, struct err *e)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_EXCL | O_NOFOLLOW | O_CLOEXEC, 0600);
	if (fd < 0)
		return err_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	for (size_t done = 0; done < len;) {
		ssize_t n = write(fd, (const char *)data + done, len - done);
		if (n < 0 && errno != EINTR) {
			int why = errno;
			close(fd);
			return err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(why));
		}
		done += n > 0 ? (size_t)n : 0;
	}
	close(fd);
	return 0;
}

/* Opens a directory below at, giving ourselves the permission where it is missing. */
static int open_below(int at, const char *name)
{
	const int flags = O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC;
	struct stat st;
	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) == 0 && S_ISDIR(st.st_mode) &&
	    (st.st_mode & 0700) != 0700 && fchmodat(at, name, 0700, 0) < 0)
		return -1;
	return openat(at, name, flags);
}

static int empty(struct removal *r, int dir, unsigned depth);

static int remove_entry(struct removal *r, int dir, const char *name, unsigned depth)
{
	if (unlinkat(dir, name, 0) == 0 || errno == ENOENT)
		return 0;
	if (errno != EISDIR && errno != EPERM)
		return err_set(r->e, ERR_IO, "cannot remove %.200s: %s", name, strerror(errno));
	if (depth == DEPTH_MAX) {
		char place[64]; /* a name that the child cannot have taken */
		snprintf(place, sizeof place, ".deep-%lld-%u", (long long)clock_mono_ns(), r->moved++);
		if (renameat(dir, name, r->top, place) == 0)
			return 0;
		return err_set(r->e, ERR_IO, "cannot move %.200s: %s", name, strerror(errno));
	}
	int below = open_below(dir, name);
	if (below < 0)
		return err_set(r->e, ERR_IO, "cannot open %.200s: %s", name, strerror(errno));
	int rc = empty(r, below, depth + 1);
	if (rc == 0 && unlinkat(dir, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		rc = err_set(r->e, ERR_IO, "cannot remove %.200s: %s", name, strerror(errno));
	return rc;
}

static bool is_dots(const char *name)
{
	return str_eq(name, ".") || str_eq(name, "..");
}

/* Takes dir. */
static int empty(struct removal *r, int dir, unsigned depth)
{
	DIR *d = fdopendir(dir);
	if (d == NULL) {
		close(dir);
		return err_set(r->e, ERR_IO, "cannot read a directory: %s", strerror(errno));
	}
	int rc = 0;
	struct dirent *entry;
	while (rc == 0 && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		if (!is_dots(entry->d_name))
			rc = remove_entry(r, dirfd(d), entry->d_name, depth);
	}
	closedir(d);
	return rc;
}

int scratch_remove(const char *path, struct err *e)
{
	struct removal r = {.e = e};
	unsigned moved_before;
	do { /* again while there were directories to move up: they are at the top now */
		moved_before = r.moved;
		r.top = open_below(AT_FDCWD, path);
		if (r.top < 0 && errno == ENOENT)
			return 0;
		if (r.top < 0)
			return err_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
		int walk = dup(r.top);
		int rc = walk < 0 ? err_set(e, ERR_IO, "dup: %s", strerror(errno)) : empty(&r, walk, 0);
		close(r.top);
		if (rc < 0)
			return err_wrap(e, "%s", path);
	} while (r.moved > moved_before);
	if (rmdir(path) < 0 && errno != ENOENT)
		return err_set(e, ERR_IO, "cannot remove %s: %s", path, strerror(errno));
	return 0;
}

void scratch_discard(const char *path)
{
	struct err e = {0};
	if (scratch_remove(path, &e) < 0)
		log_debug("directory of a task left behind", LOG_S("why", e.text));
}
