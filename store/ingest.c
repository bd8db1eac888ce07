/*
 * The path of an event's last hop. It stands alone as the place where three
 * things that may each be away (broker, database, schema) are held together:
 *
 *	pull --messages--> filling --(writer idle, end of the turn)--> writing --committed--> stored, ack
 *
 * It goes well: whatever came in one turn of the loop is one batch; while it is
 * being committed the next one grows by itself, so a busy store writes large
 * batches and an idle one commits a single outcome at once (pace.h has
 * the exceptions). After the commit the core notice `stored` goes out, then
 * the acks.
 *
 * It fails: while the database is away no more is asked for than fills one
 * batch; what is held gets +WPI, so nobody else is given it, and is written
 * as soon as the database is back (a connection that comes up, or a pause that
 * grows to five seconds where the connection is up and writing fails). A store
 * that dies holds nothing that was acked: it is all delivered again, and the
 * rows come out the same.
 */
#include "store/ingest.h"

#include "common/clock.h"
#include "common/codec.h"
#include "common/failpoint.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "store/pace.h"
#include "store/schema.h"
#include "store/tally.h"
#include "store/writer.h"

#define STREAM "EVENTS"
#define CONSUMER "store"
#define PULL_MESSAGES_MAX 512u
#define PULL_BYTES_MIN \
	((size_t)2 << 20) /* but never less than a message may have: it would be refused for ever */
#define PULL_BYTES_MAX ((size_t)4 << 20)
#define PULL_BYTES_OVER ((size_t)64 << 10) /* the broker counts subjects, too */
#define PULL_EXPIRES_MS 5000
#define ASK_AGAIN_MS 1000 /* after a pull that could not be asked */
#define WORKING_MS 3000   /* the consumer's ack_wait is 10 s */
#define PAUSE_MIN_MS 50
#define PAUSE_MAX_MS 5000
#define NOTICE_TASKS \
	2000u /* in one `stored` message: ids are at most 128 bytes, so it stays far below 1 MiB */

struct ingest_metrics {
	struct metric *events, *rows, *batches, *batch_rows, *write_seconds, *late, *repeated,
		*rejected, *stuck, *held, *lag;
	struct tally tally;
};

struct ingest {
	struct bus *bus;
	struct pg *pg;
	struct ingest_config config;
	struct js_pull *pull;
	struct writer *writer;
	struct batch batches[2];
	struct batch *filling, *writing; /* writing: NULL while nothing is committed */
	struct record_types types;
	struct bus_call *looking; /* whether the consumer is there */
	bool missing;
	struct schema_check check; /* under way while: */
	bool schema_asked;
	bool schema_ok;
	bool flush_deferred;
	bool stuck; /* writing waits for the database */
	int64_t pause_ms;
	int64_t write_start_mono_ns;
	struct pace pace;
	double events_per_message; /* a running mean, to ask for what fits */
	uv_timer_t *retry;         /* writing again, or the schema again */
	uv_timer_t *working;       /* +WPI */
	uv_timer_t *ask_again;
	uv_timer_t *gather; /* the end of a busy store's patience */
	void (*on_drained)(void *data);
	void *drained_data;
	bool draining, closing;
	uint64_t lag; /* events that the broker still had when it sent the last one */
	struct ingest_metrics m;
};

static void flush(struct ingest *in);
static void ask(struct ingest *in);
static void check_consumer(struct ingest *in);
static void on_look_again(uv_timer_t *t);

/* ---- pulling ---- */

static bool is_full(const struct ingest *in)
{
	const struct batch *b = in->filling;
	return batch_rows(b) >= (size_t)in->config.batch_tasks ||
		   b->len_bytes >= (size_t)in->config.batch_bytes;
}

static void on_ask_again(uv_timer_t *t)
{
	ask(t->data);
}

static void ask(struct ingest *in)
{
	if (in->draining || in->closing || !in->schema_ok || js_pull_credits(in->pull) > 0 ||
		is_full(in) || !bus_is_up(in->bus)) {
		return;
	}
	size_t rows_left = (size_t)in->config.batch_tasks - batch_rows(in->filling);
	size_t bytes_left = (size_t)in->config.batch_bytes - in->filling->len_bytes;
	double messages = (double)rows_left / MAX_OF(in->events_per_message, 1.0);
	size_t bytes = MIN_OF(MAX_OF(bytes_left, PULL_BYTES_MIN), PULL_BYTES_MAX);
	bytes = MAX_OF(bytes, bus_max_payload(in->bus) + PULL_BYTES_OVER);
	unsigned batch = (unsigned)MIN_OF(MAX_OF(messages, 1.0), (double)PULL_MESSAGES_MAX);
	struct err e;
	if (js_pull_ask(in->pull, batch, PULL_EXPIRES_MS, bytes, &e) < 0) {
		log_debug("cannot pull events", LOG_S("error", e.text), LOG_I("retry_ms", ASK_AGAIN_MS));
		uv_timer_start(in->ask_again, on_ask_again, ASK_AGAIN_MS, 0);
	}
}

static void on_turn_end(void *data)
{
	struct ingest *in = data;
	in->flush_deferred = false;
	if (in->closing && in->pull == NULL &&
		in->writer == NULL) { /* closed meanwhile: this was the last to know it */
		free(in);
		return;
	}
	flush(in);
}

static void on_message(void *data, struct bus_msg **msg, const struct js_meta *meta)
{
	struct ingest *in = data;
	struct batch *b = in->filling;
	size_t events_before = b->nevents;
	struct batch_message m = {
		.subject = bus_msg_subject(*msg),
		.reply = bus_msg_reply(*msg),
		.data = bus_msg_data(*msg),
		.len = bus_msg_len(*msg),
		.seq = meta->stream_seq,
		.stored_wall_ns = meta->stored_wall_ns,
	};
	m.headers = bus_msg_headers(*msg, &m.nheaders);
	if (b->nreplies == 0) {
		b->since_mono_ms = clock_mono_ms();
	}
	batch_add(b, &m);
	in->lag = meta->pending;
	in->events_per_message += ((double)(b->nevents - events_before) - in->events_per_message) / 64;
	pace_count(&in->pace, b->nevents - events_before, clock_mono_ms());
	if (in->writing == NULL && !in->flush_deferred && !in->closing) {
		in->flush_deferred = true;
		bus_defer(in->bus, on_turn_end, in);
	}
}

/* {"type":…, "error":…} or the consumer's state. */
static void on_consumer(void *data, struct bus_msg **m, const struct err *e)
{
	struct ingest *in = data;
	json_t *info = e != NULL ? NULL : json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, NULL);
	bool there = info != NULL && json_object_get(info, "error") == NULL;
	json_decref(info);
	if (there) {
		in->missing = false;
	} else if (bus_is_up(in->bus) && !in->missing) {
		in->missing = true;
		log_warn("the consumer " CONSUMER " of stream " STREAM
				 " does not answer, looking on: is the broker set up (millrace setup)?",
				 LOG_I("retry_ms", ASK_AGAIN_MS));
	}
	uv_timer_start(in->ask_again, there ? on_ask_again : on_look_again, there ? 100 : ASK_AGAIN_MS,
				   0);
}

static void check_consumer(struct ingest *in)
{
	struct bus_out out = {.subject = "$JS.API.CONSUMER.INFO." STREAM "." CONSUMER};
	struct err e;
	if (in->looking == NULL &&
		bus_request(in->bus, &out, JS_API_TIMEOUT_MS, on_consumer, in, &in->looking, &e) < 0) {
		uv_timer_start(in->ask_again, on_look_again, ASK_AGAIN_MS, 0);
	}
}

static void on_look_again(uv_timer_t *t)
{
	check_consumer(t->data);
}

static void on_pull_end(void *data, enum js_pull_end why)
{
	struct ingest *in = data;
	switch (why) {
	case JS_PULL_FILLED:
	case JS_PULL_EMPTY:
		ask(in);
		return;
	case JS_PULL_LOST:
		/* A reconnect, a new leader; or nobody is there, which an old server does not tell. */
	case JS_PULL_GONE:
		check_consumer(in);
		return;
	}
}

/* ---- after the commit ---- */

static void send_notice(struct ingest *in, Millrace__Stored **list, size_t n)
{
	CLEANUP(buf_release) struct buf packed = {0};
	Millrace__StoredBatch all = MILLRACE__STORED_BATCH__INIT;
	all.n_tasks = n;
	all.tasks = list;
	codec_pack(&all.base, &packed);
	bus_send(in->bus, "stored", packed.data, packed.len);
}

static void tell_stored(struct ingest *in, struct batch *b)
{
	Millrace__Stored *list[NOTICE_TASKS];
	size_t n = 0;
	for (const struct merge_task *t = b->merge.tasks; t != NULL; t = t->hh.next) {
		if (t->refused) {
			continue;
		}
		struct task_row row;
		merge_task_row(t, &row);
		if (t->stored_state == 0) {
			tally_count(&in->m.tally, &row);
		}
		Millrace__Stored *s = arena_alloc(&b->merge.arena, sizeof(*s));
		millrace__stored__init(s);
		s->id = (char *)(uintptr_t)row.id; /* packed only */
		s->type = (char *)(uintptr_t)row.type;
		s->state = t->stored_state != 0 ? t->stored_state : row.state;
		list[n++] = s;
		if (n == NOTICE_TASKS) {
			send_notice(in, list, n);
			n = 0;
		}
	}
	if (n > 0) {
		send_notice(in, list, n);
	}
}

static void release_batch(struct ingest *in, struct batch *b)
{
	for (size_t i = 0; i < b->nreplies; i++) {
		js_ack(in->bus, b->replies[i]);
	}
	batch_reset(b);
}

static void count(struct ingest *in, const struct batch *b)
{
	const struct writer_report *r = writer_report(in->writer);
	metric_add(in->m.events, (double)b->nevents);
	metric_add(in->m.rows, (double)r->rows);
	metric_add(in->m.batches, 1);
	metric_set(in->m.batch_rows, (double)r->rows);
	metric_add(in->m.late, (double)r->late);
	metric_add(in->m.repeated, (double)r->repeated);
	metric_add(in->m.rejected, (double)b->nrejected);
	metric_observe(in->m.write_seconds, (double)(clock_mono_ns() - in->write_start_mono_ns) / 1e9);
	metric_set(in->m.lag, (double)in->lag);
	if (b->nrejected > 0) {
		log_warn("events set aside in millrace.rejected_events", LOG_I("count", b->nrejected),
				 LOG_S("first_error", b->rejected[0].error));
	}
	log_debug("batch stored", LOG_I("messages", b->nreplies), LOG_I("events", b->nevents),
			  LOG_I("rows", r->rows),
			  LOG_I("us", (clock_mono_ns() - in->write_start_mono_ns) / 1000));
}

static void check_drained(struct ingest *in)
{
	if (in->draining && in->on_drained != NULL && in->writing == NULL &&
		batch_rows(in->filling) == 0) {
		void (*on_drained)(void *data) = in->on_drained;
		in->on_drained = NULL;
		on_drained(in->drained_data);
	}
}

static void on_written(void *data)
{
	struct ingest *in = data;
	struct batch *b = TAKE(in->writing);
	FAILPOINT("store.committed");
	in->pause_ms = PAUSE_MIN_MS;
	if (in->stuck) {
		in->stuck = false;
		log_info("writing again", LOG_I("rows", batch_rows(b)));
	}
	count(in, b);
	tell_stored(in, b);
	release_batch(in, b);
	flush(in);
	ask(in);
	check_drained(in);
}

/* ---- writing ---- */

static void on_gathered(uv_timer_t *t)
{
	flush(t->data);
}

/* Whether the filling batch waits for more; see pace.h. */
static bool gathering(struct ingest *in)
{
	const struct batch *b = in->filling;
	if (in->draining || is_full(in)) {
		return false;
	}
	int64_t left_ms = pace_due_ms(&in->pace, b->nevents, b->nearly, b->since_mono_ms,
								  in->write_start_mono_ns / NS_PER_MS) -
					  clock_mono_ms();
	if (left_ms <= 0) {
		return false;
	}
	if (!uv_is_active((uv_handle_t *)in->gather)) {
		uv_timer_start(in->gather, on_gathered, (uint64_t)left_ms, 0);
	}
	return true;
}

static void flush(struct ingest *in)
{
	if (in->closing || in->writing != NULL || !in->schema_ok || in->filling->nreplies == 0 ||
		gathering(in)) {
		return;
	}
	uv_timer_stop(in->gather);
	struct batch *b = in->filling;
	if (batch_rows(b) == 0) { /* messages that said nothing */
		release_batch(in, b);
		return;
	}
	in->writing = b;
	in->filling = b == &in->batches[0] ? &in->batches[1] : &in->batches[0];
	in->write_start_mono_ns = clock_mono_ns();
	FAILPOINT("store.taken");
	writer_begin(in->writer, b, &in->types);
	FAILPOINT("store.writing");
	ask(in);
}

static void on_schema(void *data, const struct schema *s, const struct err *e);

static void check_schema(struct ingest *in)
{
	struct err e;
	if (!in->schema_asked && pg_is_up(in->pg) &&
		schema_check(&in->check, in->pg, on_schema, in, &e) == 0) {
		in->schema_asked = true;
	}
}

static void on_retry(uv_timer_t *t)
{
	struct ingest *in = t->data;
	/* The schema first: it may have been made anew under us, and then its row types are others. */
	check_schema(in);
}

static void retry_later(struct ingest *in)
{
	uv_timer_start(in->retry, on_retry, (uint64_t)in->pause_ms, 0);
	in->pause_ms = MIN_OF(in->pause_ms * 2, PAUSE_MAX_MS);
}

static void on_schema(void *data, const struct schema *s, const struct err *e)
{
	struct ingest *in = data;
	in->schema_asked = false;
	if (e != NULL) {
		if (e->code == ERR_NOT_FOUND && !in->stuck) {
			log_error("the database is not ready, no event is taken", LOG_S("error", e->text));
			in->stuck = true;
		}
		in->schema_ok = in->writing != NULL && in->schema_ok;
		retry_later(in);
		return;
	}
	if (!in->schema_ok) {
		in->stuck = in->stuck && in->writing != NULL;
		in->schema_ok = true;
		log_info("taking events", LOG_S("database", pg_address(in->pg)),
				 LOG_I("schema", s->version));
	}
	in->types = s->types;
	if (in->writing != NULL) {
		writer_resume(in->writer, &in->types);
	} else {
		flush(in);
	}
	ask(in);
}

static void on_stuck(void *data, const struct err *why)
{
	struct ingest *in = data;
	metric_add(in->m.stuck, 1);
	bool again_soon = why->code == ERR_CONFLICT;
	if (!again_soon && !in->stuck) {
		in->stuck = true;
		log_warn("cannot write, holding what was pulled", LOG_S("error", why->text),
				 LOG_S("next", pg_is_up(in->pg) ? "trying again" : "waiting for the database"),
				 LOG_I("rows", batch_rows(in->writing)));
	}
	if (pg_is_up(in->pg)) { /* else ingest_database_up goes on */
		retry_later(in);
	}
}

/* +WPI for what has been held for a while: nobody else is then given it. */
static void on_working(uv_timer_t *t)
{
	struct ingest *in = t->data;
	int64_t now_ms = clock_mono_ms();
	size_t held = 0;
	for (size_t k = 0; k < ARRAY_LEN(in->batches); k++) {
		const struct batch *b = &in->batches[k];
		held += b->nreplies;
		if (b->nreplies == 0 || now_ms - b->since_mono_ms < WORKING_MS - 500) {
			continue;
		}
		for (size_t i = 0; i < b->nreplies; i++) {
			js_working(in->bus, b->replies[i]);
		}
	}
	metric_set(in->m.held, (double)held);
	metric_set(in->m.lag, (double)in->lag);
}

/* ---- owner's side ---- */

static uv_timer_t *new_timer(struct ingest *in)
{
	uv_timer_t *t = xcalloc(1, sizeof(*t));
	uv_timer_init(bus_loop(in->bus), t);
	t->data = in;
	return t;
}

static void make_metrics(struct ingest_metrics *m)
{
	m->events = metric_counter("millrace_store_events_total", "Events that were committed.", NULL);
	m->rows = metric_counter("millrace_store_rows_total", "Rows that were written.", NULL);
	m->batches =
		metric_counter("millrace_store_batches_total", "Transactions that were committed.", NULL);
	m->batch_rows =
		metric_gauge("millrace_store_batch_rows", "Rows of the last transaction.", NULL);
	m->write_seconds = metric_histogram("millrace_store_write_seconds",
										"From a batch's begin to its commit.", NULL);
	m->late = metric_counter("millrace_store_late_outcomes_total",
							 "Final events of tasks that another one had finished already.", NULL);
	m->repeated = metric_counter("millrace_store_repeated_outcomes_total",
								 "Final events stored before.", NULL);
	tally_init(&m->tally);
	m->rejected = metric_counter("millrace_store_rejected_events_total", "Events set aside.", NULL);
	m->stuck = metric_counter("millrace_store_write_failures_total",
							  "Writes that had to be tried again.", NULL);
	m->held = metric_gauge("millrace_store_held_messages", "Messages pulled and not yet committed.",
						   NULL);
	m->lag = metric_gauge("millrace_store_lag_messages",
						  "Messages of EVENTS that wait for the store.", NULL);
}

int ingest_open(struct bus *bus, struct pg *pg, const struct ingest_config *c, struct ingest **ret,
				struct err *e)
{
	struct ingest *in = xcalloc(1, sizeof(*in));
	in->bus = bus;
	in->pg = pg;
	in->config = *c;
	in->filling = &in->batches[0];
	in->pause_ms = PAUSE_MIN_MS;
	in->events_per_message = 1;
	struct js_pull_events ev = {on_message, on_pull_end, in};
	int rc = js_pull_open(bus, STREAM, CONSUMER, &ev, &in->pull, e);
	if (rc < 0) {
		free(in);
		return err_wrap(e, "take the events");
	}
	in->writer = writer_new(pg, &(struct writer_events){on_written, on_stuck, in});
	make_metrics(&in->m);
	in->retry = new_timer(in);
	in->ask_again = new_timer(in);
	in->working = new_timer(in);
	in->gather = new_timer(in);
	uv_timer_start(in->working, on_working, WORKING_MS, WORKING_MS);
	*ret = in;
	return 0;
}

void ingest_bus_up(struct ingest *in)
{
	check_consumer(in);
}

void ingest_database_up(struct ingest *in)
{
	uv_timer_stop(in->retry);
	check_schema(in);
}

bool ingest_ready(const struct ingest *in)
{
	return in->schema_ok;
}

void ingest_database_down(struct ingest *in)
{
	if (in->draining) {
		in->closing = true; /* what is held comes again */
		if (in->on_drained != NULL) {
			void (*on_drained)(void *data) = in->on_drained;
			in->on_drained = NULL;
			on_drained(in->drained_data);
		}
	}
}

static void on_drain_check(uv_timer_t *t)
{
	struct ingest *in = t->data;
	if (!pg_is_up(in->pg) || !in->schema_ok) {
		ingest_database_down(in);
	} else {
		check_drained(in);
	}
}

void ingest_drain(struct ingest *in, void (*on_drained)(void *data), void *data)
{
	in->draining = true;
	in->on_drained = on_drained;
	in->drained_data = data;
	js_pull_close(&in->pull);
	bus_call_cancel(&in->looking);
	uv_timer_start(in->ask_again, on_drain_check, 0, 0);
}

static void on_timer_closed(uv_handle_t *h)
{
	free(h);
}

void ingest_close(struct ingest **inp)
{
	struct ingest *in = TAKE(*inp);
	if (in == NULL) {
		return;
	}
	in->closing = true;
	js_pull_close(&in->pull);
	bus_call_cancel(&in->looking);
	uv_timer_t *timers[] = {in->retry, in->ask_again, in->working, in->gather};
	for (size_t i = 0; i < ARRAY_LEN(timers); i++) {
		uv_close((uv_handle_t *)timers[i], on_timer_closed);
	}
	writer_free(&in->writer);
	batch_release(&in->batches[0]);
	batch_release(&in->batches[1]);
	if (!in->flush_deferred) {
		free(in);
	}
}
