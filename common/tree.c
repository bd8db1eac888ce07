/*
 * Removing a tree. It stands alone because what a child left is not to be
 * trusted: there may be links to elsewhere, directories without permissions,
 * or a chain of directories deeper than there are descriptors. So everything
 * is done relative to open directories, nothing follows a link, and what lies
 * deeper than DEPTH_MAX is first moved up to the top. What cannot be removed
 * is an error with its name.
 */
#include "common/tree.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/clock.h"

enum { DEPTH_MAX = 32 };

struct removal {
	int top;
	unsigned moved;  /* directories that were moved up */
	uint64_t *freed; /* or NULL */
	struct err *e;
};

static uint64_t bytes_of(const struct stat *st)
{
	return (uint64_t)st->st_blocks * 512;
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
	struct stat st;
	bool sized = r->freed && fstatat(dir, name, &st, AT_SYMLINK_NOFOLLOW) == 0;
	if (unlinkat(dir, name, 0) == 0) {
		if (sized && st.st_nlink == 1)
			*r->freed += bytes_of(&st);
		return 0;
	}
	if (errno == ENOENT)
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

static int remove_directory(struct removal *r, int at, const char *name)
{
	unsigned moved_before;
	do { /* again while there were directories to move up: they are at the top now */
		moved_before = r->moved;
		r->top = open_below(at, name);
		if (r->top < 0 && errno == ENOENT)
			return 0;
		if (r->top < 0)
			return err_set(r->e, ERR_IO, "cannot open %s: %s", name, strerror(errno));
		int walk = dup(r->top);
		int rc = walk < 0 ? err_set(r->e, ERR_IO, "dup: %s", strerror(errno)) : empty(r, walk, 0);
		close(r->top);
		if (rc < 0)
			return err_wrap(r->e, "%s", name);
	} while (r->moved > moved_before);
	if (unlinkat(at, name, AT_REMOVEDIR) < 0 && errno != ENOENT)
		return err_set(r->e, ERR_IO, "cannot remove %s: %s", name, strerror(errno));
	return 0;
}

int tree_remove(int at, const char *name, uint64_t *ret_freed_bytes, struct err *e)
{
	struct removal r = {.freed = ret_freed_bytes, .e = e};
	struct stat st;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return errno == ENOENT ? 0
							   : err_set(e, ERR_IO, "cannot look at %s: %s", name, strerror(errno));
	return S_ISDIR(st.st_mode) ? remove_directory(&r, at, name) : remove_entry(&r, at, name, 0);
}

static uint64_t sum(int at, const char *name, unsigned depth)
{
	struct stat st;
	struct dirent *entry;

	if (fstatat(at, name, &st, AT_SYMLINK_NOFOLLOW) < 0)
		return 0;
	uint64_t bytes = bytes_of(&st);
	if (!S_ISDIR(st.st_mode) || depth == DEPTH_MAX)
		return bytes;
	int fd = openat(at, name, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);
	DIR *d = fd < 0 ? NULL : fdopendir(fd);
	if (!d) {
		if (fd >= 0)
			close(fd);
		return bytes;
	}
	while ((entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		if (!is_dots(entry->d_name))
			bytes += sum(dirfd(d), entry->d_name, depth + 1);
	}
	closedir(d);
	return bytes;
}

uint64_t tree_bytes(int at, const char *name)
{
	return sum(at, name, 0);
}
