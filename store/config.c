/* The store's configuration: one table. What each key means stands in its help. */
#include "store/config.h"

#include "common/clock.h"

static const struct config_key keys[] = {
	BUS_CONFIG_KEYS(struct store_config, nats),
	PG_CONFIG_KEYS(struct store_config, database),
	{"database.pooler", CONFIG_STRING, offsetof(struct store_config, pooler.url), NULL,
	 "a PgBouncer before it, through which is read and written; --migrate and the outbox, which "
	 "listens, go to database.url",
	 "PGBOUNCER_URL", 0, 0, true},
	DAEMON_CONFIG_KEYS(struct store_config, daemon),
	{"migrate", CONFIG_BOOL, offsetof(struct store_config, migrate), "false",
	 "bring the database's schema to this version, say what changed, and exit"},
	{"database.wait", CONFIG_DURATION, offsetof(struct store_config, database_wait_ns), "15s",
	 "how long --migrate waits for a database that is away"},
	{"ingest.batch", CONFIG_INT, offsetof(struct store_config, batch_tasks), "2000",
	 "a transaction is full with so many rows", NULL, 1, 20000},
	{"ingest.bytes", CONFIG_SIZE, offsetof(struct store_config, batch_bytes), "16MiB",
	 "or with so many bytes of events", NULL, 1 << 20, 256 << 20},
	{"keep.samples", CONFIG_DURATION, offsetof(struct store_config, samples_ns), "7d",
	 "how long samples of nodes (millrace.worker_metrics) are kept"},
	{"keep.results", CONFIG_DURATION, offsetof(struct store_config, results_ns), "30d",
	 "how long result and body of a task that has ended are kept where it has no "
	 "Task-Result-Expires; 0: for ever"},
	{"keep.tasks", CONFIG_DURATION, offsetof(struct store_config, tasks_ns), "0",
	 "how long rows of tasks that have ended are kept; 0: for ever"},
	{"keep.history", CONFIG_DURATION, offsetof(struct store_config, history_ns), "30d",
	 "how long decisions of scalers, healing events and agents that are gone are kept; 0: for ever"},
	{"keep.cancels", CONFIG_DURATION, offsetof(struct store_config, cancels_ns), "60s",
	 "how long a marker in the bucket `cancels` stays at least, and how long a cancelled task may "
	 "go on running before it is told as cancelled all the same",
	 NULL, NS_PER_S, 86400 * NS_PER_S},
	{"outbox.batch", CONFIG_INT, offsetof(struct store_config, outbox_rows), "500",
	 "rows of millrace.outbox that are published at a time", NULL, 1, 10000},
	{"outbox.bytes", CONFIG_SIZE, offsetof(struct store_config, outbox_bytes), "8MiB",
	 "or so many bytes of their bodies", NULL, 1 << 16, 256 << 20},
	{"outbox.poll", CONFIG_DURATION, offsetof(struct store_config, outbox_poll_ns), "500ms",
	 "how often it is looked at where no notification comes: behind a pooler"},
	{"audit.interval", CONFIG_DURATION, offsetof(struct store_config, audit_interval_ns), "10s",
	 "between two audits: does every unfinished task lie in a stream?"},
	{"audit.grace", CONFIG_DURATION, offsetof(struct store_config, audit_grace_ns), "30s",
	 "how long a task without a message is watched before it is given up"},
	{"audit.repair", CONFIG_BOOL, offsetof(struct store_config, audit_repair), "true",
	 "whether such a task then becomes a dead letter, or is only told of"},
	{"keep.objects", CONFIG_DURATION, offsetof(struct store_config, objects_ns), "30d",
	 "how long large bodies and results stay in the object store after their task's end; 0: for ever"},
	{0},
};

static const struct config_key *const tables[] = {keys, NULL};

const struct config_program store_program = {
	.name = "millrace-store",
	.summary = "Brings events into PostgreSQL and answers questions about tasks.",
	.usage = "[options]",
	.tables = tables,
	.epilog = "`millrace-store --migrate` makes or upgrades the schema `millrace` (millrace setup "
			  "calls it).",
};
