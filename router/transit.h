/*
 * A task on its way through this router: from the message that brought it
 * until that message is acked. One struct a task. Who has it in hand:
 *
 *   decode ─▶ dispatch ─▶ (a lane being made | a publish under way | a hold) ─▶ record ─▶ done
 *                 └─▶ delay (publish) ─▶ record
 *                 └─▶ dead (publish) ─▶ record
 *
 * Until it is done the broker is told every few seconds that it lives (+WPI).
 * A router that dies with it loses nothing: the message is delivered again,
 * and every publish has the same Nats-Msg-Id again.
 */
#pragma once

#include "common/jetstream.h"
#include "router/fingerprint.h"
#include "router/router.h"
#include "common/submission.h"

struct lane_entry;
struct bucket;
struct run_call;
struct purge;

struct transit {
	struct router *router;
	enum origin origin;
	struct bus_msg *msg; /* owned; NULL for ORIGIN_RUN, which owns its submission's memory */
	struct submission sub;
	struct lane_entry *lane; /* a reference, or NULL */
	struct burial burial;    /* reason is set once it is dying */
	char *error;             /* behind burial.error, or why it waits; owned */
	char fingerprint[FINGERPRINT_MAX + 1]; /* behind burial.fingerprint */
	uint64_t dead_seq;                     /* in DEAD, once it is there */
	const char *waits_for;   /* why it waits; NULL: it does not, or for its time alone */
	char node[TOKEN_MAX + 1]; /* that it is given to; "": whoever pulls its lane */
	struct bucket *bucket;   /* ORIGIN_DELAYED: where it came from */
	int64_t put_into;        /* the number of the bucket that it is being put into */
	struct run_call *call;   /* ORIGIN_RUN; NULL once it was answered */
	struct purge *purge;     /* ORIGIN_PURGE: which one takes it off its lane */
	struct timeout timeout;  /* held until due, or until the next try */
	struct hold_item hold;
	size_t bytes;
	int64_t taken_mono_ns;
	int64_t kept_mono_ms; /* the last +WPI, or the delivery */
	uint64_t lane_seq;
	bool counted, acked;
	bool cancelled; /* it ends as cancelled, not as dead */
	bool claimed;                  /* its unique key is its own */
	struct bus_call *claim;        /* that is being asked for */
	bool published;                /* its lane may have it, though no PubAck said so */
	unsigned cut;                  /* what was left out to fit into DEAD; see dead.c */
	struct transit *prev, *next;   /* in router->transits */
	struct transit *qprev, *qnext; /* in the one queue that has it: a lane's, a record's */
};

/* Takes *m (NULL-able). sub is empty. */
struct transit *transit_new(struct router *r, enum origin origin, struct bus_msg **m);
/* From now on it counts against the limits of what is in flight. */
void transit_count(struct transit *t);
/* The facts of its message; borrowed from it. */
void transit_arrival(const struct transit *t, const struct js_meta *meta, struct arrival *ret);
/* Settled: acks (unless that was done), tells whoever waits for it, frees. */
void transit_done(struct transit **t);
/* Acks before its time. */
void transit_ack(struct transit *t);
/* Begins the +WPI sweep. */
void transit_keep_alive(struct router *r);
/* At the end: frees all without an ack; they will be delivered again. */
void transit_drop_all(struct router *r);
