/*
 * Files of a private system. Apart, because each has a way to go wrong that
 * must not cost data: a half-written file, a lock of a dead process, a link
 * that leads out of the directory.
 */
#include "cli/dev_files.h"

#include <errno.h>
#include <fcntl.h>
#include <ftw.h>
#include <limits.h>
#include <stdio.h>
#include <sys/stat.h>
#include <unistd.h>

#include "common/proc.h"
#include "common/clock.h"
#include "common/codec.h"

#define LOG_MAX_BYTES (16 << 20)
#define REMOVE_PATIENCE_MS 10000

int files_open_dir(const char *dir, char **ret_path, struct err *e)
{
	CLEANUP(free_ptr) char *log = NULL;
	char path[PATH_MAX];

	if (mkdir(dir, 0755) != 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "cannot make %s: %s", dir, strerror(errno));
	if (!realpath(dir, path))
		return err_set(e, ERR_IO, "cannot use %s: %s", dir, strerror(errno));
	/* The record and the configuration of what runs there carry it as text. */
	if (!utf8_ok(path, strlen(path)))
		return err_set(e, ERR_INVALID, "the path of %s is no UTF-8; use another directory", dir);
	log = xasprintf("%s/log", path);
	if (mkdir(log, 0755) != 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "cannot make %s: %s", log, strerror(errno));
	*ret_path = xstrdup(path);
	return 0;
}

int files_write(const char *path, const void *data, size_t len, mode_t mode, struct err *e)
{
	CLEANUP(free_ptr) char *fresh = xasprintf("%s.%d.new", path, (int)getpid());
	int fd = open(fresh, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, mode);
	bool ok;

	if (fd < 0)
		return err_set(e, ERR_IO, "cannot write %s: %s", fresh, strerror(errno));
	ok = write(fd, data, len) == (ssize_t)len;
	if (close(fd) != 0 || !ok || rename(fresh, path) != 0) {
		err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
		unlink(fresh);
		return ERR_IO;
	}
	return 0;
}

static int remove_one(const char *path, const struct stat *st, int kind, struct FTW *at)
{
	(void)st;
	(void)kind;
	(void)at;
	return remove(path) == 0 || errno == ENOENT ? 0 : -1;
}

int files_remove_tree(const char *path, struct err *e)
{
	int64_t until_ms = clock_mono_ms() + REMOVE_PATIENCE_MS;

	for (;;) {
		int code = nftw(path, remove_one, 16, FTW_DEPTH | FTW_PHYS) == 0 ? ENOENT : errno;

		if (code == ENOENT && access(path, F_OK) != 0)
			return 0;
		/* Something came or went meanwhile: the last steps of a process that was cut off. */
		if ((code != ENOTEMPTY && code != ENOENT) || clock_mono_ms() > until_ms)
			return err_set(e, ERR_IO, "cannot remove %s: %s", path, strerror(code));
		usleep(20000);
	}
}

/* A pid alone may have become another process's; with its start time it is the holder's. */
static int sign(int fd, const char *path, struct err *e)
{
	CLEANUP(free_ptr)
	char *text =
		xasprintf("%d %llu\n", (int)getpid(), (unsigned long long)proc_start_ticks(getpid()));
	size_t len = strlen(text);

	if (ftruncate(fd, 0) != 0 || pwrite(fd, text, len, 0) != (ssize_t)len)
		return err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
	return 0;
}

static const struct flock whole_file = {.l_type = F_WRLCK, .l_whence = SEEK_SET};

int files_lock(const char *dir, int *ret_fd, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0)
		return err_set(e, ERR_IO, "cannot open %s: %s", path, strerror(errno));
	/* Of the open file, not of the process: a look at it by files_locked takes nothing away. */
	if (fcntl(fd, F_OFD_SETLK, &whole_file) != 0) {
		int code = errno == EAGAIN || errno == EACCES ? ERR_EXISTS : ERR_IO;

		err_set(e, code, "cannot lock %s: %s", path, strerror(errno));
		close(fd);
		return code;
	}
	if (sign(fd, path, e) != 0) {
		close(fd);
		return e->code;
	}
	*ret_fd = fd;
	return 0;
}

bool files_lock_exists(const char *dir)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);

	return access(path, F_OK) == 0;
}

bool files_locked(const char *dir)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);
	struct flock lock = whole_file;
	int fd = open(path, O_RDWR | O_CLOEXEC);
	bool locked;

	if (fd < 0)
		return false;
	locked = fcntl(fd, F_OFD_GETLK, &lock) == 0 && lock.l_type != F_UNLCK;
	close(fd);
	return locked;
}

pid_t files_lock_holder(const char *dir)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);
	FILE *f = files_locked(dir) ? fopen(path, "re") : NULL;
	unsigned long long ticks = 0;
	int pid = 0;
	bool read;

	if (!f)
		return 0;
	read = fscanf(f, "%d %llu", &pid, &ticks) == 2;
	fclose(f);
	return read && ticks != 0 && proc_start_ticks(pid) == ticks ? pid : 0;
}

bool files_lock_in_place(const char *dir, int fd)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/lock", dir);
	struct stat ours, its;

	return fstat(fd, &ours) == 0 && stat(path, &its) == 0 && ours.st_dev == its.st_dev &&
	       ours.st_ino == its.st_ino;
}

void files_rotate(const char *path)
{
	struct stat st;

	if (stat(path, &st) == 0 && st.st_size > LOG_MAX_BYTES) {
		CLEANUP(free_ptr) char *old = xasprintf("%s.1", path);

		if (rename(path, old) != 0)
			return;
	}
}
