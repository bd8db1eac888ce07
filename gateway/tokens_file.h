/* The file of tokens, read again whenever it changed. */
#pragma once

#include <sys/stat.h>

#include "gateway/tokens.h"

struct tokens_file {
	char *path; /* owned; NULL: there are no tokens */
	struct tokens tokens;
	struct stat seen;
	int64_t looked_mono_ms;
	bool said; /* that it cannot be read any more */
};

/* ERR_INVALID: it cannot be read, others may write to it, a line is none. */
MUST_CHECK int tokens_file_open(struct tokens_file *f, const char *path, struct err *e);
/*
 * Reads it again if it changed; looks at most once a second. One that has become unreadable is told in the log, once,
 * and the tokens stay as they were: revoking one is to write a good file without it.
 */
void tokens_file_look(struct tokens_file *f, int64_t now_mono_ms);
void tokens_file_release(struct tokens_file *f);
