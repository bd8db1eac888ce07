/*
 * How replayed tasks end, for a canary. It stands alone because two things
 * may tell it and either may be late: the store's notice `stored` (at once,
 * sent once) and the row (asked for now and then, of a few of those that are
 * still awaited). Goes well: each awaited id is counted once, completed, dead
 * of the same failure, or else. Fails: nothing here; what is not told in time
 * is the waiter's to decide. Bounded by what its owner lets be under way.
 */
#include <stdio.h>
#include <uthash.h>

#include "cli/dead.h"
#include "cli/task.h"
#include "proto/event.pb-c.h"

#define LOOK_MS 1000
#define LOOK_MAX 50       /* rows asked for at each look */
#define FAILURE_DIGITS 10 /* of a fingerprint: the rest is the handler's version */

struct awaited {
	char id[TASK_ID_MAX + 1];
	char fingerprint[32]; /* what it had died of */
	bool told;            /* `stored` says that it ended, or died */
	UT_hash_handle hh;
};

struct outcomes {
	struct cli *cli;
	struct bus_sub *stored;
	struct awaited *all;
	struct canary_tally tally;
	char example[2 * TASK_ID_MAX];
	bool news;
};

static void settle(struct outcomes *o, struct awaited *a)
{
	HASH_DEL(o->all, a);
	free(a);
}

static void on_stored(void *data, struct bus_msg **m)
{
	struct outcomes *o = data;
	ProtobufCMessage *record = NULL;
	struct awaited *a;
	struct err e;

	if (!o->all ||
		codec_decode(&millrace__stored_batch__descriptor, bus_msg_header(*m, "Content-Type"),
					 bus_msg_data(*m), bus_msg_len(*m), &record, &e))
		return;
	const Millrace__StoredBatch *batch = (const Millrace__StoredBatch *)record;
	for (size_t i = 0; i < batch->n_tasks; i++) {
		HASH_FIND_STR(o->all, batch->tasks[i]->id, a);
		if (!a || batch->tasks[i]->state < MILLRACE__STATE__STATE_COMPLETED)
			continue;
		if (batch->tasks[i]->state == MILLRACE__STATE__STATE_COMPLETED) {
			o->tally.completed++;
			settle(o, a);
		} else {
			a->told = true; /* of what it died only its row knows */
		}
		o->news = true;
	}
	codec_free(record);
}

static void count(struct outcomes *o, struct awaited *a, const json_t *task)
{
	const char *state = task_text(task, "state"), *fingerprint = task_text(task, "fingerprint");

	if (!task_terminal(task))
		return;
	if (str_eq(state, "completed")) {
		o->tally.completed++;
	} else if (str_eq(state, "dead") && strncmp(fingerprint, a->fingerprint, FAILURE_DIGITS) == 0) {
		o->tally.same++;
		snprintf(o->example, sizeof(o->example), "%s", a->id);
	} else {
		o->tally.other++;
		if (o->tally.same == 0)
			snprintf(o->example, sizeof(o->example), "%s", a->id);
	}
	settle(o, a);
}

/*
 * Those that are known to have ended badly, and a few others: a notice may have been missed. Their
 * ids first, for a notice that comes while a row is asked for may settle any of them.
 */
static int look(struct outcomes *o, struct err *e)
{
	size_t n = 0, others = 0;
	char(*ids)[TASK_ID_MAX + 1] = xcalloc(HASH_COUNT(o->all) + 1, sizeof(*ids));
	int rc = 0;

	for (struct awaited *a = o->all; a; a = a->hh.next) {
		if (a->told || ++others <= LOOK_MAX)
			memcpy(ids[n++], a->id, sizeof(ids[0]));
	}
	for (size_t i = 0; i < n && rc != ERR_CLOSED && !o->tally.same; i++) {
		json_t *task = NULL;
		struct awaited *a;
		rc = task_fetch(o->cli, ids[i], &task, e);
		HASH_FIND_STR(o->all, ids[i], a);
		if (rc == 0 && a) /* else no row yet, or no store: later */
			count(o, a, task);
		json_decref(task);
	}
	free(ids);
	return rc == ERR_CLOSED ? rc : 0;
}

int outcomes_wait(struct outcomes *o, uint64_t few, int64_t timeout_ms, enum canary_verdict *ret,
				  struct err *e)
{
	int64_t deadline_ms = clock_mono_ms() + timeout_ms, next_look_ms = clock_mono_ms() + LOOK_MS;

	for (;;) {
		*ret = canary_judge(&o->tally);
		if (*ret != CANARY_WAIT || HASH_COUNT(o->all) < few)
			return 0;
		int64_t now_ms = clock_mono_ms();
		if (now_ms >= deadline_ms)
			return err_set(e, ERR_TIMEOUT, "%u tasks have not ended in time", HASH_COUNT(o->all));
		o->news = false;
		int rc =
			cli_wait(o->cli, &o->news, MAX_OF(MIN_OF(next_look_ms, deadline_ms) - now_ms, 1), e);
		if (rc == ERR_CLOSED)
			return rc;
		o->news = false;
		rc = look(o, e);
		if (rc)
			return rc;
		next_look_ms = clock_mono_ms() + LOOK_MS;
	}
}

void outcomes_await(struct outcomes *o, const json_t *item)
{
	const char *id = task_text(item, "retry_id");
	struct awaited *a;

	HASH_FIND_STR(o->all, id, a);
	if (a || strlen(id) > TASK_ID_MAX)
		return;
	a = xcalloc(1, sizeof(*a));
	snprintf(a->id, sizeof(a->id), "%s", id);
	snprintf(a->fingerprint, sizeof(a->fingerprint), "%s", task_text(item, "fingerprint"));
	HASH_ADD_STR(o->all, id, a);
	o->tally.replayed++;
}

static void forget_all(struct outcomes *o)
{
	struct awaited *a, *tmp;

	HASH_ITER (hh, o->all, a, tmp)
		settle(o, a);
}

void outcomes_reset(struct outcomes *o)
{
	forget_all(o);
	o->tally = (struct canary_tally){0};
	o->example[0] = '\0';
}

struct canary_tally outcomes_tally(const struct outcomes *o)
{
	return o->tally;
}

const char *outcomes_example(const struct outcomes *o)
{
	return o->example;
}

int outcomes_open(struct cli *c, struct outcomes **ret, struct err *e)
{
	struct outcomes *o = xcalloc(1, sizeof(*o));
	int rc = cli_connect(c, e);

	o->cli = c;
	if (rc == 0)
		rc = bus_subscribe(c->bus, "stored", NULL, on_stored, o, &o->stored, e);
	if (rc) {
		free(o);
		return rc;
	}
	*ret = o;
	return 0;
}

void outcomes_close(struct outcomes **po)
{
	struct outcomes *o = TAKE(*po);

	if (!o)
		return;
	bus_unsubscribe(&o->stored);
	forget_all(o);
	free(o);
}
