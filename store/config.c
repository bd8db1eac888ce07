/* The store's configuration: one table. What each key means stands in its help. */
#include "store/config.h"

static const struct config_key keys[] = {
	BUS_CONFIG_KEYS(struct store_config, nats),
	PG_CONFIG_KEYS(struct store_config, database),
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
