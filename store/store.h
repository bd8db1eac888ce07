/* The store as a whole: two connections to PostgreSQL, one to NATS, and who is told of what. */
#pragma once

#include "common/bus.h"
#include "common/daemon.h"
#include "common/pg.h"
#include "store/config.h"
#include "store/ingest.h"
#include "store/objects.h"
#include "store/query.h"
#include "store/upkeep.h"

struct store {
	struct store_config config;
	struct daemon daemon;
	struct bus *bus;
	struct pg *writing; /* ingest's */
	struct pg *reading; /* for questions and upkeep */
	struct ingest *ingest;
	struct query *query;
	struct upkeep *upkeep;
	struct objects *objects;
	struct metric *database_up;
};

/* On a daemon that is initialised. What it made on failure goes with store_release. */
MUST_CHECK int store_start(struct store *s, struct err *e);
/* Takes no more events, commits what it has, then daemon_stopped. */
void store_drain(struct store *s);
void store_release(struct store *s);
