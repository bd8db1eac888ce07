/*
 * A short list in memory. It stands alone because everything else here goes
 * on while the broker is away, and only this waits for it.
 *
 * Well: an event is published and repeated until its PubAck (js_publish), a
 * few at a time, oldest first. Badly: the stream is full or not there: again
 * in a few seconds. The list is full: the oldest goes, with a warning. We are
 * killed: what waits is lost, and only the log has it.
 */
#include "scaler/heal_journal.h"

#include <stdio.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"

#define UNDERWAY_MAX 16u
#define AGAIN_MS 3000

struct entry {
	struct heal_journal *of;
	char *msg_id;
	struct buf packed;
	bool underway;
	struct entry *prev, *next;
};

struct heal_journal {
	struct bus *bus;
	struct entry *entries; /* oldest first */
	size_t n, underway;
	struct timeout again;
	bool stopped;
	struct metric *dropped;
};

static void drop(struct entry *x)
{
	struct heal_journal *j = x->of;

	DL_DELETE(j->entries, x); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	j->n--;
	buf_release(&x->packed);
	free(x->msg_id);
	free(x);
}

static void pump(struct heal_journal *j);

static void on_again(struct timeout *t)
{
	pump(container_of(t, struct heal_journal, again));
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct entry *x = data;
	struct heal_journal *j = x->of;

	(void)ack;
	x->underway = false;
	j->underway--;
	if (!e) {
		drop(x);
		pump(j);
		return;
	}
	log_debug("healing event not stored yet", LOG_S("error", e->text), LOG_I("retry_ms", AGAIN_MS));
	if (!j->stopped)
		timeout_start(&j->again, AGAIN_MS, on_again);
}

static void pump(struct heal_journal *j)
{
	struct entry *x;
	struct err e;

	if (j->stopped || timeout_running(&j->again))
		return;
	DL_FOREACH (j->entries, x) {
		if (j->underway == UNDERWAY_MAX)
			return;
		if (x->underway)
			continue;
		const struct bus_header h[] = {{"Nats-Msg-Id", x->msg_id},
									   {"Content-Type", CONTENT_PROTOBUF}};
		const struct bus_out out = {.subject = "events.heal",
									.data = x->packed.data,
									.len = x->packed.len,
									.headers = h,
									.nheaders = ARRAY_LEN(h)};
		if (js_publish(j->bus, &out, 0, on_puback, x, &e) < 0) {
			timeout_start(&j->again, AGAIN_MS, on_again);
			return;
		}
		x->underway = true;
		j->underway++;
	}
}

/* The oldest that is not under way: what is may be stored already. */
static void make_room(struct heal_journal *j)
{
	struct entry *x = j->entries;

	while (x && x->underway)
		x = x->next;
	if (!x)
		return;
	drop(x);
	metric_add(j->dropped, 1);
	log_warn("healing event dropped: too many wait for the broker",
			 LOG_I("most", HEAL_JOURNAL_MAX));
}

void heal_journal_add(struct heal_journal *j, const Millrace__HealEvent *event)
{
	Millrace__HealEventBatch one = MILLRACE__HEAL_EVENT_BATCH__INIT;
	Millrace__HealEvent *events[] = {(Millrace__HealEvent *)(uintptr_t)event}; /* packed only */
	struct entry *x = xcalloc(1, sizeof(*x));

	if (j->n >= HEAL_JOURNAL_MAX)
		make_room(j);
	one.n_events = 1;
	one.events = events;
	codec_pack(&one.base, &x->packed);
	/* The stream has one memory of ids for all that is in it. */
	x->msg_id = xasprintf("heal/%s", event->id);
	x->of = j;
	DL_APPEND(j->entries, x);
	j->n++;
	pump(j);
}

size_t heal_journal_waiting(const struct heal_journal *j)
{
	return j->n;
}

struct heal_journal *heal_journal_new(struct bus *bus)
{
	struct heal_journal *j = xcalloc(1, sizeof(*j));

	j->bus = bus;
	timeout_init(&j->again, bus_timeouts(bus));
	j->dropped = metric_counter("millrace_scaler_heal_events_dropped_total",
								"Healing events that waited for the broker too long.", NULL);
	return j;
}

void heal_journal_stop(struct heal_journal *j)
{
	if (!j)
		return;
	j->stopped = true;
	timeout_stop(&j->again);
}

void heal_journal_free(struct heal_journal **pj)
{
	struct heal_journal *j = TAKE(*pj);
	struct entry *x, *tmp;

	if (!j)
		return;
	DL_FOREACH_SAFE (j->entries, x, tmp)
		drop(x);
	free(j);
}
