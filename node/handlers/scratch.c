/*
 * The fresh directory of a child. It stands alone because its name is how a
 * later look tells whose it was. Removing it is common/tree.h's.
 */
#include "node/handlers/scratch.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <unistd.h>

#include "common/log.h"
#include "common/tree.h"

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

int scratch_remove(const char *path, struct err *e)
{
	return tree_remove(AT_FDCWD, path, NULL, e);
}

void scratch_discard(const char *path)
{
	struct err e = {0};
	if (scratch_remove(path, &e) < 0)
		log_debug("directory of a task left behind", LOG_S("why", e.text));
}
