/*
 * Left-overs. It stands alone because removing files is what must not go
 * wrong: only what carries the names that nodes give, belongs to our user, and
 * lies directly in a configured directory is looked at; nothing follows a
 * link; and the owner must be shown to be gone:
 *
 *   a spool    by its lock: a node that lives holds it, the kernel lets go of it
 *              when it dies (node/spool.c). Without a lock file it is none.
 *   a task's   by its node not being among those that are there, by no process
 *   directory  of this host working in it, and by its age: a task has no lock.
 *   a log      by its name: a number or a date behind ".log", and newer ones.
 *
 * What cannot be removed is counted, and the first reason told.
 */
#include "scaler/heal_clean.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/token.h"
#include "common/tree.h"
#include "scaler/heal_users.h"

#define PREFIX "millrace-"
#define OBJECTS "objects-"
#define LOCK ".millrace-lock"
#define UNIQUE 6 /* characters that mkdtemp makes */

/* ---- names ---- */

static bool plain(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		bool ok = (s[i] >= 'a' && s[i] <= 'z') || (s[i] >= 'A' && s[i] <= 'Z') ||
				  (s[i] >= '0' && s[i] <= '9');
		if (!ok)
			return false;
	}
	return true;
}

/* "<node>-XXXXXX" */
static bool node_of(const char *rest, char *ret_node)
{
	size_t len = strlen(rest);

	if (len < UNIQUE + 2 || len - UNIQUE - 1 > TOKEN_MAX || rest[len - UNIQUE - 1] != '-' ||
		!plain(rest + len - UNIQUE, UNIQUE) || !token_ok(rest, len - UNIQUE - 1))
		return false;
	memcpy(ret_node, rest, len - UNIQUE - 1);
	ret_node[len - UNIQUE - 1] = '\0';
	return true;
}

bool heal_clean_spool_name(const char *name, char *ret_node)
{
	return strncmp(name, PREFIX OBJECTS, strlen(PREFIX OBJECTS)) == 0 &&
		   node_of(name + strlen(PREFIX OBJECTS), ret_node);
}

bool heal_clean_scratch_name(const char *name, char *ret_node)
{
	return strncmp(name, PREFIX, strlen(PREFIX)) == 0 && !heal_clean_spool_name(name, ret_node) &&
		   node_of(name + strlen(PREFIX), ret_node);
}

static bool digits(const char *s, size_t len)
{
	for (size_t i = 0; i < len; i++) {
		if (s[i] < '0' || s[i] > '9')
			return false;
	}
	return len > 0;
}

size_t heal_clean_log_stem(const char *name)
{
	const char *log = strstr(name, ".log"), *end;
	size_t len;

	if (!log || log == name || (log[4] != '.' && log[4] != '-'))
		return 0;
	end = log + 5 + strlen(log + 5);
	for (const char *const *z = (const char *const[]){".gz", ".xz", ".zst", NULL}; *z; z++) {
		size_t zlen = strlen(*z);
		if ((size_t)(end - log) > 5 + zlen && str_eq(end - zlen, *z)) {
			end -= zlen;
			break;
		}
	}
	len = (size_t)(end - (log + 5));
	/* ".3" as rotation counts, "-20260102" or "-20260102-123456" as it dates. */
	bool counted = log[4] == '.' && len <= 6 && digits(log + 5, len);
	bool dated = log[4] == '-' && len >= 8 && digits(log + 5, 8) &&
				 (len == 8 || (len >= 10 && log[13] == '-' && digits(log + 14, len - 9)) ||
				  digits(log + 5, len));
	return counted || dated ? (size_t)(log + 4 - name) : 0;
}

/* ---- owners ---- */

static bool lives(const struct heal_clean_spec *s, const char *node)
{
	for (char *const *n = s->live; n && *n; n++) {
		if (str_eq(*n, node))
			return true;
	}
	return false;
}

static bool ours(int dir, const char *name, mode_t kind, struct stat *st)
{
	return fstatat(dir, name, st, AT_SYMLINK_NOFOLLOW) == 0 && (st->st_mode & S_IFMT) == kind &&
		   st->st_uid == geteuid();
}

/* Whether it has a lock that nobody holds. *ret_fd keeps it ours, as long as it is open. */
static bool orphaned_spool(int dir, const char *name, int *ret_fd)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/" LOCK, name);
	struct stat st;
	int fd;

	if (!ours(dir, name, S_IFDIR, &st))
		return false;
	int below = openat(dir, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	if (below < 0)
		return false;
	fd = openat(below, LOCK, O_RDWR | O_NOFOLLOW | O_CLOEXEC);
	close(below);
	if (fd < 0)
		return false;
	if (flock(fd, LOCK_EX | LOCK_NB) != 0) {
		close(fd);
		return false;
	}
	*ret_fd = fd;
	return true;
}

static bool orphaned_scratch(const struct heal_clean_spec *s, const struct heal_users *users,
							 const char *directory, int dir, const char *name)
{
	char node[TOKEN_MAX + 1];
	struct stat st;

	if (!heal_clean_scratch_name(name, node) || lives(s, node) || !ours(dir, name, S_IFDIR, &st) ||
		s->now_wall_ns - (int64_t)st.st_mtim.tv_sec * NS_PER_S < s->age_ns)
		return false;
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", directory, name);
	return !heal_users_has(users, path);
}

/* ---- looking ---- */

struct list {
	struct heal_clean_item *items;
	size_t n;
};

static void add(struct list *l, enum heal_clean_kind kind, const char *directory, const char *name,
				uint64_t bytes)
{
	if (l->n >= HEAL_CLEAN_MAX)
		return;
	l->items = xreallocarray(l->items, l->n + 1, sizeof(*l->items));
	l->items[l->n++] = (struct heal_clean_item){kind, xstrdup(directory), xstrdup(name), bytes};
}

static void look_at(const struct heal_clean_spec *s, const struct heal_users *users,
					const char *directory, struct list *l)
{
	DIR *d = opendir(directory);
	struct dirent *entry;
	char node[TOKEN_MAX + 1];
	int lock;

	while (d && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		const char *name = entry->d_name;
		if ((s->kinds & HEAL_CLEAN_SPOOL) && heal_clean_spool_name(name, node) &&
			orphaned_spool(dirfd(d), name, &lock)) {
			add(l, HEAL_CLEAN_SPOOL, directory, name, tree_bytes(dirfd(d), name));
			close(lock);
		} else if ((s->kinds & HEAL_CLEAN_SCRATCH) &&
				   orphaned_scratch(s, users, directory, dirfd(d), name)) {
			add(l, HEAL_CLEAN_SCRATCH, directory, name, tree_bytes(dirfd(d), name));
		}
	}
	if (d)
		closedir(d);
}

struct log_file {
	char *name;
	size_t stem;
	int64_t mtime_ns;
	uint64_t bytes;
};

/* By log, newest first. */
static int by_age(const void *a, const void *b)
{
	const struct log_file *x = a, *y = b;
	size_t len = MIN_OF(x->stem, y->stem);
	int c = strncmp(x->name, y->name, len);

	if (c != 0 || x->stem != y->stem)
		return c != 0 ? c : x->stem < y->stem ? -1 : 1;
	return x->mtime_ns > y->mtime_ns ? -1 : x->mtime_ns < y->mtime_ns;
}

static void look_at_logs(const struct heal_clean_spec *s, const char *directory, struct list *l)
{
	DIR *d = opendir(directory);
	struct log_file *files = NULL;
	size_t n = 0, rank = 0;
	struct dirent *entry;
	struct stat st;

	while (d && n < HEAL_CLEAN_MAX && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		size_t stem = heal_clean_log_stem(entry->d_name);
		if (stem == 0 || !ours(dirfd(d), entry->d_name, S_IFREG, &st))
			continue;
		files = xreallocarray(files, n + 1, sizeof(*files));
		files[n++] = (struct log_file){xstrdup(entry->d_name), stem,
									   st.st_mtim.tv_sec * NS_PER_S + st.st_mtim.tv_nsec,
									   (uint64_t)st.st_blocks * 512};
	}
	if (d)
		closedir(d);
	if (n > 0)
		qsort(files, n, sizeof(*files), by_age);
	for (size_t i = 0; i < n; i++) {
		bool same = i > 0 && files[i].stem == files[i - 1].stem &&
					strncmp(files[i].name, files[i - 1].name, files[i].stem) == 0;
		rank = same ? rank + 1 : 0;
		if (rank >= s->keep_logs)
			add(l, HEAL_CLEAN_LOG, directory, files[i].name, files[i].bytes);
	}
	for (size_t i = 0; i < n; i++)
		free(files[i].name);
	free(files);
}

size_t heal_clean_list(const struct heal_clean_spec *s, struct heal_clean_item **ret)
{
	struct list l = {0};
	struct heal_users *users = s->kinds & HEAL_CLEAN_SCRATCH ? heal_users_look() : NULL;

	for (char *const *dir = s->directories; dir && *dir; dir++)
		look_at(s, users, *dir, &l);
	heal_users_free(users);
	for (char *const *dir = s->log_directories; dir && *dir && (s->kinds & HEAL_CLEAN_LOG); dir++)
		look_at_logs(s, *dir, &l);
	*ret = l.items;
	return l.n;
}

void heal_clean_free(struct heal_clean_item *items, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		free(items[i].directory);
		free(items[i].name);
	}
	free(items);
}

/* ---- removing ---- */

static int remove_item(const struct heal_clean_spec *s, const struct heal_users *users,
					   const struct heal_clean_item *x, uint64_t *freed, struct err *e)
{
	int lock = -1, rc;
	struct stat st;
	int dir = open(x->directory, O_RDONLY | O_DIRECTORY | O_CLOEXEC);

	if (dir < 0)
		return err_set(e, ERR_IO, "cannot open %s: %s", x->directory, strerror(errno));
	bool still = x->kind == HEAL_CLEAN_SPOOL ? orphaned_spool(dir, x->name, &lock)
				 : x->kind == HEAL_CLEAN_SCRATCH
					 ? orphaned_scratch(s, users, x->directory, dir, x->name)
					 : ours(dir, x->name, S_IFREG, &st);
	rc = still ? tree_remove(dir, x->name, freed, e)
			   : err_set(e, ERR_CONFLICT, "%s/%s is in use", x->directory, x->name);
	if (lock >= 0)
		close(lock);
	close(dir);
	return rc;
}

void heal_clean_apply(const struct heal_clean_spec *s, const struct heal_clean_item *items,
					  size_t n, struct heal_clean_done *ret)
{
	struct heal_users *users = n > 0 ? heal_users_look() : NULL;
	struct err e = {0};

	*ret = (struct heal_clean_done){0};
	for (size_t i = 0; i < n; i++) {
		if (remove_item(s, users, &items[i], &ret->bytes, &e) == 0) {
			ret->removed++;
			continue;
		}
		if (ret->kept++ == 0)
			ret->first = e;
	}
	heal_users_free(users);
}
