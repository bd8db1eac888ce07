/*
 * What an operator set for a lane: the value of `lane.<lane>` in the bucket
 * `settings`, as JSON, every key optional:
 *
 *   paused, reason, until, by nodes take nothing; it ends by itself at until (RFC 3339)
 *   limit                     messages that the lane may hold
 *   rate_per_s                tasks that may be begun in a second, by all nodes together
 *   concurrency               tasks that may run at once, on all nodes together
 *   key_concurrency           the same for the tasks of one Task-Project
 *   purge {upto, at, by}      what lies on the lane up to that sequence is being cancelled
 *   purged {at, by, cancelled} how the last purge ended
 *
 * Pure. People write it with `nats kv put` too, so what can't be understood is
 * told and taken as absent, and keys that nobody knows stay where they are.
 */
#pragma once

#include <jansson.h>

#include "common/err.h"

#define LANE_RATE_MAX 1e6
#define LANE_CONCURRENCY_MAX 1000000
#define LANE_REASON_MAX 255
#define LANE_SETTING_PREFIX "lane."

struct lane_setting {
	bool paused; /* as written; lane_setting_closed says whether it holds now */
	char reason[LANE_REASON_MAX + 1];
	int64_t until_wall_ns; /* 0: until somebody resumes it */
	bool guarded;          /* a breaker stands behind it, which itself takes its pause out again */
	uint64_t limit;        /* 0 in these four: none */
	double rate_per_s;
	unsigned concurrency;
	unsigned key_concurrency;
	uint64_t purge_upto; /* 0: no purge is under way */
	uint64_t purged;     /* tasks that the purge under way, else the last one, has cancelled */
	int64_t purged_wall_ns;
};

/*
 * ret is filled with what could be understood in either case; ERR_INVALID names the first key that
 * could not be. len 0 (a deleted key) is an empty setting.
 */
MUST_CHECK int lane_setting_parse(const void *text, size_t len, struct lane_setting *ret,
								  struct err *e);
/* Nodes take nothing from it now: paused and not over, or being purged. */
bool lane_setting_closed(const struct lane_setting *s, int64_t now_wall_ns);
/* It is paused, and not over. */
bool lane_setting_paused(const struct lane_setting *s, int64_t now_wall_ns);
/* The pause is over by its until, and the setting could be tidied; not one that a breaker has in hand. */
bool lane_setting_over(const struct lane_setting *s, int64_t now_wall_ns);
/* Limits that nodes keep: rate or concurrency. */
bool lane_setting_metered(const struct lane_setting *s);
bool lane_setting_empty(const struct lane_setting *s);

/* Takes the pause out of a setting. True: something was there. */
bool lane_setting_resume(json_t *setting);
