/*
 * What a child process may use. Read from a handler's `limits:`, handed to
 * the launcher (exec_child.h) as words on its command line. 0 is no limit.
 */
#pragma once

#include "common/config.h"

struct limits {
	int64_t cpu_ns;          /* RLIMIT_CPU, in whole seconds, per process */
	int64_t memory_bytes;    /* RLIMIT_AS, per process */
	int64_t file_bytes;      /* RLIMIT_FSIZE: the largest file it may write */
	int64_t core_bytes;      /* RLIMIT_CORE; here 0 means none at all */
	int64_t files;           /* RLIMIT_NOFILE, per process */
	int64_t user_processes;  /* RLIMIT_NPROC: of the whole user, so off unless told */
	int64_t processes;       /* descendants of this one child, counted by the launcher */
	int64_t grace_ns;        /* between TERM and KILL */
	int64_t output_bytes;    /* kept of its output; held by the node */
};

/* map: the handler's map, whose `limits:` is read; NULL or without it: the defaults. */
MUST_CHECK int limits_read(const struct doc *map, struct limits *ret, struct err *e);

/* Appends "cpu=60" and so on to a list (section.h) for the launcher. */
void limits_to_words(const struct limits *l, char ***words);
/* One such word; false: it is none. Unknown to the launcher is what the node alone holds. */
bool limits_from_word(const char *word, struct limits *l);
