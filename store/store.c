/*
 * The wiring: who is told when broker or database come and go. There is
 * nothing to decide here. Ready means that both connections are being kept
 * up: the store is of use as soon as they are there, and says what it waits
 * for until then.
 */
#include "store/store.h"

#include "common/clock.h"
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

static void on_sending_up(void *data)
{
	struct store *s = data;
	if (s->outbox != NULL) {
		outbox_database_up(s->outbox);
	}
}

/* ---- start and end ---- */

static int open_questions(struct store *s, struct err *e)
{
	struct service_endpoint
		endpoints[AUDIT_ENDPOINTS + STATE_ENDPOINTS + LOCK_ENDPOINTS + HISTORY_ENDPOINTS];
	int rc = lock_api_open(s->bus, &s->lock_api, e);
	if (rc < 0) {
		return rc;
	}
	s->audit_api.pg = s->state_api.pg = s->reading;
	s->state_api.bus = s->bus;
	audit_api_endpoints(&s->audit_api, endpoints);
	state_api_endpoints(&s->state_api, endpoints + AUDIT_ENDPOINTS);
	lock_api_endpoints(s->lock_api, endpoints + AUDIT_ENDPOINTS + STATE_ENDPOINTS);
	s->history_api = (struct history_api){s->bus, s->reading, s->pinging, NULL};
	history_api_endpoints(&s->history_api,
						  endpoints + AUDIT_ENDPOINTS + STATE_ENDPOINTS + LOCK_ENDPOINTS);
	return query_open(s->bus, s->reading, s->control, endpoints, ARRAY_LEN(endpoints), &s->query,
					  e);
}

/* Those that wait for the schema with ingest. */
static int open_others(struct store *s, struct err *e)
{
	const struct store_config *c = &s->config;
	struct outbox_config oc = {c->outbox_rows, c->outbox_bytes, c->outbox_poll_ns / NS_PER_MS,
							   s->ingest};
	struct audit_config ac = {c->audit_interval_ns, c->audit_grace_ns, c->audit_repair, s->ingest};
	int rc = outbox_open(s->bus, s->sending, &oc, &s->outbox, e);
	if (rc == 0) {
		rc = state_mirror_open(s->bus, s->sending, s->ingest, &s->state_mirror, e);
	}
	return rc == 0 ? audit_open(s->bus, s->tidying, &ac, &s->audit, e) : rc;
}

int store_start(struct store *s, struct err *e)
{
	struct bus_events bus_ev = {on_bus_up, on_bus_down, on_bus_error, s};
	struct pg_events pg_ev = {on_writing_up, on_writing_down, s};
	struct pg_events sending_ev = {on_sending_up, NULL, s};
	struct ingest_config ic = {s->config.batch_tasks, s->config.batch_bytes};
	const struct pg_config *direct = &s->config.database;
	const struct pg_config *pooled = s->config.pooler.url != NULL ? &s->config.pooler : direct;
	uv_loop_t *loop = &s->daemon.loop;
	int rc;
	s->database_up =
		metric_gauge("millrace_store_database_up", "1 while PostgreSQL is connected.", NULL);
	if ((rc = bus_open(loop, &s->config.nats, "millrace-store", &bus_ev, &s->bus, e)) < 0 ||
		(rc = pg_open(loop, pooled, "millrace-store", &pg_ev, &s->writing, e)) < 0 ||
		(rc = pg_open(loop, pooled, "millrace-store queries", NULL, &s->reading, e)) < 0 ||
		(rc = pg_open(loop, direct, "millrace-store outbox", &sending_ev, &s->sending, e)) < 0 ||
		(rc = pg_open(loop, pooled, "millrace-store upkeep", NULL, &s->tidying, e)) < 0 ||
		(rc = pg_open(loop, pooled, "millrace-store ping", NULL, &s->pinging, e)) < 0 ||
		(rc = ingest_open(s->bus, s->writing, &ic, &s->ingest, e)) < 0 ||
		(rc = control_open(s->bus, s->reading, s->config.cancels_ns, &s->control, e)) < 0 ||
		(rc = open_questions(s, e)) < 0 ||
		(rc = upkeep_open(loop, s->tidying,
						  &(struct upkeep_times){s->config.samples_ns, s->config.results_ns,
												 s->config.tasks_ns, s->config.history_ns},
						  &s->upkeep, e)) < 0 ||
		(rc = open_others(s, e)) < 0) {
		return rc;
	}
	s->objects = objects_open(s->bus, s->reading, s->config.objects_ns);
	daemon_ready(&s->daemon);
	return 0;
}

static void on_drained(void *data)
{
	struct store *s = data;
	if (--s->draining == 0) {
		daemon_stopped(&s->daemon);
	}
}

void store_drain(struct store *s)
{
	s->draining = (s->ingest != NULL) + (s->outbox != NULL);
	if (s->draining == 0) {
		daemon_stopped(&s->daemon);
		return;
	}
	if (s->ingest != NULL) {
		ingest_drain(s->ingest, on_drained, s);
	}
	if (s->outbox != NULL) {
		outbox_drain(s->outbox, on_drained, s);
	}
}

void store_release(struct store *s)
{
	/* First nobody may call back, then what would be called goes; the bus last, for its answers and
	 * acks. */
	pg_close(&s->writing);
	pg_close(&s->reading);
	pg_close(&s->tidying);
	pg_close(&s->sending);
	pg_close(&s->pinging);
	outbox_close(&s->outbox);
	upkeep_close(&s->upkeep);
	audit_close(&s->audit);
	objects_close(&s->objects);
	query_close(&s->query);
	control_close(&s->control);
	audit_api_release(&s->audit_api);
	state_api_release(&s->state_api);
	history_api_release(&s->history_api);
	lock_api_close(&s->lock_api);
	state_mirror_close(&s->state_mirror);
	ingest_close(&s->ingest);
	bus_close(&s->bus);
}
