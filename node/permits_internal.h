/* What permits.c (the book) and permits_wait.c (tasks that wait) share. Nobody else includes it. */
#pragma once

#include "node/permit_keys.h"
#include "node/permits.h"

struct seen {
	char *holder;
	json_int_t beat;
	int64_t mono_ms;
	UT_hash_handle hh;
};

struct permits {
	struct node *node;
	char lane[LANE_MAX + 1];
	struct lane_setting set;
	struct permit_rules rules;
	struct kv_watch *watch;
	json_t *book, *next; /* as it is; as it is being written */
	uint64_t revision;
	bool known, writing, reading, again, due_beat;
	struct seen *seen;
	unsigned need, held; /* places of the lane: wished for, given */
	unsigned running, asked;
	unsigned tokens, tokens_wanted, tokens_coming;
	unsigned tokens_back,
		tokens_returned; /* not used in their time; of them with the write under way */
	int64_t tokens_until_ms;
	struct permit_keys keys;
	struct run *waiting; /* oldest first */
	unsigned nwaiting;
	bool serving, left; /* a run ended while those that wait are gone through */
	bool looking;
	int64_t looked_ms, probed_ms;
	struct timeout beat, token, release, retry, look;
	struct permits *prev, *next_of_all; /* in the puller's list */
};

/* permits.c: writes what we wish for now, or as soon as the write under way has ended. */
void permits_settle(struct permits *pm);
/* RELEASE_MS from now, in case it is needed again. */
void permits_release_later(struct permits *pm);

/* permits_wait.c: after each change. What starts may end at once, and leave its place to the next. */
void permits_serve_waiting(struct permits *pm);
