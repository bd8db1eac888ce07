/*
 * The few words that every file uses: attributes, scope-bound cleanup, sizes.
 *
 * Allocation failure is not an error that callers handle: the x-functions
 * end the process, and what the broker has not been acked comes back.
 */
#pragma once

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#define MUST_CHECK __attribute__((warn_unused_result))
#define PRINTF_LIKE(fmt, args) __attribute__((format(printf, fmt, args)))
#define UNUSED __attribute__((unused))

/* CLEANUP(buf_release) struct buf b = {0}; releases b when its scope ends. */
#define CLEANUP(fn) __attribute__((cleanup(fn)))

/* Hands a pointer out of a scope that would have freed it. */
#define TAKE(p) (__extension__({ __typeof__(p) take_ = (p); (p) = NULL; take_; }))

#define ARRAY_LEN(a) (sizeof(a) / sizeof((a)[0]))
#define MIN_OF(a, b) ((a) < (b) ? (a) : (b))
#define MAX_OF(a, b) ((a) > (b) ? (a) : (b))

/* The struct that embeds member at ptr. */
#define container_of(ptr, type, member) \
	((type *)(void *)((char *)(ptr) - offsetof(type, member)))

void *xmalloc(size_t len_bytes) __attribute__((malloc, returns_nonnull));
void *xcalloc(size_t n, size_t len_bytes) __attribute__((malloc, returns_nonnull));
void *xrealloc(void *p, size_t len_bytes) __attribute__((returns_nonnull));
void *xreallocarray(void *p, size_t n, size_t len_bytes) __attribute__((returns_nonnull));
char *xstrdup(const char *s) __attribute__((malloc, returns_nonnull));
/* A copy of len bytes with a NUL behind them. */
char *xmemdup0(const void *p, size_t len) __attribute__((malloc, returns_nonnull));
/* 64 random bits as hex: what nobody else is called. */
void random_name(char out[17]);
char *xasprintf(const char *fmt, ...) PRINTF_LIKE(1, 2) __attribute__((returns_nonnull));

/* For CLEANUP: frees the pointer that p points to. */
void free_ptr(void *p);

static inline bool str_eq(const char *a, const char *b)
{
	return strcmp(a, b) == 0;
}
