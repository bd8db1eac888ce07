/* What can be configured in a store: one table, with defaults. */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/daemon.h"
#include "common/pg.h"

struct store_config {
	struct bus_config nats;
	struct pg_config database;
	struct pg_config pooler; /* no url: there is none */
	struct daemon_config daemon;
	int64_t batch_tasks;
	int64_t batch_bytes;
	int64_t samples_ns;
	int64_t results_ns; /* 0: for ever */
	int64_t tasks_ns;   /* 0: for ever */
	int64_t history_ns; /* 0: for ever */
	int64_t cancels_ns;
	int64_t outbox_rows;
	int64_t outbox_bytes;
	int64_t outbox_poll_ns;
	int64_t audit_interval_ns;
	int64_t audit_grace_ns;
	bool audit_repair;
	int64_t objects_ns;
	int64_t database_wait_ns;
	bool migrate;
};

extern const struct config_program store_program;
