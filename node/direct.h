/*
 * Tasks that the router gave to this very node: its own durables on DIRECT,
 * asked beside the lanes as if they were one more.
 */
#pragma once

#include "node/puller.h"
#include "node/run.h"

/* Of a type with a limit of its own, so many wait here for its turn beside what runs; more go back. */
#define DIRECT_HELD_MAX 64u

/* Adds them to what p asks. */
void direct_open(struct puller *p);
/*
 * Whether a class's durable is there, which the router makes with the first task for this node: asked
 * for by name, as a pull from one that is not is answered by silence up to nats-server 2.9, for as long
 * as it holds a slot's credit.
 */
struct puller_consumer;
void direct_look(struct puller_consumer *c);
/* The router put something there, or the broker is back. */
void direct_woken(struct served_lane *direct);
/* The lane of a message that came by them, as its headers tell; never NULL, borrowed. Its handler
 * is NULL where this node does not serve it. */
struct served_lane *direct_lane(struct puller *p, const struct bus_msg *m);

/*
 * Whether r may begin, and if not what becomes of it: HOLD keeps it until its type has room
 * (run_start_held), RETURN hands it back unspent, for the reason and the words.
 */
enum direct_verdict { DIRECT_BEGIN, DIRECT_HOLD, DIRECT_RETURN };
struct direct_refusal {
	const char *reason;
	char words[240];
	int64_t retry_after_ns; /* 0: the router's own wait */
};
enum direct_verdict direct_judge(struct run *r, struct direct_refusal *ret);
/* r is dropped while it is held. */
void direct_drop(struct run *r);
/* A run of l ended: what was held for its type may begin, at the end of the turn. */
void direct_run_ended(struct served_lane *l);
/* A type has room, perhaps (other slots, a request on a lane that ended): the same, and what nobody
 * here will begin goes back. */
void direct_room(struct puller *p);
/* In planning, what is held counts as running every other turn, so that neither way in starves. */
void direct_yield(struct puller *p, bool on);
