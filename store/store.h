/* The store as a whole: five connections to PostgreSQL, one to NATS, and who is told of what. */
#pragma once

#include "common/bus.h"
#include "common/daemon.h"
#include "common/pg.h"
#include "store/audit.h"
#include "store/audit_api.h"
#include "store/config.h"
#include "store/control.h"
#include "store/history_api.h"
#include "store/ingest.h"
#include "store/lock_api.h"
#include "store/outbox.h"
#include "store/objects.h"
#include "store/query.h"
#include "store/state_api.h"
#include "store/state_mirror.h"
#include "store/upkeep.h"

struct store {
	struct store_config config;
	struct daemon daemon;
	struct bus *bus;
	struct pg *writing; /* ingest's */
	struct pg *reading; /* for questions and orders */
	struct pg *sending; /* the outbox's, which listens on it */
	struct pg *tidying; /* the audit's and upkeep's: no question waits behind their long looks */
	struct pg *pinging; /* the pings': they tell of the database, not of what waits for it */
	struct ingest *ingest;
	struct control *control;
	struct query *query;
	struct upkeep *upkeep;
	struct outbox *outbox;
	struct audit *audit;
	struct audit_api audit_api;
	struct state_mirror *state_mirror;
	struct state_api state_api;
	struct lock_api *lock_api;
	struct history_api history_api;
	unsigned draining; /* parts that have not drained yet */
	struct objects *objects;
	struct metric *database_up;
};

/* On a daemon that is initialised. What it made on failure goes with store_release. */
MUST_CHECK int store_start(struct store *s, struct err *e);
/* Takes no more events, commits what it has, then daemon_stopped. */
void store_drain(struct store *s);
void store_release(struct store *s);
