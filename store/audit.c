/*
 * One pass of the audit, and when. It stands alone because it is a proof, and
 * each of its steps is a premise:
 *
 *	look ----> drain ----> grace ----> drain ----> judge ----> repair ----> report
 *
 * At every moment the message of a task that is not over is in a stream, and
 * whoever takes it from one has put it, or what became of it, into another
 * one before. So, of a row whose message was absent when we looked:
 *   - what became of it was in EVENTS by then. Once the store has committed everything up to
 *     EVENTS' last sequence of that moment, the row says so;
 *   - or it was handed to a router by events.act. Once the routers have acked all of that up to
 *     then, its new place has been recorded: a second drain, and the row says so.
 * A row that after both is still what it was has been told about by nobody, and nobody holds
 * anything that could tell. No clock is part of this; the grace in between is for people's
 * operations (a purge that cancels what it has deleted), and for nodes of other makers that ack
 * before they report. What could be told and still not be stored makes a row `unresolved`: counted,
 * never touched (audit_judge).
 *
 * It goes well: nothing is found, and a pass is a few requests a lane. It
 * fails: whatever is away ends the pass without a verdict.
 */
#include "store/audit.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "store/audit_look.h"
#include "store/audit_repair.h"
#include "store/audit_stream.h"
#include "store/caught_up.h"

#define TICK_MS 1000
#define HOLD "6 seconds" /* a store that died holds up the others for so long */
#define KEEP_MS 2000
#define DRAIN_POLL_MS 250
#define QUERY_TIMEOUT_MS 30000
#define PATIENCE_MS 120000 /* beyond the grace: a store that lags so far behind has other sorrows */
#define LANES_TOLD 4000u

enum step {
	STEP_IDLE,
	STEP_BEGIN,
	STEP_LOOK,
	STEP_DRAIN,
	STEP_GRACE,
	STEP_JUDGE,
	STEP_REPAIR,
	STEP_REPORT
};

struct audit {
	struct bus *bus;
	struct pg *pg;
	struct audit_config config;
	char name[24];
	enum step step;
	struct timeout timeout, keep;
	struct audit_look look;
	struct audit_repair repair;
	bool repairing; /* this pass does */
	bool asked;     /* by an operator: that also says that this is the right broker */
	bool stranger;  /* these rows are of another broker's messages */
	char broker[48], known_broker[48]; /* when TASKS was made, here and as the rows know it */
	bool second;                       /* drain */
	struct caught_up store, act; /* with EVENTS' last sequence, after the rows were looked at */
	bool store_passed;
	uint64_t tasks_waiting, watched, unresolved;
	int64_t pass, begun_mono_ms, looked_mono_ms;
	const char **lost; /* ids in look.suspects */
	size_t nlost;
	struct metric *passes, *failures, *seconds, *unresolved_gauge, *repaired;
};

static void on_tick(struct timeout *t);
static void drain(struct audit *a);
static void judge(struct audit *a);
static void report(struct audit *a);

static void rest(struct audit *a)
{
	a->step = STEP_IDLE;
	free(TAKE(a->lost));
	timeout_stop(&a->keep);
	timeout_start(&a->timeout, TICK_MS, on_tick);
}

/* Nothing is said of a pass that could not be finished; the next one looks anew. */
static void give_up(struct audit *a, const struct err *e)
{
	bool expected = e->code == ERR_UNREACHABLE || e->code == ERR_CLOSED ||
					(e->code == ERR_NOT_FOUND && a->step == STEP_BEGIN);
	log_at(expected ? LOG_DEBUG : LOG_WARN, "the audit's pass was broken off",
		   LOG_S("error", e->text), LOG_S("next", "trying again"));
	if (a->step != STEP_BEGIN) {
		metric_add(a->failures, 1);
	}
	rest(a);
}

static bool too_late(struct audit *a)
{
	return clock_mono_ms() - a->begun_mono_ms > a->config.grace_ns / NS_PER_MS + PATIENCE_MS;
}

/* ---- drain: EVENTS up to a moment ---- */

static void drained(struct audit *a)
{
	if (a->second) {
		judge(a);
		return;
	}
	int64_t left_ms = a->config.grace_ns / NS_PER_MS - (clock_mono_ms() - a->looked_mono_ms);
	a->second = true;
	a->step = STEP_GRACE;
	timeout_start(&a->timeout, MAX_OF(left_ms, 0), on_tick);
}

static void drain_later(struct audit *a)
{
	struct err e;
	if (too_late(a)) {
		err_set(&e, ERR_TIMEOUT, "the store has not caught up with EVENTS");
		give_up(a, &e);
		return;
	}
	timeout_start(&a->timeout, DRAIN_POLL_MS, on_tick);
}

static void on_act(void *data, bool passed, const struct err *e)
{
	struct audit *a = data;
	if (e != NULL) {
		give_up(a, e);
	} else if (passed && a->store_passed) {
		drained(a);
	} else {
		drain_later(a);
	}
}

static void on_store(void *data, bool passed, const struct err *e)
{
	struct audit *a = data;
	struct err why;
	a->store_passed = passed;
	if (e != NULL || caught_up_look(&a->act, &why) < 0) {
		give_up(a, e != NULL ? e : &why);
	}
}

static void ask_consumers(struct audit *a)
{
	struct err e;
	if (caught_up_look(&a->store, &e) < 0) {
		give_up(a, &e);
	}
}

static void on_events(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct audit *a = data;
	struct audit_stream s;
	struct err why;
	(void)server_code;
	if (e != NULL || audit_stream_read(reply, &s, &why) < 0) {
		give_up(a, e != NULL ? e : &why);
		return;
	}
	a->store.upto = a->act.upto = s.last_seq;
	ask_consumers(a);
}

static void drain(struct audit *a)
{
	struct err e;
	a->step = STEP_DRAIN;
	if (js_api(a->bus, "STREAM.INFO.EVENTS", NULL, on_events, a, &e) < 0) {
		give_up(a, &e);
	}
}

/* ---- look ---- */

static void on_looked(void *data, const struct err *e)
{
	struct audit *a = data;
	if (e != NULL) {
		give_up(a, e);
		return;
	}
	a->looked_mono_ms = clock_mono_ms();
	a->watched = a->look.nsuspects;
	a->second = a->look.nsuspects ==
				0; /* then there is nothing to be patient for: one drain tells the numbers */
	drain(a);
}

static void on_tasks(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct audit *a = data;
	struct audit_stream s;
	struct err why;
	(void)server_code;
	if (e != NULL || audit_stream_read(reply, &s, &why) < 0) {
		give_up(a, e != NULL ? e : &why);
		return;
	}
	a->tasks_waiting = s.messages;
	const char *created = json_string_value(json_object_get(reply, "created"));
	snprintf(a->broker, sizeof(a->broker), "%s", created != NULL ? created : "");
	if (a->known_broker[0] != '\0' && !str_eq(a->broker, a->known_broker) && !a->asked) {
		/* An empty broker would say of each task that it is lost. */
		if (!a->stranger) {
			log_error("this is another broker than the one that the rows know; nothing is given up",
					  LOG_S("tasks_made", a->broker), LOG_S("known", a->known_broker),
					  LOG_S("remedy", "the right NATS_URL; or, if the old one is lost for good, "
									  "millrace audit --repair"));
		}
		a->repairing = false;
		a->stranger = true;
	} else {
		a->stranger = false;
	}
	/* Rows younger than a moment are on their way to be told about. */
	if (audit_look_begin(&a->look, MIN_OF(a->config.grace_ns, 5 * NS_PER_S), on_looked, a, &why) <
		0) {
		give_up(a, &why);
	}
}

/* ---- judge ---- */

static void on_judged(void *data, const struct pg_rows *rows, size_t n, const struct err *e);

static void judge(struct audit *a)
{
	struct audit_look *k = &a->look;
	a->step = STEP_JUDGE;
	a->unresolved = 0;
	a->nlost = 0;
	if (k->nsuspects == 0) {
		report(a);
		return;
	}
	struct pg_array ids = {.type = PG_TEXT}, epochs = {.type = PG_INT8}, seqs = {.type = PG_INT8};
	for (size_t i = 0; i < k->nsuspects; i++) {
		pg_array_text(&ids, k->suspects[i].id);
		pg_array_int(&epochs, (int64_t)k->suspects[i].epoch);
		pg_array_int(&seqs, (int64_t)k->suspects[i].seq);
	}
	struct pg_param p[] = {pg_array_param(&ids), pg_array_param(&epochs), pg_array_param(&seqs)};
	struct err e;
	int rc = pg_query(a->pg, "SELECT id, lane, unresolved FROM millrace.audit_judge($1, $2, $3)", p,
					  ARRAY_LEN(p), QUERY_TIMEOUT_MS, on_judged, a, &e);
	pg_array_release(&ids);
	pg_array_release(&epochs);
	pg_array_release(&seqs);
	if (rc < 0) {
		give_up(a, &e);
	}
}

static void on_repaired(void *data, const struct err *e)
{
	struct audit *a = data;
	metric_add(a->repaired, (double)a->repair.repaired);
	if (e != NULL) {
		log_warn("not all lost tasks could be given up", LOG_S("error", e->text),
				 LOG_S("next", "the next pass does it"));
	}
	report(a);
}

/* lost points into the look, which stays as it is until the next pass. */
static void on_judged(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit *a = data;
	struct audit_look *k = &a->look;
	struct err why;
	(void)n;
	if (e != NULL) {
		give_up(a, e);
		return;
	}
	size_t found = pg_nrows(rows[0]);
	a->lost = xcalloc(found + 1, sizeof(*a->lost));
	for (size_t i = 0, at = 0; i < found; i++) {
		const char *id = pg_get(rows[0], i, 0, NULL);
		bool unresolved = pg_get_int(rows[0], i, 2) != 0;
		struct audit_lane *l = audit_lane_of(k, pg_get(rows[0], i, 1, NULL));
		struct audit_lane *told = l != NULL ? l : &k->lanes[0];
		told->report.missing++;
		told->report.unresolved += unresolved;
		a->unresolved += unresolved;
		if (unresolved) {
			log_debug("a task has no message where it should be, and may have one elsewhere",
					  LOG_S("task", id));
			continue;
		}
		told->report.repaired += a->repairing;
		/* The rows come in the order of the ids asked for, or not: look around from the last one. */
		for (size_t tries = 0; tries < k->nsuspects; tries++, at = (at + 1) % k->nsuspects) {
			if (str_eq(k->suspects[at].id, id)) {
				a->lost[a->nlost++] = k->suspects[at].id;
				break;
			}
		}
	}
	a->step = STEP_REPAIR;
	if (!a->repairing || a->nlost == 0) {
		report(a);
	} else if (audit_repair_begin(&a->repair, a->lost, a->nlost, on_repaired, a, &why) < 0) {
		give_up(a, &why);
	}
}

/* ---- report ---- */

static void on_reported(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit *a = data;
	(void)rows;
	(void)n;
	if (e != NULL) {
		give_up(a, e);
		return;
	}
	metric_add(a->passes, 1);
	rest(a);
}

static void add_lane(Millrace__AuditLane *total, const Millrace__AuditLane *l)
{
	total->accepted += l->accepted;
	total->scheduled += l->scheduled;
	total->queued += l->queued;
	total->running += l->running;
	total->completed += l->completed;
	total->dead += l->dead;
	total->cancelled += l->cancelled;
	total->messages += l->messages;
	total->missing += l->missing;
	total->unresolved += l->unresolved;
	total->repaired += l->repaired;
}

static struct metric *drift_of(const char *lane)
{
	char label[LANE_MAX + 16];
	snprintf(label, sizeof(label), "lane=\"%s\"", lane);
	return metric_gauge(
		"millrace_audit_drift",
		"Unfinished tasks of which no stream has a message, as the last audit found.", label);
}

/* Lanes with a difference first, then by name, as far as they are told. */
static size_t list_lanes(struct audit *a, Millrace__AuditLane **list)
{
	size_t n = 0;
	for (int pass = 0; pass < 2; pass++) {
		for (size_t i = 0; i < a->look.nlanes && n < LANES_TOLD; i++) {
			struct audit_lane *l = &a->look.lanes[i];
			bool differs = l->report.missing > 0;
			if (differs == (pass == 0) &&
				(l->report.accepted > 0 || l->report.missing > 0 || l->open)) {
				l->report.lane = l->name;
				list[n++] = &l->report;
			}
		}
	}
	return n;
}

static void report(struct audit *a)
{
	struct audit_look *k = &a->look;
	Millrace__Audit r = MILLRACE__AUDIT__INIT;
	Millrace__AuditLane total = MILLRACE__AUDIT_LANE__INIT;
	CLEANUP(free_ptr)
	Millrace__AuditLane **list = xcalloc(k->nlanes + 1, sizeof(Millrace__AuditLane *));
	CLEANUP(buf_release) struct buf json = {0};
	a->step = STEP_REPORT;
	for (size_t i = 0; i < k->nlanes; i++) {
		add_lane(&total, &k->lanes[i].report);
		metric_set(drift_of(k->lanes[i].name), (double)k->lanes[i].report.missing);
	}
	metric_set(a->unresolved_gauge, (double)a->unresolved);
	metric_observe(a->seconds, (double)(clock_mono_ms() - a->begun_mono_ms) / 1e3);
	r.pass = (uint64_t)a->pass;
	r.finished_at = clock_wall_ns();
	r.took_ms = (double)(clock_mono_ms() - a->begun_mono_ms);
	r.drift = total.missing;
	r.watched = a->watched;
	r.total = &total;
	r.lanes = list;
	r.n_lanes = list_lanes(a, list);
	r.tasks_waiting = a->tasks_waiting;
	r.delayed_messages = k->delayed_messages;
	r.direct_messages = k->direct_messages;
	r.events_waiting = a->store.waiting;
	r.act_waiting = a->act.waiting;
	r.complete = k->complete;
	codec_to_json_text(&r.base, CODEC_ALL, &json);
	char pass[24], repaired[24];
	snprintf(pass, sizeof(pass), "%lld", (long long)a->pass);
	snprintf(repaired, sizeof(repaired), "%llu", (unsigned long long)a->repair.repaired);
	struct pg_param broker = PG_ARG(a->stranger ? NULL : a->broker);
	struct pg_param p[] = {PG_ARG(a->name), PG_ARG(pass), PG_ARG(repaired), PG_ARG(json.data),
						   broker};
	struct err e;
	if (pg_query(a->pg, "SELECT millrace.audit_end($1, $2::int8, $3::int8, $4::text, $5::text)", p,
				 ARRAY_LEN(p), QUERY_TIMEOUT_MS, on_reported, a, &e) < 0) {
		give_up(a, &e);
	}
}

/* ---- when ---- */

static void on_kept(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	(void)data;
	(void)rows;
	(void)n;
	if (e != NULL) {
		log_debug("the audit's turn was not kept", LOG_S("error", e->text));
	}
}

static void on_keep(struct timeout *t)
{
	struct audit *a = container_of(t, struct audit, keep);
	struct pg_param p[] = {PG_ARG(a->name), PG_ARG(HOLD)};
	struct err e;
	if (pg_query(a->pg, "SELECT millrace.audit_keep($1, $2::interval)", p, ARRAY_LEN(p),
				 QUERY_TIMEOUT_MS, on_kept, a, &e) < 0) {
		log_debug("the audit's turn was not kept", LOG_S("error", e.text));
	}
	timeout_start(t, KEEP_MS, on_keep);
}

static void on_begun(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit *a = data;
	struct err why;
	(void)n;
	if (e != NULL) {
		give_up(a, e);
		return;
	}
	if (pg_nrows(rows[0]) == 0 ||
		pg_null(rows[0], 0, 0)) { /* none is due, or another store is at it */
		rest(a);
		return;
	}
	a->pass = pg_get_int(rows[0], 0, 0);
	a->asked = pg_get_int(rows[0], 0, 1) != 0;
	a->repairing = a->config.repair || a->asked;
	snprintf(a->known_broker, sizeof(a->known_broker), "%s", pg_get(rows[0], 0, 2, NULL));
	a->repair.repaired = 0;
	a->begun_mono_ms = clock_mono_ms();
	a->step = STEP_LOOK;
	timeout_start(&a->keep, KEEP_MS, on_keep);
	if (js_api(a->bus, "STREAM.INFO.TASKS", NULL, on_tasks, a, &why) < 0) {
		give_up(a, &why);
	}
}

static void begin(struct audit *a)
{
	char every[40];
	struct err e;
	if (!pg_is_up(a->pg) || !ingest_ready(a->config.ingest) || !bus_is_up(a->bus)) {
		rest(a);
		return;
	}
	a->step = STEP_BEGIN;
	snprintf(every, sizeof(every), "%lld milliseconds",
			 (long long)(a->config.interval_ns / NS_PER_MS));
	struct pg_param p[] = {PG_ARG(a->name), PG_ARG(every), PG_ARG(HOLD)};
	if (pg_query(
			a->pg,
			"SELECT pass, repair, broker FROM millrace.audit_begin($1, $2::interval, $3::interval)",
			p, ARRAY_LEN(p), QUERY_TIMEOUT_MS, on_begun, a, &e) < 0) {
		give_up(a, &e);
	}
}

static void on_tick(struct timeout *t)
{
	struct audit *a = container_of(t, struct audit, timeout);
	switch (a->step) {
	case STEP_IDLE:
		begin(a);
		return;
	case STEP_DRAIN:
		ask_consumers(a);
		return;
	case STEP_GRACE:
		drain(a);
		return;
	case STEP_BEGIN:
	case STEP_LOOK:
	case STEP_JUDGE:
	case STEP_REPAIR:
	case STEP_REPORT:
		return;
	}
}

/* ---- owner's side ---- */

int audit_open(struct bus *bus, struct pg *pg, const struct audit_config *c, struct audit **ret,
			   struct err *e)
{
	struct audit *a = xcalloc(1, sizeof(*a));
	uint8_t r[8];
	(void)e;
	if (getentropy(r, sizeof(r)) != 0) {
		abort();
	}
	snprintf(a->name, sizeof(a->name), "%02x%02x%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3],
			 r[4], r[5], r[6], r[7]);
	a->bus = a->look.bus = a->repair.bus = bus;
	a->store = a->act = (struct caught_up){.bus = bus, .stream = "EVENTS", .data = a};
	a->store.consumer = "store";
	a->store.on_answer = on_store;
	a->act.consumer = "act";
	a->act.on_answer = on_act;
	a->pg = a->look.pg = a->repair.pg = pg;
	a->config = *c;
	a->passes = metric_counter("millrace_audit_passes_total",
							   "Audits that were finished by this store.", NULL);
	a->failures = metric_counter(
		"millrace_audit_failures_total",
		"Audits that were broken off: broker or database away, or far behind.", NULL);
	a->seconds = metric_histogram("millrace_audit_seconds",
								  "Time of an audit, its patience included.", NULL);
	a->unresolved_gauge =
		metric_gauge("millrace_audit_unresolved",
					 "Of the drift, tasks that may have a message elsewhere: never touched.", NULL);
	a->repaired = metric_counter("millrace_audit_repaired_total",
								 "Tasks that were given up as acked without outcome.", NULL);
	timeout_init(&a->timeout, bus_timeouts(bus));
	timeout_init(&a->keep, bus_timeouts(bus));
	timeout_start(&a->timeout, TICK_MS, on_tick);
	*ret = a;
	return 0;
}

void audit_close(struct audit **ap)
{
	struct audit *a = TAKE(*ap);
	if (a == NULL) {
		return;
	}
	timeout_stop(&a->timeout);
	timeout_stop(&a->keep);
	audit_look_release(&a->look);
	free(a->lost);
	free(a);
}
