/* Memory that a batch fills and gives back as a whole: blocks are kept for the next batch, up to a
 * limit. */
#pragma once

#include "common/base.h"

struct arena_block;
struct arena {
	struct arena_block *blocks; /* the one in use first */
	struct arena_block *spare;
	size_t used_bytes;
};

/* Zeroed, aligned for anything. */
void *arena_alloc(struct arena *a, size_t len_bytes) __attribute__((returns_nonnull));
char *arena_memdup0(struct arena *a, const void *p, size_t len) __attribute__((returns_nonnull));
/* NULL stays NULL. */
char *arena_strdup(struct arena *a, const char *s);
void arena_reset(struct arena *a);
void arena_release(struct arena *a);
