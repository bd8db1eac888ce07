/*
 * A bump allocator for what lives exactly as long as a batch of events. It
 * stands alone so that merging and writing can make thousands of small things
 * without a thought for freeing them. Nothing can fail but memory itself.
 */
#include "store/arena.h"

#include <stdalign.h>

#define BLOCK_BYTES (256u << 10)
#define SPARE_MAX 8u /* 2 MiB stay for the next batch */

struct arena_block {
	struct arena_block *next;
	size_t len, cap;
	alignas(max_align_t) unsigned char data[];
};

static struct arena_block *add_block(struct arena *a, size_t len_bytes)
{
	struct arena_block *b = a->spare;
	if (b != NULL && b->cap >= len_bytes) {
		a->spare = b->next;
	} else {
		size_t cap = MAX_OF(len_bytes, BLOCK_BYTES);
		b = xmalloc(sizeof(*b) + cap);
		b->cap = cap;
	}
	b->len = 0;
	b->next = a->blocks;
	a->blocks = b;
	return b;
}

static void *take(struct arena *a, size_t len_bytes)
{
	size_t len = (len_bytes + alignof(max_align_t) - 1) & ~(alignof(max_align_t) - 1);
	struct arena_block *b = a->blocks;
	if (b == NULL || b->cap - b->len < len) {
		b = add_block(a, len);
	}
	void *p = b->data + b->len;
	b->len += len;
	a->used_bytes += len;
	return p;
}

void *arena_alloc(struct arena *a, size_t len_bytes)
{
	return memset(take(a, len_bytes), 0, len_bytes);
}

char *arena_memdup0(struct arena *a, const void *p, size_t len)
{
	char *copy = take(a, len + 1);
	if (len > 0) {
		memcpy(copy, p, len);
	}
	copy[len] = '\0';
	return copy;
}

char *arena_strdup(struct arena *a, const char *s)
{
	return s != NULL ? arena_memdup0(a, s, strlen(s)) : NULL;
}

void arena_reset(struct arena *a)
{
	size_t spares = 0;
	for (struct arena_block *b = a->spare; b != NULL; b = b->next) {
		spares++;
	}
	while (a->blocks != NULL) {
		struct arena_block *b = a->blocks;
		a->blocks = b->next;
		if (b->cap == BLOCK_BYTES && spares < SPARE_MAX) {
			b->next = a->spare;
			a->spare = b;
			spares++;
		} else {
			free(b);
		}
	}
	a->used_bytes = 0;
}

void arena_release(struct arena *a)
{
	arena_reset(a);
	while (a->spare != NULL) {
		struct arena_block *b = a->spare;
		a->spare = b->next;
		free(b);
	}
}
