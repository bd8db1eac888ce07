/*
 * The outbox. It stands alone because it goes the other way: from the
 * database to the broker.
 *
 *	      poll or notified             rows                 all answered
 *	IDLE ------------------> CLAIMING ------> PUBLISHING ------------------+
 *	  ^                         ^  | none                                  |
 *	  +-------------------------|--+                                       |
 *	                            +-- (delete, set aside, give back: then claim, one transaction)
 *
 * It goes well: what is claimed is this store's for ten seconds; each row is
 * published under its id, and deleted in the same transaction that claims the
 * next ones. An idle store is woken by LISTEN where its connection is a direct
 * one (behind a pooler a session is nobody's), and looks every `outbox.poll` anyway.
 *
 * It fails: killed between publish and delete, the row is claimed again, by
 * whoever, and its task's record, the stream's memory of ids, or at last the
 * key of the table of tasks makes one task of two publishes. A row that can't become
 * a task is set aside with a sentence. A stream that refuses (full, away)
 * gives the rows back, and it is tried again ever more slowly.
 */
#include "store/outbox.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "store/outbox_row.h"

#define HOLD "10 seconds" /* far below TASKS' duplicate_window */
#define PUBLISH_DEADLINE_MS 5000
#define QUERY_TIMEOUT_MS 30000
#define BUSY_POLL_MS 20 /* for a while after the last row was found */
#define BUSY_MS 500
#define PAUSE_MAX_MS 5000

enum column {
	C_SEQ,
	C_ID,
	C_TYPE,
	C_BODY,
	C_BYTES,
	C_PRIORITY,
	C_REQUIRES,
	C_PROJECT,
	C_RUN_AT,
	C_HEADERS,
	C_CREATED,
	C_KNOWN
};

struct outbox {
	struct bus *bus;
	struct pg *pg;
	struct outbox_config config;
	char name[24]; /* this store's, for its claims */
	struct timeout timeout;
	struct pg_array done, refused, errors,
		given_back; /* what the next transaction says of the last rows */
	size_t ndone, nrefused, ngiven;
	struct outgoing *batch; /* of the last claim */
	size_t publishing;      /* of it, PubAcks that are awaited */
	bool asking, claiming, again, closing;
	int64_t pause_ms;      /* after a refusal; 0: none */
	int64_t found_mono_ms; /* rows, the last time */
	void (*on_drained)(void *data);
	void *drained_data;
	bool draining;
	struct metric *published, *refusals, *known, *lag;
};

/* One row on its way. */
struct outgoing {
	struct outbox *outbox;
	int64_t seq;
};

static void turn(struct outbox *o);

static void on_poll(struct timeout *t)
{
	turn(container_of(t, struct outbox, timeout));
}

static void wait_ms(struct outbox *o, int64_t ms)
{
	if (!o->closing) {
		timeout_start(&o->timeout, ms, on_poll);
	}
}

static bool unsaid(const struct outbox *o)
{
	return o->ndone + o->nrefused + o->ngiven > 0;
}

static void check_drained(struct outbox *o)
{
	bool hopeless = !pg_is_up(o->pg) || !bus_is_up(o->bus);
	if (o->on_drained != NULL && (hopeless || (o->publishing == 0 && !o->asking && !unsaid(o)))) {
		void (*on_drained)(void *data) = TAKE(o->on_drained);
		on_drained(o->drained_data);
	}
}

/* ---- publishing ---- */

static void refuse(struct outbox *o, int64_t seq, const char *why)
{
	pg_array_int(&o->refused, seq);
	pg_array_text(&o->errors, why);
	o->nrefused++;
	metric_add(o->refusals, 1);
	log_warn("a row of millrace.outbox can't become a task, set aside", LOG_I("seq", seq),
			 LOG_S("error", why));
}

/* Not this row's fault: all of them wait. */
static void give_back(struct outbox *o, int64_t seq, const struct err *e)
{
	pg_array_int(&o->given_back, seq);
	o->ngiven++;
	if (o->pause_ms == 0) {
		log_warn("the outbox can't publish, trying on", LOG_S("error", e->text));
		o->pause_ms = 100;
	}
}

static bool fault_of_row(int code)
{
	return code == ERR_INVALID || code == ERR_TOO_LARGE;
}

static void settle(struct outbox *o)
{
	if (o->publishing == 0 && !o->closing) {
		turn(o);
	}
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct outgoing *g = data;
	struct outbox *o = g->outbox;
	(void)ack;
	o->publishing--;
	if (e == NULL) {
		pg_array_int(&o->done, g->seq);
		o->ndone++;
		metric_add(o->published, 1);
		if (o->pause_ms > 0) {
			o->pause_ms = 0;
			log_info("the outbox publishes again");
		}
	} else if (fault_of_row(e->code)) {
		refuse(o, g->seq, e->text);
	} else {
		give_back(o, g->seq, e);
	}
	settle(o);
}

static void publish(struct outbox *o, const struct outbox_row *row, struct outgoing *g)
{
	struct err e = {0};
	struct outbox_message m;
	int rc = outbox_row_message(row, &m, &e);
	if (rc < 0) {
		refuse(o, row->seq, e.text);
	} else {
		*g = (struct outgoing){o, row->seq};
		const struct bus_out out = {.subject = m.subject,
									.data = row->body,
									.len = row->body_len,
									.headers = m.headers,
									.nheaders = m.nheaders};
		rc = js_publish(o->bus, &out, PUBLISH_DEADLINE_MS, on_puback, g, &e);
		if (rc == 0) {
			o->publishing++;
		} else if (fault_of_row(rc)) {
			refuse(o, row->seq, e.text);
		} else {
			give_back(o, row->seq, &e);
		}
	}
	outbox_message_release(&m);
}

/* ---- claiming ---- */

static void read_row(struct pg_rows r, size_t i, struct outbox_row *ret)
{
	bool bytes = pg_null(r, i, C_BODY);
	*ret = (struct outbox_row){
		.seq = pg_get_int(r, i, C_SEQ),
		.id = pg_get(r, i, C_ID, NULL),
		.type = pg_get(r, i, C_TYPE, NULL),
		.priority = pg_get(r, i, C_PRIORITY, NULL),
		.requires = pg_get(r, i, C_REQUIRES, NULL),
		.project = pg_get(r, i, C_PROJECT, NULL),
		.two_bodies = !bytes && !pg_null(r, i, C_BYTES),
		.run_wall_ns = pg_get_time(r, i, C_RUN_AT),
	};
	ret->headers = pg_get(r, i, C_HEADERS, &ret->headers_len);
	ret->body = pg_get(r, i, bytes ? C_BYTES : C_BODY, &ret->body_len);
}

static void forget(struct pg_array *a, size_t *n)
{
	pg_array_reset(a);
	*n = 0;
}

static void take_rows(struct outbox *o, struct pg_rows rows)
{
	size_t n = pg_nrows(rows);
	if (n == 0) {
		metric_set(o->lag, 0);
		bool busy = clock_mono_ms() - o->found_mono_ms < BUSY_MS;
		wait_ms(o, busy ? MIN_OF(o->config.poll_ms, BUSY_POLL_MS) : o->config.poll_ms);
		return;
	}
	o->found_mono_ms = clock_mono_ms();
	metric_set(o->lag, (double)(clock_wall_ns() - pg_get_time(rows, 0, C_CREATED)) / 1e9);
	free(o->batch);
	o->batch = xcalloc(n, sizeof(*o->batch));
	for (size_t i = 0; i < n; i++) {
		struct outbox_row row;
		read_row(rows, i, &row);
		if (pg_get_int(rows, i, C_KNOWN) != 0) {
			pg_array_int(&o->done, row.seq);
			o->ndone++;
			metric_add(o->known, 1);
		} else {
			publish(o, &row, &o->batch[i]);
		}
	}
	settle(o);
}

static void on_claimed(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct outbox *o = data;
	o->asking = false;
	if (e != NULL) { /* what was said is said again: each statement may run twice */
		bool expected = e->code == ERR_UNREACHABLE || e->code == ERR_NOT_FOUND;
		log_at(expected ? LOG_DEBUG : LOG_WARN, "the outbox was not read", LOG_S("error", e->text),
			   LOG_S("next", "trying again"));
		wait_ms(o, 1000);
		check_drained(o);
		return;
	}
	forget(&o->done, &o->ndone);
	forget(&o->refused, &o->nrefused);
	pg_array_reset(&o->errors);
	if (o->ngiven > 0) {
		forget(&o->given_back, &o->ngiven);
		wait_ms(o, o->pause_ms);
		o->pause_ms = MIN_OF(o->pause_ms * 2, PAUSE_MAX_MS);
	} else if (o->claiming) {
		bool again = o->again;
		o->again = false;
		take_rows(o, rows[n - 1]);
		if (again && o->publishing == 0 && !o->asking) {
			turn(o);
		}
	} else {
		wait_ms(o, o->config.poll_ms);
	}
	check_drained(o);
}

/* Says what became of the last rows and claims the next, in one transaction. */
static void turn(struct outbox *o)
{
	if (o->closing || o->asking || o->publishing > 0) {
		o->again = true;
		return;
	}
	if (!pg_is_up(o->pg) || !ingest_ready(o->config.ingest) || (!bus_is_up(o->bus) && !unsaid(o)) ||
		(o->draining && !unsaid(o))) {
		wait_ms(o, 1000);
		check_drained(o);
		return;
	}
	char rows[16], bytes[24];
	snprintf(rows, sizeof(rows), "%lld", (long long)o->config.batch_rows);
	snprintf(bytes, sizeof(bytes), "%lld", (long long)o->config.batch_bytes);
	struct pg_param done = pg_array_param(&o->done);
	struct pg_param refused[] = {pg_array_param(&o->refused), pg_array_param(&o->errors)};
	struct pg_param given[] = {PG_ARG(o->name), pg_array_param(&o->given_back)};
	struct pg_param claim[] = {PG_ARG(o->name), PG_ARG(rows), PG_ARG(bytes), PG_ARG(HOLD)};
	struct pg_statement s[4];
	size_t n = 0;
	if (o->ndone > 0) {
		s[n++] = (struct pg_statement){"SELECT millrace.outbox_done($1)", &done, 1};
	}
	if (o->nrefused > 0) {
		s[n++] = (struct pg_statement){"SELECT millrace.outbox_refuse($1, $2)", refused, 2};
	}
	if (o->ngiven > 0) {
		s[n++] = (struct pg_statement){"SELECT millrace.outbox_release($1, $2)", given, 2};
	}
	o->claiming = o->ngiven == 0 && !o->draining && bus_is_up(o->bus);
	if (o->claiming) {
		s[n++] = (struct pg_statement){
			"SELECT * FROM millrace.outbox_claim($1, $2::int4, $3::int8, $4::interval)", claim, 4};
	}
	struct err e;
	o->again = false;
	if (pg_run(o->pg, s, n, QUERY_TIMEOUT_MS, on_claimed, o, &e) < 0) {
		log_debug("the outbox was not asked", LOG_S("error", e.text));
		wait_ms(o, 1000);
		return;
	}
	timeout_stop(&o->timeout);
	o->asking = true;
}

/* ---- listening ---- */

static void on_notified(void *data)
{
	struct outbox *o = data;
	if (o->pause_ms == 0) {
		turn(o);
	}
}

static void on_listening(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	(void)data;
	(void)rows;
	(void)n;
	log_debug(e == NULL ? "the outbox listens" : "the outbox can't listen, it polls",
			  LOG_S("error", e != NULL ? e->text : ""));
}

/* A pooler tells a process id of its own making: then LISTEN would be somebody else's. */
static void on_backend(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct outbox *o = data;
	struct err why;
	(void)n;
	if (e != NULL || pg_get_int(rows[0], 0, 0) != pg_backend_pid(o->pg)) {
		log_debug("no direct connection to PostgreSQL, the outbox polls",
				  LOG_I("poll_ms", o->config.poll_ms));
		return;
	}
	if (pg_query(o->pg, "LISTEN millrace_outbox", NULL, 0, QUERY_TIMEOUT_MS, on_listening, o,
				 &why) < 0) {
		log_debug("the outbox can't listen, it polls", LOG_S("error", why.text));
	}
}

void outbox_database_up(struct outbox *o)
{
	struct err e;
	if (pg_query(o->pg, "SELECT pg_backend_pid()", NULL, 0, QUERY_TIMEOUT_MS, on_backend, o, &e) <
		0) {
		log_debug("the outbox can't listen, it polls", LOG_S("error", e.text));
	}
	turn(o);
}

/* ---- owner's side ---- */

int outbox_open(struct bus *bus, struct pg *pg, const struct outbox_config *c, struct outbox **ret,
				struct err *e)
{
	struct outbox *o = xcalloc(1, sizeof(*o));
	uint8_t r[8];
	(void)e;
	if (getentropy(r, sizeof(r)) != 0) {
		abort();
	}
	snprintf(o->name, sizeof(o->name), "%02x%02x%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
			 r[4], r[5], r[6], r[7]);
	o->bus = bus;
	o->pg = pg;
	o->config = *c;
	o->done.type = o->refused.type = o->given_back.type = PG_INT8;
	o->errors.type = PG_TEXT;
	o->published = metric_counter("millrace_store_outbox_published_total",
								  "Rows of the outbox that became tasks.", NULL);
	o->refusals = metric_counter("millrace_store_outbox_refused_total",
								 "Rows of the outbox that were set aside.", NULL);
	o->known = metric_counter("millrace_store_outbox_known_total",
							  "Rows of the outbox whose task was stored already.", NULL);
	o->lag = metric_gauge("millrace_store_outbox_lag_seconds",
						  "Age of the oldest row that was claimed last; 0 where none waits.", NULL);
	timeout_init(&o->timeout, bus_timeouts(bus));
	pg_on_notify(pg, on_notified, o);
	*ret = o;
	return 0;
}

void outbox_drain(struct outbox *o, void (*on_drained)(void *data), void *data)
{
	o->draining = true;
	o->on_drained = on_drained;
	o->drained_data = data;
	turn(o);
	check_drained(o);
}

void outbox_close(struct outbox **op)
{
	struct outbox *o = TAKE(*op);
	if (o == NULL) {
		return;
	}
	o->closing = true;
	timeout_stop(&o->timeout);
	pg_array_release(&o->done);
	pg_array_release(&o->refused);
	pg_array_release(&o->errors);
	pg_array_release(&o->given_back);
	free(o->batch);
	free(o);
}
