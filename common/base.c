/*
 * Memory that is there or ends the process. It stands alone so that no other
 * file has a branch for "out of memory" that nobody can test: a process that
 * cannot get memory ends with a line on stderr, and what the broker has not
 * been acked is delivered again elsewhere.
 */
#include "common/base.h"

#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>

/*
 * Read by jemalloc where a program is linked with it. Two arenas serve two
 * busy threads; what a burst needed goes back to the system within seconds.
 */
extern const char *malloc_conf;
const char *malloc_conf = "narenas:2,dirty_decay_ms:3000,muzzy_decay_ms:0";

static _Noreturn void end_out_of_memory(void)
{
	static const char words[] = "level=error event=\"out of memory\"\n";
	ssize_t ignored UNUSED = write(STDERR_FILENO, words, sizeof(words) - 1);
	abort();
}

static void *there(void *p)
{
	if (!p)
		end_out_of_memory();
	return p;
}

void *xmalloc(size_t len_bytes)
{
	return there(malloc(len_bytes ? len_bytes : 1));
}

void *xcalloc(size_t n, size_t len_bytes)
{
	return there(n && len_bytes ? calloc(n, len_bytes) : calloc(1, 1));
}

void *xrealloc(void *p, size_t len_bytes)
{
	return there(realloc(p, len_bytes ? len_bytes : 1));
}

void *xreallocarray(void *p, size_t n, size_t len_bytes)
{
	size_t total;
	if (__builtin_mul_overflow(n, len_bytes, &total))
		end_out_of_memory();
	return xrealloc(p, total);
}

char *xstrdup(const char *s)
{
	return there(strdup(s));
}

char *xmemdup0(const void *p, size_t len)
{
	char *copy = xmalloc(len + 1);
	if (len)
		memcpy(copy, p, len);
	copy[len] = '\0';
	return copy;
}

char *xasprintf(const char *fmt, ...)
{
	char *text = NULL;
	va_list args;
	va_start(args, fmt);
	int len = vasprintf(&text, fmt, args);
	va_end(args);
	return there(len < 0 ? NULL : text);
}

void free_ptr(void *p)
{
	void **owner = p;
	free(*owner);
	*owner = NULL;
}

void random_name(char out[17])
{
	uint8_t bytes[8];

	if (getentropy(bytes, sizeof(bytes)) != 0)
		abort();
	for (size_t i = 0; i < sizeof(bytes); i++)
		snprintf(out + 2 * i, 3, "%02x", bytes[i]);
}
