/*
 * What nodes that are gone left on this host's disks: which of it may be
 * removed, and removing it. Blocks: on a thread of the pool, not on the loop.
 */
#pragma once

#include "common/err.h"

enum heal_clean_kind {
	HEAL_CLEAN_SCRATCH = 1, /* millrace-<node>-XXXXXX: a task's directory */
	HEAL_CLEAN_SPOOL = 2,   /* millrace-objects-<node>-XXXXXX: objects that a node fetched */
	HEAL_CLEAN_LOG = 4,     /* rotated logs beyond the newest few */
};

struct heal_clean_spec {
	char *const *directories;     /* for scratch and spools; NULL-terminated */
	char *const *log_directories; /* or NULL */
	char *const *live;  /* names of nodes that are there, anywhere: theirs is left alone; or NULL */
	unsigned kinds;     /* of enum heal_clean_kind */
	int64_t age_ns;     /* untouched for so long: scratch directories */
	unsigned keep_logs; /* of each log */
	int64_t now_wall_ns;
};

struct heal_clean_item {
	enum heal_clean_kind kind;
	char *directory, *name; /* owned */
	uint64_t bytes;         /* disk space */
};
#define HEAL_CLEAN_MAX 10000u /* items of one round; the next one finds the others */

/* What may go, at most HEAL_CLEAN_MAX: a dry run. Returns owned (heal_clean_free). */
size_t heal_clean_list(const struct heal_clean_spec *s, struct heal_clean_item **ret);
void heal_clean_free(struct heal_clean_item *items, size_t n);

struct heal_clean_done {
	unsigned removed, kept; /* kept: a removal failed, or it was taken meanwhile */
	uint64_t bytes;
	struct err first; /* why one was kept; code 0: none */
};
/* Removes them; each is looked at once more. */
void heal_clean_apply(const struct heal_clean_spec *s, const struct heal_clean_item *items,
					  size_t n, struct heal_clean_done *ret);

/* Pure, on names. ret_node: TOKEN_MAX + 1 bytes. */
bool heal_clean_scratch_name(const char *name, char *ret_node);
bool heal_clean_spool_name(const char *name, char *ret_node);
/* "router.log.3.gz" → 10, the length of "router.log"; 0: no rotated log. */
size_t heal_clean_log_stem(const char *name);
