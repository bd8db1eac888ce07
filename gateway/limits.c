/*
 * Buckets of permits. They stand apart so that a table holds them to their
 * promise: rate and burst, and no more memory than LIMITS_MAX of them however
 * many addresses come.
 */
#include "gateway/limits.h"

#include <arpa/inet.h>
#include <stdio.h>

#include <utlist.h>

struct limit {
	char key[LIMITS_KEY_MAX];
	double permits;
	int64_t at_mono_ms;
	struct limit *prev, *next;
	UT_hash_handle hh;
};

static void drop(struct limits *l, struct limit *x)
{
	HASH_DEL(l->table, x);
	DL_DELETE(l->oldest, x);
	free(x);
}

static struct limit *bucket(struct limits *l, const char *key, int64_t now_mono_ms)
{
	struct limit *x;

	HASH_FIND_STR(l->table, key, x);
	if (x) {
		DL_DELETE(l->oldest, x);
		DL_APPEND(l->oldest, x);
		return x;
	}
	if (HASH_COUNT(l->table) >= LIMITS_MAX)
		drop(l, l->oldest);
	x = xcalloc(1, sizeof(*x));
	snprintf(x->key, sizeof(x->key), "%s", key);
	x->permits = (double)l->burst;
	x->at_mono_ms = now_mono_ms;
	HASH_ADD_STR(l->table, key, x);
	DL_APPEND(l->oldest, x);
	return x;
}

bool limits_take(struct limits *l, const char *key, int64_t now_mono_ms, int64_t *ret_wait_ms)
{
	double rate = (double)l->rate_per_s / 1000;
	struct limit *x;

	if (l->rate_per_s == 0)
		return true;
	x = bucket(l, key, now_mono_ms);
	x->permits =
		MIN_OF(x->permits + rate * (double)(now_mono_ms - x->at_mono_ms), (double)l->burst);
	x->at_mono_ms = now_mono_ms;
	if (x->permits < 1) {
		*ret_wait_ms = (int64_t)((1 - x->permits) / rate) + 1;
		return false;
	}
	x->permits--;
	return true;
}

void limits_release(struct limits *l)
{
	while (l->oldest)
		drop(l, l->oldest);
}

void limits_key_of(const char *address, char ret[LIMITS_KEY_MAX])
{
	struct in6_addr six;

	if (inet_pton(AF_INET6, address, &six) != 1) {
		snprintf(ret, LIMITS_KEY_MAX, "%s", address);
	} else if (IN6_IS_ADDR_V4MAPPED(&six)) {
		snprintf(ret, LIMITS_KEY_MAX, "%u.%u.%u.%u", six.s6_addr[12], six.s6_addr[13],
				 six.s6_addr[14], six.s6_addr[15]);
	} else {
		memset(six.s6_addr + 8, 0, 8);
		char text[INET6_ADDRSTRLEN];

		inet_ntop(AF_INET6, &six, text, sizeof(text));
		snprintf(ret, LIMITS_KEY_MAX, "%s/64", text);
	}
}
