/*
 * From bucket to table. It stands alone as the small sister of ingest: pull,
 * write, ack after commit. Well: what came in one turn of the loop is one
 * statement, and what comes while that is written is the next one: the pull goes
 * on, and a message that found no room would be back only after its ack_wait.
 * Badly: the database is away; what was pulled is held (nothing
 * more is asked for) and written when it is back, in whatever order stores get
 * there: the later word of a key stays. A key's older values are not kept by the
 * bucket, so a store that was away for long has one message a key to catch up.
 */
#include "store/state_mirror.h"

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "store/arena.h"

#define STREAM "KV_state"
#define CONSUMER "store"
#define PREFIX "$KV.state."
#define BATCH 200u
#define BATCH_BYTES (4u << 20)
#define EXPIRES_MS 5000
#define RETRY_MS 1000
#define WRITE_TIMEOUT_MS 30000

struct mirror_batch {
	struct pg_array keys, values, versions, gone, times;
	struct arena arena; /* of replies */
	const char *replies[BATCH];
	size_t n;
};

struct state_mirror {
	struct bus *bus;
	struct pg *pg;
	const struct ingest *ingest;
	struct js_pull *pull;
	struct timeout timeout;
	struct mirror_batch batches[2];
	struct mirror_batch *filling, *out; /* out: being written, or to be written again */
	bool deferred, writing, closing;
	struct metric *changes;
};

static void ask(struct state_mirror *m);
static void write_out(struct state_mirror *m);

static void on_retry(struct timeout *t)
{
	struct state_mirror *m = container_of(t, struct state_mirror, timeout);
	write_out(m);
	ask(m);
}

static void later(struct state_mirror *m)
{
	timeout_start(&m->timeout, RETRY_MS, on_retry);
}

static void ask(struct state_mirror *m)
{
	struct err e;
	/* What is asked for finds room: filling is empty. What failed to be written goes first. */
	if (m->closing || m->filling->n > 0 || (m->out->n > 0 && !m->writing) ||
		js_pull_credits(m->pull) > 0) {
		return;
	}
	/* Without a database nothing could be done with it. */
	if (!pg_is_up(m->pg) || !ingest_ready(m->ingest) ||
		js_pull_ask(m->pull, BATCH, EXPIRES_MS, BATCH_BYTES, &e) < 0) {
		later(m);
	}
}

static void batch_forget(struct mirror_batch *b)
{
	pg_array_reset(&b->keys);
	pg_array_reset(&b->values);
	pg_array_reset(&b->versions);
	pg_array_reset(&b->gone);
	pg_array_reset(&b->times);
	arena_reset(&b->arena);
	b->n = 0;
}

static void on_written(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct state_mirror *m = data;
	(void)rows;
	(void)n;
	m->writing = false;
	if (e != NULL) {
		log_debug("shared state is not written, trying on", LOG_S("error", e->text));
		later(m);
		return;
	}
	for (size_t i = 0; i < m->out->n; i++) {
		js_ack(m->bus, m->out->replies[i]);
	}
	metric_add(m->changes, (double)m->out->n);
	batch_forget(m->out);
	write_out(m);
	ask(m);
}

static void write_out(struct state_mirror *m)
{
	struct err e;
	if (m->writing || m->closing) {
		return;
	}
	if (m->out->n == 0) {
		struct mirror_batch *empty = m->out;
		m->out = m->filling;
		m->filling = empty;
	}
	struct mirror_batch *b = m->out;
	struct pg_param p[] = {pg_array_param(&b->keys), pg_array_param(&b->values),
						   pg_array_param(&b->versions), pg_array_param(&b->gone),
						   pg_array_param(&b->times)};
	if (b->n == 0) {
		return;
	}
	if (pg_query(m->pg, "SELECT millrace.put_state($1, $2, $3, $4, $5)", p, ARRAY_LEN(p),
				 WRITE_TIMEOUT_MS, on_written, m, &e) < 0) {
		later(m);
		return;
	}
	m->writing = true;
}

static void free_mirror(struct state_mirror *m)
{
	for (size_t i = 0; i < ARRAY_LEN(m->batches); i++) {
		arena_release(&m->batches[i].arena);
	}
	free(m);
}

static void on_turn_end(void *data)
{
	struct state_mirror *m = data;
	m->deferred = false;
	if (m->closing) {
		free_mirror(m);
	} else {
		write_out(m);
	}
}

static void on_message(void *data, struct bus_msg **msg, const struct js_meta *meta)
{
	struct state_mirror *m = data;
	struct mirror_batch *b = m->filling;
	const char *subject = bus_msg_subject(*msg);
	/* More than was asked for: it comes again. */
	if (b->n == BATCH || strncmp(subject, PREFIX, strlen(PREFIX)) != 0) {
		return;
	}
	pg_array_text(&b->keys, subject + strlen(PREFIX));
	pg_array_bytes(&b->values, bus_msg_data(*msg), bus_msg_len(*msg));
	pg_array_int(&b->versions, (int64_t)meta->stream_seq);
	pg_array_int(&b->gone, bus_msg_header(*msg, "KV-Operation") != NULL);
	pg_array_time(&b->times, meta->stored_wall_ns);
	b->replies[b->n++] = arena_strdup(&b->arena, bus_msg_reply(*msg));
	if (!m->deferred) {
		m->deferred = true;
		bus_defer(m->bus, on_turn_end, m);
	}
}

static void on_end(void *data, enum js_pull_end why)
{
	struct state_mirror *m = data;
	switch (why) {
	case JS_PULL_FILLED:
	case JS_PULL_EMPTY:
		ask(m);
		return;
	case JS_PULL_LOST:
	case JS_PULL_GONE: /* setup has not been run: ingest says so */
		later(m);
		return;
	}
}

int state_mirror_open(struct bus *bus, struct pg *pg, const struct ingest *ingest,
					  struct state_mirror **ret, struct err *e)
{
	struct state_mirror *m = xcalloc(1, sizeof(*m));
	struct js_pull_events ev = {on_message, on_end, m};
	m->bus = bus;
	m->pg = pg;
	m->ingest = ingest;
	m->filling = &m->batches[0];
	m->out = &m->batches[1];
	for (size_t i = 0; i < ARRAY_LEN(m->batches); i++) {
		struct mirror_batch *b = &m->batches[i];
		b->keys.type = PG_TEXT;
		b->values.type = PG_BYTEA;
		b->versions.type = PG_INT8;
		b->gone.type = PG_BOOL;
		b->times.type = PG_TIMESTAMPTZ;
	}
	int rc = js_pull_open(bus, STREAM, CONSUMER, &ev, &m->pull, e);
	if (rc < 0) {
		free(m);
		return err_wrap(e, "follow the shared state");
	}
	m->changes = metric_counter("millrace_store_state_changes_total",
								"Changes of shared state that were committed.", NULL);
	timeout_init(&m->timeout, bus_timeouts(bus));
	later(m);
	*ret = m;
	return 0;
}

void state_mirror_close(struct state_mirror **mp)
{
	struct state_mirror *m = TAKE(*mp);
	if (m == NULL) {
		return;
	}
	m->closing = true;
	js_pull_close(&m->pull);
	timeout_stop(&m->timeout);
	for (size_t i = 0; i < ARRAY_LEN(m->batches); i++) {
		pg_array_release(&m->batches[i].keys);
		pg_array_release(&m->batches[i].values);
		pg_array_release(&m->batches[i].versions);
		pg_array_release(&m->batches[i].gone);
		pg_array_release(&m->batches[i].times);
	}
	if (!m->deferred) {
		free_mirror(m);
	}
}
