/* What the files of control share. */
#pragma once

#include "common/cancels.h"
#include "common/codec.h"
#include "store/control.h"

#define CONTROL_QUERY_MS 10000
#define CONTROL_PUBLISH_MS 5000
#define CONTROL_BY_MAX 100

struct sweep;

/*
 * One order under way; embedded at the beginning of each kind's own struct, which it frees. While
 * it is in the list somebody will call back, or the end of the store frees it.
 */
struct order {
	struct control *control;
	struct service_request *r; /* NULL: nobody asked */
	void (*release)(struct order *o);
	struct order *prev, *next;
};

struct control {
	struct bus *bus;
	struct pg *pg;
	struct cancels *cancels;
	struct sweep *sweep;
	struct order *orders;
	int64_t keep_ms;
	char instance[17]; /* differs at each start; first part of the ids of what we publish */
	uint64_t counter;
};

void order_begin(struct control *c, struct order *o, struct service_request *r,
				 void (*release)(struct order *o));
/* Answers and frees o. */
void order_answer(struct order *o, const ProtobufCMessage *record);
void order_refuse(struct order *o, const struct err *e);
void order_end(struct order *o);

/* ---- ends.c: tasks that have not run are ended ---- */

/* What a query has to select, in this order, for the functions below. */
#define ENDS_COLUMNS                                                                            \
	"t.id, t.type, t.lane, t.state, t.attempt, t.epoch, t.node, t.submitted_at, t.started_at, " \
	"t.lane_seq, t.due_at, t.project"
enum ends_column {
	EC_ID,
	EC_TYPE,
	EC_LANE,
	EC_STATE,
	EC_ATTEMPT,
	EC_EPOCH,
	EC_NODE,
	EC_SUBMITTED,
	EC_STARTED,
	EC_LANE_SEQ,
	EC_DUE,
	EC_PROJECT,
};

struct ends;
struct ends *ends_new(struct control *c);
/* Adds the row's task, as cancelled; by: who asked, or "". */
void ends_add(struct ends *x, struct pg_rows rows, size_t row, const char *by);
size_t ends_count(const struct ends *x);
/* Where it was not published. NULL is fine. */
void ends_free(struct ends **x);
/*
 * Takes *x: one message on events.done; after its PubAck results.<type>.<id> are told where tell is
 * set, then on_done. Never before it returned.
 */
void ends_publish(struct ends **x, bool tell, void (*on_done)(void *data, const struct err *e),
				  void *data);

/* ---- sweep.c ---- */
int sweep_open(struct control *c, struct err *e);
void sweep_close(struct control *c);
/* There is something new to see to. */
void sweep_poke(struct control *c);
