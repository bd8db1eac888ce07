/*
 * The breaker of a lane, as values. Pure: no clock, no bus. What one lane's
 * breaker is at stands in its setting (bucket `settings`, key lane.<lane>)
 * beside the pause that it made, so that one compare-and-set moves both:
 *
 *	{"paused":true,"reason":"breaker: …","until":"…","concurrency":3,
 *	 "breaker":{"state":"open","fingerprint":"3fa94c1e02","trips":1,"at":"…","until":"…","concurrency":0}}
 *
 *	CLOSED ──N failures of one fingerprint, no success──▶ OPEN ──until──▶ HALF ──a success, or quiet──▶ CLOSED
 *	   ▲                                                  │ ▲             │
 *	   └───────────── an operator resumes the lane ───────┘ └─ failure ───┘ (twice as long)
 */
#pragma once

#include <jansson.h>

#include "common/clock.h"
#include "router/fingerprint.h"

struct breaker_rule {
	unsigned failures; /* 0: there is no breaker */
	int64_t window_ns;
	int64_t pause_ns; /* the first time; doubled each further time */
	int64_t pause_max_ns;
	unsigned probes; /* tasks at once while it is half-open */
};

/* ---- counting ---- */

struct breaker_count {
	unsigned n;
	int64_t first_mono_ms; /* of the window; 0: none yet */
};
/* more failures came. Counts anew where the window is over. */
void breaker_add(struct breaker_count *c, const struct breaker_rule *rule, unsigned more,
				 int64_t now_mono_ms);
/* As many as open it. */
bool breaker_reached(const struct breaker_count *c, const struct breaker_rule *rule);
/* So many that successes are to be looked for. */
bool breaker_suspects(const struct breaker_count *c, const struct breaker_rule *rule);

/* ---- the state ---- */

enum breaker_state { BREAKER_CLOSED, BREAKER_HALF, BREAKER_OPEN };

struct breaker {
	enum breaker_state state;
	char fingerprint[FINGERPRINT_ERROR_LEN + 1]; /* of any version of the handler */
	unsigned trips;                              /* how often it opened in a row */
	int64_t at_wall_ns;                          /* since when it is in that state */
	int64_t until_wall_ns;                       /* OPEN */
	bool paused;                                 /* somebody's pause lies on the lane */
};
/* setting: the lane's, NULL for none. What makes no sense is CLOSED. */
void breaker_read(const json_t *setting, struct breaker *ret);

enum breaker_move { BREAKER_STAY, BREAKER_TO_HALF, BREAKER_TO_CLOSED };
/* What time, or an operator, did to it. */
enum breaker_move breaker_next(const struct breaker *b, const struct breaker_rule *rule,
							   int64_t now_wall_ns);
/* How long it stays open the nth time (from 1). */
int64_t breaker_pause_ns(const struct breaker_rule *rule, unsigned trips);

/* ---- what is written; setting is the lane's own object, changed in place ---- */

struct breaker_trip {
	const char *fingerprint;
	const char *error; /* any bytes */
	unsigned failures;
	int64_t now_wall_ns;
};
/* Pauses the lane, or lengthens the pause of a half-open one. Returns until when. */
int64_t breaker_open(json_t *setting, const struct breaker_rule *rule,
					 const struct breaker_trip *t);
/* Ends its pause; an operator's stays. */
void breaker_half(json_t *setting, int64_t now_wall_ns);
/* As if it had never been. */
void breaker_close(json_t *setting, const struct breaker_rule *rule);
