/*
 * Well: each event is published with its id, and forgotten with the PubAck. Badly: what was refused is offered again
 * every second; over the limit new ones are in the log alone: a history may have a gap, a scaler must not grow.
 */
#include "scaler/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/section.h"

#define AGAIN_MS 1000
#define PUBLISH_MS 10000

struct entry {
	struct journal *journal;
	char id[64];
	struct buf record;
	bool under_way;
	struct entry *prev, *next;
};

struct journal {
	struct bus *bus;
	char *scaler;
	struct entry *waiting;
	unsigned n;
	uint64_t number;
	struct timeout again;
	uint64_t dropped;
	bool complained;
};

static void entry_free(struct entry *x)
{
	x->journal->n--;
	DL_DELETE(x->journal->waiting, x);
	buf_release(&x->record);
	free(x);
}

static void offer(struct entry *x);

static void on_again(struct timeout *t)
{
	struct journal *j = container_of(t, struct journal, again);
	struct entry *x, *tmp;

	DL_FOREACH_SAFE (j->waiting, x, tmp) {
		if (!x->under_way)
			offer(x);
	}
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct entry *x = data;
	struct journal *j = x->journal;

	(void)ack;
	x->under_way = false;
	if (!e) {
		j->complained = false;
		j->dropped = 0;
		entry_free(x);
		return;
	}
	if (!j->complained)
		log_warn("an event of the scaler is not stored yet; offered again", LOG_S("why", e->text));
	j->complained = true;
	if (!timeout_running(&j->again))
		timeout_start(&j->again, AGAIN_MS, on_again);
}

static void offer(struct entry *x)
{
	struct bus_header h = {"Nats-Msg-Id", x->id};
	struct bus_out out = {.subject = "events.scale",
						  .data = x->record.data,
						  .len = x->record.len,
						  .headers = &h,
						  .nheaders = 1};
	struct err e;

	x->under_way = true;
	if (js_publish(x->journal->bus, &out, PUBLISH_MS, on_puback, x, &e)) {
		x->under_way = false;
		if (!timeout_running(&x->journal->again))
			timeout_start(&x->journal->again, AGAIN_MS, on_again);
	}
}

static enum log_level level_of(const char *action)
{
	return word_among("crash,lost,suspend", action) ? LOG_WARN : LOG_INFO;
}

/* What it is not about is left out of the line. */
static void tell(const Millrace__ScaleEvent *e)
{
	enum log_level level = level_of(e->action);
	struct log_field fields[6];
	size_t n = 0;

	if (*e->pool)
		fields[n++] = (struct log_field)LOG_S("pool", e->pool);
	if (*e->node)
		fields[n++] = (struct log_field)LOG_S("node", e->node);
	if (*e->agent)
		fields[n++] = (struct log_field)LOG_S("agent", e->agent);
	if (e->from != e->to) {
		fields[n++] = (struct log_field)LOG_I("from", e->from);
		fields[n++] = (struct log_field)LOG_I("to", e->to);
	}
	fields[n++] = (struct log_field)LOG_S("why", e->reason);
	if (log_enabled(level))
		log_emit(level, e->action, fields, n);
}

void journal_write(struct journal *j, uint64_t epoch, Millrace__ScaleEvent *e)
{
	Millrace__ScaleEventBatch batch = MILLRACE__SCALE_EVENT_BATCH__INIT;

	if (j->n >= JOURNAL_MAX) {
		if (!j->dropped++)
			log_warn("too many events of the scaler wait for the broker; further ones are in the log alone");
		tell(e);
		return;
	}
	struct entry *x = xcalloc(1, sizeof(*x));
	x->journal = j;
	DL_APPEND(j->waiting, x);
	j->n++;
	e->at = clock_wall_ns();
	e->epoch = epoch;
	e->scaler = j->scaler;
	/* The time makes it differ from what the same epoch's leader wrote before a restart. */
	snprintf(x->id, sizeof(x->id), "%" PRIu64 ".%" PRId64 ".%" PRIu64, epoch, e->at, ++j->number);
	e->id = x->id;
	batch.n_events = 1;
	batch.events = &e;
	codec_pack(&batch.base, &x->record);
	tell(e);
	offer(x);
}

void journal_note(struct journal *j, uint64_t epoch, const char *action, const char *pool,
				  const char *node, const char *agent, const char *fmt, ...)
{
	Millrace__ScaleEvent e = MILLRACE__SCALE_EVENT__INIT;
	char reason[400];
	va_list args;

	va_start(args, fmt);
	vsnprintf(reason, sizeof(reason), fmt, args);
	va_end(args);
	e.action = (char *)(uintptr_t)action;
	e.pool = (char *)(uintptr_t)(pool ? pool : "");
	e.node = (char *)(uintptr_t)(node ? node : "");
	e.agent = (char *)(uintptr_t)(agent ? agent : "");
	e.reason = reason;
	journal_write(j, epoch, &e);
}

struct journal *journal_new(struct bus *bus, const char *scaler)
{
	struct journal *j = xcalloc(1, sizeof(*j));

	j->bus = bus;
	j->scaler = xstrdup(scaler);
	timeout_init(&j->again, bus_timeouts(bus));
	return j;
}

void journal_free(struct journal **pj)
{
	struct journal *j = TAKE(*pj);

	if (!j)
		return;
	while (j->waiting)
		entry_free(j->waiting);
	free(j->scaler);
	free(j);
}
