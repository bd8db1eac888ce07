/* How often each client may ask: a bucket of permits for each, filled at a rate. Pure; bounded. */
#pragma once

#include "common/base.h"

#include <uthash.h>

#define LIMITS_KEY_MAX 80
#define LIMITS_MAX 65536u /* buckets; over it the one that was asked for longest ago goes */

struct limit;
struct limits {
	int64_t rate_per_s;           /* 0: no limit */
	int64_t burst;                /* permits that a bucket holds */
	struct limit *table, *oldest; /* by key; in the order of their last use */
};

/*
 * Takes a permit from the key's bucket. false: there is none, and *ret_wait_ms tells when there will be. A client whose
 * bucket went has a full one again, which is what it has after burst / rate seconds anyway.
 */
bool limits_take(struct limits *l, const char *key, int64_t now_mono_ms, int64_t *ret_wait_ms);
void limits_release(struct limits *l);
/* Whose bucket an address draws from: itself, but for IPv6 the /64 that one host or home has. */
void limits_key_of(const char *address, char ret[LIMITS_KEY_MAX]);
