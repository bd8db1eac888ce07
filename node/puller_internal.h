/* What puller.c (asking) and puller_lanes.c (whom) share. Nobody else includes it. */
#pragma once

#include "common/jetstream.h"
#include "node/puller.h"

struct puller_consumer {
	struct served_lane *lane;
	enum task_class class;
	struct js_pull *pull;
	size_t max_bytes; /* of the outstanding request */
	bool woken;       /* while it was being asked: ask once more */
	bool got;         /* the outstanding request delivered something */
	bool absent;      /* of DIRECT: it is not known to be there, and not asked (direct_look) */
	bool looking;
	char name[TOKEN_MAX + 16];
	int64_t asked_ms;
	int64_t backoff_ms;
	int64_t not_before_ms;
};

struct puller {
	struct node *node;
	struct served_lane **lanes;  /* those being served or still ending */
	struct pull_source *sources; /* CLASS_COUNT per lane, in the same order */
	struct pull_ask *asks;
	size_t nlanes;
	struct pull_group *groups; /* [0]: no limit */
	struct handler **group_of;
	unsigned ngroups;
	unsigned nmetered;       /* lanes that have limits of their own */
	struct permits *permits; /* all that there ever were */
	struct served_lane *strays; /* lanes that only came by DIRECT, the oldest first */
	unsigned nstrays;
	struct run *held;           /* direct.h */
	bool starting_held;
	uint64_t turn;
	size_t sweep_at;
	bool planned, unreachable, closed;
	struct timeout sweep;
	struct bus_hook hook;
	struct metric *asked_parked, *asked_now, *declined, *avoided;
};

static inline struct pull_source *source_of(const struct puller_consumer *c)
{
	return &c->lane->puller->sources[c->lane->index * CLASS_COUNT + c->class];
}

/* puller.c: a delivery, and the end of a request; data is the consumer. */
void puller_on_msg(void *data, struct bus_msg **m, const struct js_meta *meta);
void puller_on_end(void *data, enum js_pull_end why);
void puller_on_wake(void *data, struct bus_msg **m);
/* It may have work. */
void puller_hint(struct puller_consumer *c);
/* The group of h's own limit; 0: it has none. */
unsigned puller_group_for(struct puller *p, struct handler *h);
/* The lane may have work, in any class. */
void puller_seek(struct served_lane *l);
/* Takes what its outstanding request holds out of the books. */
void puller_book_end(struct puller *p, struct puller_consumer *c);

/* puller_lanes.c: closes its requests, which must be booked off by then or are now. */
void puller_close_consumers(struct puller *p, struct served_lane *l);
/* Takes a dropped lane out once nothing of it is outstanding. */
void puller_remove_ended(struct puller *p, struct served_lane *l);
