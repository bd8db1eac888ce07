/*
 * What a lock is: an entry lock.<name> of the bucket `leases`. Pure: who has it, and whether still.
 */
#pragma once

#include "common/buf.h"
#include "common/err.h"

#define LOCK_NAME_MAX 128
#define LOCK_OWNER_MAX 128
#define LOCK_TTL_MIN_MS 1000
#define LOCK_TTL_MAX_MS 300000 /* half of what the bucket keeps without a word */
#define LOCK_TTL_DEFAULT_MS 30000

/* An entry's value. token 0: it is the entry's own revision (nobody knows it before the put). */
struct lock_value {
	char owner[LOCK_OWNER_MAX + 1];
	uint64_t token;
	int64_t ttl_ms;
};
/* {"owner":"…","ttl_ms":30000,"token":7}: what `nats kv get leases lock.<name>` shows. */
void lock_value_write(const struct lock_value *v, struct buf *out);
/* ERR_INVALID where it is none: then it holds nobody off. */
MUST_CHECK int lock_value_read(const void *data, size_t len, struct lock_value *ret, struct err *e);

/* Names are keys of a bucket: [A-Za-z0-9_-] with inner dots and slashes. */
MUST_CHECK int lock_name_check(const char *name, struct err *e);
MUST_CHECK int lock_owner_check(const char *owner, struct err *e);
/* 0 is the default. ERR_INVALID names the range. */
MUST_CHECK int lock_ttl_check(int64_t ttl_ms, int64_t otherwise_ms, int64_t *ret_ms, struct err *e);

/* What is known of the key when somebody asks for the lock. */
struct lock_view {
	bool held;            /* an entry that is a lock, not a deletion */
	uint64_t revision;    /* of the key's last word; 0: there is none */
	int64_t seen_mono_ms; /* when this process saw that revision first */
	struct lock_value value;
};
/* The token of a holding: what its first put got. */
uint64_t lock_token(const struct lock_view *v);
/* Until it is anybody's; 0: it is. Judged by how long ago the last word was seen, on a clock that
 * only goes on. */
int64_t lock_left_ms(const struct lock_view *v, int64_t now_mono_ms);

enum lock_verdict { LOCK_TAKE, LOCK_AGAIN, LOCK_BUSY };
/* TAKE: a new holding. AGAIN: the asker has it already, and keeps its token. */
enum lock_verdict lock_judge(const struct lock_view *v, const char *owner, int64_t now_mono_ms);
