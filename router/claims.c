/*
 * The claim on another try. It stands alone because it is what makes a replay
 * idempotent beyond every dedupe window: a letter may be replayed by two
 * operators at once, or again after a router died between its PubAck and the
 * letter's removal, and TASKS then holds the same task twice. Well: the key is
 * put with "must not exist", the task goes on. Taken already: by this very
 * message (a redelivery) and it goes on; by another, and this one is dropped.
 * The bucket not answering keeps the task waiting, +WPI meanwhile. Only tasks
 * with Task-Retry-Of pay for it.
 */
#include "router/claims.h"

#include <stdio.h>

#include "common/jetstream.h"
#include "common/log.h"
#include "common/retry_id.h"
#include "common/task.h"
#include "router/dispatch.h"

#define BUCKET "replays"
#define AGAIN_MS 500
#define VALUE_MAX 48

bool claims_needed(const struct arrival *a, const struct submission *s)
{
	const char *of = arrival_header(a, H_TASK_RETRY_OF);
	char id[TASK_ID_MAX + 1];

	if (!of || !task_id_ok(of, strlen(of)))
		return false;
	retry_id_next(of, id);
	return str_eq(id, s->id);
}

/* Which message of which TASKS: sequences begin anew where it was made anew. */
static int value_of(const struct transit *t, char out[VALUE_MAX])
{
	return snprintf(out, VALUE_MAX, "%lld/%llu", (long long)t->router->rules.stream_created_s,
					(unsigned long long)t->sub.sequence);
}

static void on_again(struct timeout *timeout)
{
	claims_pass(container_of(timeout, struct transit, timeout));
}

static void later(struct transit *t, const struct err *e)
{
	log_debug("a replay waits for its claim", LOG_S("task", t->sub.id), LOG_S("why", e->text));
	timeout_start(&t->timeout, AGAIN_MS, on_again);
}

static void on_put(void *data, uint64_t revision, const struct err *e);

static void on_owner(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct transit *t = data;
	struct err why;
	char value[VALUE_MAX];
	size_t len = (size_t)value_of(t, value);

	if (!entry) {
		later(t, e);
		return;
	}
	if (entry->deleted) { /* by hand: so that it may run again */
		if (kv_put(t->router->bus, BUCKET, t->sub.id, value, len, entry->revision, on_put, t, &why))
			later(t, &why);
		return;
	}
	if (entry->len == len && memcmp(entry->value, value, len) == 0) {
		dispatch_task(t);
		return;
	}
	log_info("the same replay a second time; the first one counts", LOG_S("task", t->sub.id));
	metric_add(t->router->stats.replays_dropped, 1);
	transit_done(&t);
}

static void on_put(void *data, uint64_t revision UNUSED, const struct err *e)
{
	struct transit *t = data;
	struct err why;

	if (!e) {
		dispatch_task(t);
		return;
	}
	if (e->code != ERR_CONFLICT) {
		later(t, e);
		return;
	}
	if (kv_get(t->router->bus, BUCKET, t->sub.id, on_owner, t, &why))
		later(t, &why);
}

void claims_pass(struct transit *t)
{
	char value[VALUE_MAX];
	size_t len = (size_t)value_of(t, value);
	struct err e;

	if (kv_put(t->router->bus, BUCKET, t->sub.id, value, len, 0, on_put, t, &e))
		later(t, &e);
}

static void on_looked(void *data, const struct kv_entry *entry, const struct err *e UNUSED)
{
	struct claim_look *look = data;

	look->on_known(look->data, entry != NULL && !entry->deleted);
}

int claims_look(struct router *r, const char *retry_id, struct claim_look *look, struct err *e)
{
	return kv_get(r->bus, BUCKET, retry_id, on_looked, look, e);
}
