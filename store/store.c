/*
 * The wiring: who is told when broker or database come and go. There is
 * nothing to decide here. Ready means that both connections are being kept
 * up: the store is of use as soon as they are there, and says what it waits
 * for until then.
 */
#include "store/store.h"

#include "common/log.h"
#include "common/metrics.h"

/* ---- broker ---- */

static void on_bus_up(void *data)
{
	struct store *s = data;
	log_info("connected to broker", LOG_S("url", bus_url(s->bus)));
	if (s->ingest != NULL) {
		ingest_bus_up(s->ingest);
	}
}

static void on_bus_down(void *data, const struct err *why)
{
	struct store *s = data;
	log_warn("broker away, waiting for it", LOG_S("url", s->bus != NULL ? bus_url(s->bus) : ""),
			 LOG_S("error", why->text));
}

static void on_bus_error(void *data, const struct err *e)
{
	(void)data;
	log_error("broker refuses", LOG_S("error", e->text));
}

/* ---- database ---- */

static void on_writing_up(void *data)
{
	struct store *s = data;
	log_info("connected to database", LOG_S("database", pg_address(s->writing)),
			 LOG_I("version", pg_server_version(s->writing)));
	metric_set(s->database_up, 1);
	ingest_database_up(s->ingest);
}

static void on_writing_down(void *data, const struct err *why)
{
	struct store *s = data;
	log_warn("database away, waiting for it", LOG_S("database", pg_address(s->writing)),
			 LOG_S("error", why->text));
	metric_set(s->database_up, 0);
	if (s->ingest != NULL) {
		ingest_database_down(s->ingest);
	}
}

/* ---- start and end ---- */

int store_start(struct store *s, struct err *e)
{
	struct bus_events bus_ev = {on_bus_up, on_bus_down, on_bus_error, s};
	struct pg_events pg_ev = {on_writing_up, on_writing_down, s};
	struct ingest_config ic = {s->config.batch_tasks, s->config.batch_bytes};
	uv_loop_t *loop = &s->daemon.loop;
	int rc;
	s->database_up =
		metric_gauge("millrace_store_database_up", "1 while PostgreSQL is connected.", NULL);
	if ((rc = bus_open(loop, &s->config.nats, "millrace-store", &bus_ev, &s->bus, e)) < 0 ||
		(rc = pg_open(loop, &s->config.database, "millrace-store", &pg_ev, &s->writing, e)) < 0 ||
		(rc = pg_open(loop, &s->config.database, "millrace-store queries", NULL, &s->reading, e)) <
			0 ||
		(rc = ingest_open(s->bus, s->writing, &ic, &s->ingest, e)) < 0 ||
		(rc = query_open(s->bus, s->reading, &s->query, e)) < 0 ||
		(rc = upkeep_open(loop, s->reading, s->config.samples_ns, &s->upkeep, e)) < 0) {
		return rc;
	}
	s->objects = objects_open(s->bus, s->reading, s->config.objects_ns);
	daemon_ready(&s->daemon);
	return 0;
}

static void on_drained(void *data)
{
	struct store *s = data;
	daemon_stopped(&s->daemon);
}

void store_drain(struct store *s)
{
	if (s->ingest != NULL) {
		ingest_drain(s->ingest, on_drained, s);
	} else {
		daemon_stopped(&s->daemon);
	}
}

void store_release(struct store *s)
{
	/* First nobody may call back, then what would be called goes; the bus last, for its answers and
	 * acks. */
	pg_close(&s->writing);
	pg_close(&s->reading);
	upkeep_close(&s->upkeep);
	objects_close(&s->objects);
	query_close(&s->query);
	ingest_close(&s->ingest);
	bus_close(&s->bus);
}
