/* Decisions and acts as records and lines. What waits for the broker, and what becomes of it there, is the outbox's. */
#include "scaler/journal.h"

#include <inttypes.h>
#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/section.h"
#include "scaler/outbox.h"

struct journal {
	char *scaler;
	uint64_t number;
	struct outbox *outbox;
};

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
	CLEANUP(buf_release) struct buf packed = {0};
	char id[72];

	e->at = clock_wall_ns();
	e->epoch = epoch;
	e->scaler = j->scaler;
	/* The time makes it differ from what the same epoch's leader wrote before a restart. */
	snprintf(id, sizeof(id), "%" PRIu64 ".%" PRId64 ".%" PRIu64, epoch, e->at, ++j->number);
	e->id = id;
	batch.n_events = 1;
	batch.events = &e;
	codec_pack(&batch.base, &packed);
	tell(e);
	outbox_add(j->outbox, id, &packed);
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

	j->scaler = xstrdup(scaler);
	j->outbox = outbox_new(bus, "events.scale", "scale");
	return j;
}

void journal_stop(struct journal *j)
{
	if (j)
		outbox_stop(j->outbox);
}

void journal_free(struct journal **pj)
{
	struct journal *j = TAKE(*pj);

	if (!j)
		return;
	outbox_free(&j->outbox);
	free(j->scaler);
	free(j);
}
