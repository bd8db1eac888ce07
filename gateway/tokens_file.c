/*
 * The file of tokens. It stands alone as the edge to the file system: who may
 * write to it may do everything here, so others than its owner may not. To
 * read it is no danger: it holds hashes.
 */
#include "gateway/tokens_file.h"

#include <errno.h>
#include <fcntl.h>
#include <unistd.h>

#include "common/log.h"

#define LOOK_MS 1000
#define FILE_MAX_BYTES (256 * 1024)

static bool same(const struct stat *a, const struct stat *b)
{
	return a->st_dev == b->st_dev && a->st_ino == b->st_ino && a->st_size == b->st_size &&
		   a->st_mode == b->st_mode && a->st_mtim.tv_sec == b->st_mtim.tv_sec &&
		   a->st_mtim.tv_nsec == b->st_mtim.tv_nsec && a->st_ctim.tv_sec == b->st_ctim.tv_sec &&
		   a->st_ctim.tv_nsec == b->st_ctim.tv_nsec;
}

static int read_all(int fd, const char *path, struct buf *text, struct err *e)
{
	buf_reserve(text, FILE_MAX_BYTES + 1);
	for (;;) {
		ssize_t n = read(fd, text->data + text->len, FILE_MAX_BYTES + 1 - text->len);

		if (n < 0 && errno == EINTR)
			continue;
		if (n < 0)
			return err_set(e, ERR_INVALID, "http.tokens_file: %s: %s", path, strerror(errno));
		text->len += (size_t)n;
		if (text->len > FILE_MAX_BYTES)
			return err_set(e, ERR_INVALID, "http.tokens_file: %s: is larger than %d bytes", path,
						   FILE_MAX_BYTES);
		if (n == 0)
			return 0;
	}
}

static int load(struct tokens_file *f, struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	struct tokens tokens;
	struct stat is;
	int fd = open(f->path, O_RDONLY | O_CLOEXEC | O_NONBLOCK), rc;

	if (fd < 0 || fstat(fd, &is)) {
		rc = err_set(e, ERR_INVALID,
					 "http.tokens_file: %s: %s; millrace-gateway --new-token NAME --scope operate "
					 ">> %s makes one",
					 f->path, strerror(errno), f->path);
	} else if (!S_ISREG(is.st_mode)) {
		rc = err_set(e, ERR_INVALID, "http.tokens_file: %s: is no file", f->path);
	} else if (is.st_mode & (S_IWGRP | S_IWOTH)) {
		rc = err_set(e, ERR_INVALID,
					 "http.tokens_file: %s: others may write to it, and so give themselves a "
					 "token: chmod go-w %s",
					 f->path, f->path);
	} else {
		rc = read_all(fd, f->path, &text, e);
	}
	if (fd >= 0)
		close(fd);
	if (rc || tokens_parse(f->path, text.data, text.len, &tokens, e))
		return e->code;
	tokens_release(&f->tokens);
	f->tokens = tokens;
	f->seen = is;
	return 0;
}

int tokens_file_open(struct tokens_file *f, const char *path, struct err *e)
{
	*f = (struct tokens_file){.path = xstrdup(path)};
	if (load(f, e)) {
		tokens_file_release(f);
		return e->code;
	}
	return 0;
}

void tokens_file_look(struct tokens_file *f, int64_t now_mono_ms)
{
	struct stat is;
	struct err e;

	if (now_mono_ms - f->looked_mono_ms < LOOK_MS)
		return;
	f->looked_mono_ms = now_mono_ms;
	if (stat(f->path, &is) == 0 && same(&is, &f->seen)) {
		f->said = false;
		return;
	}
	if (load(f, &e) == 0) {
		f->said = false;
		log_info("tokens read again", LOG_S("file", f->path), LOG_I("tokens", f->tokens.n));
	} else if (!f->said) {
		f->said = true;
		log_warn("the tokens stay as they were until their file is right again",
				 LOG_S("why", e.text));
	}
}

void tokens_file_release(struct tokens_file *f)
{
	tokens_release(&f->tokens);
	free(f->path);
	*f = (struct tokens_file){0};
}
