/*
 * One look at all rows and streams: which unfinished tasks have no message.
 * What it finds is a suspicion only: see audit.c for what makes it certain.
 */
#pragma once

#include "common/bus.h"
#include "common/pg.h"
#include "common/token.h"
#include "proto/audit.pb-c.h"
#include "proto/common.pb-c.h"
#include "store/audit_stream.h"

struct audit_look;

struct audit_suspect {
	struct audit_look *look;
	char id[TASK_ID_MAX + 1];
	uint64_t epoch, seq;
	size_t lane;   /* in audit_look.lanes; 0: it is in none, but should be in DELAYED */
	bool to_check; /* the stream's numbers leave it open: the message itself is asked for */
	bool live;
};

struct audit_lane {
	char name[LANE_MAX + 1]; /* "" for DELAYED */
	Millrace__AuditLane report;
	uint64_t after; /* where the walk through its rows goes on */
	bool open;      /* it has rows whose message should be in its stream */
};

#define AUDIT_SUSPECTS_MAX 20000u

struct audit_look {
	struct bus *bus;
	struct pg *pg;
	char age[40]; /* rows that went to their place later are left alone: an interval */
	struct audit_lane *lanes;
	size_t nlanes;
	struct audit_suspect *suspects;
	size_t nsuspects, suspects_cap;
	bool complete; /* false: there are more than one look takes */
	uint64_t delayed_messages, direct_messages;
	/* private: */
	size_t at;                  /* the lane that is looked at */
	struct audit_stream stream; /* as it told */
	unsigned at_most;           /* rows that were asked for */
	bool walk;
	size_t checking; /* answers that are awaited */
	size_t next_check;
	bool in_direct;
	uint64_t direct_first, direct_last;
	struct err failed;
	void (*on_looked)(void *data, const struct err *e);
	void *data;
};

/*
 * Begins one; on_looked comes once, with NULL, or with why it could not be done. The cursors of the
 * look before are kept in look. False: it can't be begun (database or broker away).
 */
MUST_CHECK int audit_look_begin(struct audit_look *look, int64_t age_ns,
								void (*on_looked)(void *data, const struct err *e), void *data,
								struct err *e);
struct audit_lane *audit_lane_of(struct audit_look *look, const char *name);
void audit_look_release(struct audit_look *look);
