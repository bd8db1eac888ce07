/*
 * Who may run how much of a limited lane: the value of the lane's key in the
 * bucket `limits`, which its nodes change by compare-and-set. Pure.
 *
 *   {"tat": 1767323045000000000,
 *    "holders": {"node-1-4f3a9c01": {"beat": 7, "n": 3, "keys": {"acme": 1}}}}
 *
 * tat is the theoretical arrival time of the rate (GCRA): when all that was
 * given out would be due, were it begun at even distances. A holder has n
 * places of the lane's concurrency, and of each key's; what it has it may use
 * again and again without asking. beat grows while it lives.
 */
#pragma once

#include <jansson.h>

#include "common/clock.h"

struct permit_rules {
	double rate_per_s; /* 0 in these three: no limit */
	unsigned concurrency, key_concurrency;
	int64_t now_wall_ns;
};

struct permit_key_wish {
	const char *key;
	unsigned busy;    /* places that are in use: held in any case */
	unsigned want;    /* at least busy */
	unsigned granted; /* out */
};

struct permit_wish {
	const char *me;
	bool beat; /* it is time to show that we live */
	unsigned busy, want;
	struct permit_key_wish *keys;
	size_t nkeys;
	unsigned tokens;      /* of the rate, wanted now */
	unsigned tokens_back; /* had and not used */
	/* Whether a holder has not shown itself for too long: then it is struck out. */
	bool (*dead)(void *data, const char *holder);
	void *data;
};

struct permit_grant {
	unsigned n;             /* places that we hold now */
	unsigned tokens;        /* tasks that may be begun now */
	int64_t tokens_wall_ns; /* tokens is less than wanted: when there is one more */
	bool changed;           /* the book has to be written for it to hold */
};

/* What lies between two tasks at most at once: a tenth of a second's worth, at least one. */
unsigned permit_burst(double rate_per_s);
/* The beat of a holder; -1: it holds nothing. */
json_int_t permit_book_beat(const json_t *book, const char *holder);
unsigned permit_book_held(const json_t *book, const char *holder);
/* Places of key (NULL: of the lane) that others than me hold. */
unsigned permit_book_others(const json_t *book, const char *me, const char *key);
/*
 * Enters into the book (an object) what me shall hold: what it wants, as far as others leave it,
 * and in no case less than what it has in use.
 */
void permit_book_settle(json_t *book, const struct permit_rules *rules, struct permit_wish *wish,
						struct permit_grant *ret);
