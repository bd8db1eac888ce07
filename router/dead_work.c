/*
 * api.dead.replay and api.dead.discard. It stands alone because here letters
 * leave DEAD, and none may be lost or run twice on the way.
 *
 * A replay goes well: its next id has no claim yet, the letter is read whole, its body is published
 * to tasks.<type> under the next id (retry_id.h), PubAck, then the letter is taken out of DEAD. Cut
 * anywhere, the letter is still there or its task is in TASKS, or both; and both are harmless, for
 * a second message of that id goes no further than its claim (claims.h). A letter that can't be
 * replayed, or whose publish is refused, stays and is told.
 *
 * Letters are found a page at a time and worked off IN_FLIGHT at a time, so
 * memory does not follow DEAD. What one answer has no time for is told by
 * its cursor; asking again goes on.
 */
#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/retry_id.h"
#include "router/claims.h"
#include "router/dead_desk.h"

#define PAGE 512
#define IN_FLIGHT 64
#define PUBLISH_MS 1500 /* what has no PubAck by then is told as failed; it may run all the same */
#define ITEMS_MAX 1000
#define ITEMS_DONE_MAX 900 /* of them for what went well: failures are the news */

struct work;

struct item {
	struct work *work;
	struct dead_call call;
	struct claim_look look;
	uint64_t seq;
	char id[TASK_ID_MAX + 1], retry_id[TASK_ID_MAX + 1], type[TOKEN_MAX + 1],
		fingerprint[FINGERPRINT_MAX + 1];
	bool again; /* the PubAck said that TASKS had it already */
};

struct work {
	struct dead_job job;
	bool replay;
	struct item items[PAGE];
	size_t n, next, busy;
	uint64_t next_seq; /* to go on from; 0: the end was reached */
	uint64_t left;     /* of the limit */
	struct claim_look look;
	Millrace__DeadDone done;
	Millrace__DeadItem *told[ITEMS_MAX];
	size_t fine; /* among told */
};

static void go_on(struct work *w);

/* ---- what became of a letter ---- */

static void tell(struct work *w, const struct item *i, const char *outcome, const char *error)
{
	struct keep **kept = &w->job.kept;
	bool failed = error != NULL;

	if (w->done.n_items >= ITEMS_MAX || (!failed && w->fine >= ITEMS_DONE_MAX))
		return;
	w->fine += !failed;
	Millrace__DeadItem *one = submission_keep(kept, sizeof(*one));
	millrace__dead_item__init(one);
	one->id = submission_keep_text(kept, i->id, strlen(i->id));
	one->retry_id = submission_keep_text(kept, i->retry_id, strlen(i->retry_id));
	one->type = submission_keep_text(kept, i->type, strlen(i->type));
	one->fingerprint = submission_keep_text(kept, i->fingerprint, strlen(i->fingerprint));
	one->seq = i->seq;
	one->outcome = (char *)(uintptr_t)outcome;
	if (error)
		one->error = submission_keep_text(kept, error, strlen(error));
	w->told[w->done.n_items++] = one;
}

static void item_over(struct item *i)
{
	struct work *w = i->work;

	w->busy--;
	go_on(w);
}

static void item_failed(struct item *i, const char *why)
{
	i->work->done.failed++;
	tell(i->work, i, "failed", why);
	item_over(i);
}

static void item_gone(struct item *i)
{
	i->work->done.already++;
	tell(i->work, i, "already", NULL);
	item_over(i);
}

/* ---- one letter ---- */

static void on_removed(void *data, const struct err *e)
{
	struct item *i = data;
	struct work *w = i->work;

	if (!w->replay) {
		if (e) {
			item_failed(i, e->text);
			return;
		}
		w->done.discarded++;
		metric_add(w->job.router->stats.dead_discarded, 1);
		tell(w, i, "discarded", NULL);
		item_over(i);
		return;
	}
	if (e) /* replaying it again will do nothing but take it away */
		log_warn("a replayed letter is still in DEAD", LOG_S("task", i->id), LOG_S("why", e->text));
	if (i->again) {
		item_gone(i);
		return;
	}
	w->done.replayed++;
	metric_add(w->job.router->stats.dead_replayed, 1);
	tell(w, i, "replayed", NULL);
	item_over(i);
}

static void remove_letter(struct item *i)
{
	struct err e;

	if (dead_remove(i->work->job.router, i->seq, &i->call, on_removed, i, &e))
		on_removed(i, &e);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct item *i = data;

	if (e) {
		item_failed(i, e->text);
		return;
	}
	i->again = ack->duplicate;
	remove_letter(i);
}

static void on_whole(void *data, struct bus_msg **m, const struct letter_message *lm,
					 const struct letter *l, const struct err *e)
{
	struct item *i = data;
	struct router *r = i->work->job.router;
	char subject[TOKEN_MAX + 8];
	struct err why;

	if (e && e->code == ERR_NOT_FOUND && i->work->job.select.seq && !i->id[0]) {
		/* Asked for by its sequence alone, which does not tell whether it was ever replayed. */
		dead_job_fail(&i->work->job, e);
		return;
	}
	if (e && e->code == ERR_NOT_FOUND) { /* somebody else had it in hand too */
		item_gone(i);
		return;
	}
	const char *refusal = e ? e->text : letter_refusal(l);
	if (refusal) {
		if (!e)
			snprintf(i->id, sizeof(i->id), "%s", l->id);
		item_failed(i, refusal);
		return;
	}
	snprintf(i->id, sizeof(i->id), "%s", l->id);
	snprintf(i->type, sizeof(i->type), "%s", l->type);
	snprintf(i->fingerprint, sizeof(i->fingerprint), "%s", l->fingerprint);
	retry_id_next(l->id, i->retry_id);
	letter_replay_headers(lm, l, i->retry_id, &r->headers);
	snprintf(subject, sizeof(subject), "tasks.%s", l->type);
	struct bus_out out = {.subject = subject,
						  .data = bus_msg_data(*m),
						  .len = bus_msg_len(*m),
						  .headers = r->headers.items,
						  .nheaders = r->headers.n};
	if (js_publish(r->bus, &out, PUBLISH_MS, on_puback, i, &why))
		item_failed(i, why.text);
}

/* A letter whose replay was begun (its removal was cut, or the task was retried by hand) just goes. */
static void on_begun(void *data, bool begun)
{
	struct item *i = data;
	struct err e;

	i->again = begun;
	if (begun)
		remove_letter(i);
	else if (dead_fetch(i->work->job.router, i->seq, &i->call, on_whole, i, &e))
		item_failed(i, e.text);
}

static void on_there(void *data, struct bus_msg **m UNUSED, const struct letter_message *lm UNUSED,
					 const struct letter *l, const struct err *e)
{
	struct item *i = data;

	if (e && e->code == ERR_NOT_FOUND) {
		dead_job_fail(&i->work->job, e);
		return;
	}
	if (e) {
		item_failed(i, e->text);
		return;
	}
	snprintf(i->id, sizeof(i->id), "%s", l->id);
	snprintf(i->type, sizeof(i->type), "%s", l->type);
	snprintf(i->fingerprint, sizeof(i->fingerprint), "%s", l->fingerprint);
	remove_letter(i);
}

/* Never told before it returns: every step asks the broker first. */
static int start(struct item *i, struct err *e)
{
	struct router *r = i->work->job.router;

	/* By its sequence alone: how the broker says that there is none depends on where it looked. */
	if (!i->work->replay && i->work->job.select.seq && !i->id[0])
		return dead_fetch(r, i->seq, &i->call, on_there, i, e);
	if (!i->work->replay)
		return dead_remove(r, i->seq, &i->call, on_removed, i, e);
	if (!i->id[0])
		return dead_fetch(r, i->seq, &i->call, on_whole, i, e);
	retry_id_next(i->id, i->retry_id);
	i->look = (struct claim_look){on_begun, i};
	return claims_look(r, i->retry_id, &i->look, e);
}

/* ---- the whole ---- */

static void finish(struct work *w)
{
	const struct letter_select *s = &w->job.select;
	char cursor[48] = "";

	if (w->next_seq && w->next_seq <= s->upto_seq)
		snprintf(cursor, sizeof(cursor), "%llu-%llu", (unsigned long long)w->next_seq,
				 (unsigned long long)s->upto_seq);
	w->done.next_cursor = cursor;
	w->done.items = w->told;
	log_info(w->replay ? "dead letters replayed" : "dead letters discarded",
			 LOG_S("by", s->by[0] ? s->by : "?"), LOG_S("id", s->id), LOG_S("type", s->type),
			 LOG_S("fingerprint", s->fingerprint), LOG_I("replayed", w->done.replayed),
			 LOG_I("already", w->done.already), LOG_I("discarded", w->done.discarded),
			 LOG_I("failed", w->done.failed));
	dead_job_reply(&w->job, &w->done.base);
}

/* What was done is told rather than what was not. */
static void broke_off(struct work *w, const struct err *e)
{
	if (w->done.replayed || w->done.already || w->done.discarded || w->done.failed)
		finish(w);
	else
		dead_job_fail(&w->job, e);
}

static bool on_letter(void *data, const struct letter *l, const struct letter_message *m UNUSED)
{
	struct work *w = data;
	struct item *i = &w->items[w->n++];

	*i = (struct item){.work = w, .seq = l->seq};
	snprintf(i->id, sizeof(i->id), "%s", l->id);
	snprintf(i->type, sizeof(i->type), "%s", l->type);
	snprintf(i->fingerprint, sizeof(i->fingerprint), "%s", l->fingerprint);
	return w->n < PAGE && w->n < w->left;
}

static void on_page(void *data, uint64_t next_seq, const struct err *e)
{
	struct work *w = data;

	if (e && w->n == 0) {
		broke_off(w, e);
		return;
	}
	/* What was found before it broke off is worked off; the next page tells. */
	w->next_seq = next_seq;
	go_on(w);
}

static void next_page(struct work *w)
{
	struct dead_scan_events ev = {.on_letter = on_letter, .on_end = on_page, .data = w};
	struct err e;

	w->n = w->next = 0;
	w->job.select.from_seq = w->next_seq;
	if (dead_scan_start(w->job.router, &w->job.select, dead_job_left_ms(&w->job), &ev, &w->job.scan,
						&e))
		broke_off(w, &e);
}

static void go_on(struct work *w)
{
	struct err e;

	/* The time is over: what was not begun is found again by the cursor. */
	if (w->next < w->n && dead_job_left_ms(&w->job) <= 0) {
		w->next_seq = w->items[w->next].seq;
		w->n = w->next;
		w->left = 0;
	}
	while (w->next < w->n && w->busy < IN_FLIGHT) {
		struct item *i = &w->items[w->next++];
		w->busy++;
		if (w->left)
			w->left--;
		if (start(i, &e)) {
			w->busy--;
			w->done.failed++;
			tell(w, i, "failed", e.text);
		}
	}
	if (w->busy > 0)
		return;
	if (w->next_seq && w->left && dead_job_left_ms(&w->job) > 0)
		next_page(w);
	else
		finish(w);
}

/* ---- one by its id ---- */

static void on_claim(void *data, bool begun)
{
	struct work *w = data;
	struct item i = {.work = w};
	struct err e;

	if (!begun) {
		err_set(&e, ERR_NOT_FOUND,
				"there is no dead letter of task %s: it was discarded or replayed, or never died",
				w->job.select.id);
		dead_job_fail(&w->job, &e);
		return;
	}
	snprintf(i.id, sizeof(i.id), "%s", w->job.select.id);
	retry_id_next(i.id, i.retry_id);
	w->done.already++;
	tell(w, &i, "already", NULL);
	finish(w);
}

static void on_located(struct dead_job *j, uint64_t seq, const struct err *e)
{
	struct work *w = (struct work *)j;
	char retry_id[TASK_ID_MAX + 1];
	struct err why;

	if (e && e->code == ERR_NOT_FOUND && w->replay && j->select.id[0]) {
		retry_id_next(j->select.id, retry_id);
		w->look = (struct claim_look){on_claim, w};
		if (claims_look(j->router, retry_id, &w->look, &why) == 0)
			return;
		e = &why;
	}
	if (e) {
		dead_job_fail(j, e);
		return;
	}
	w->items[0] = (struct item){.work = w, .seq = seq};
	snprintf(w->items[0].id, sizeof(w->items[0].id), "%s", j->select.id);
	w->n = 1;
	go_on(w);
}

/*
 * What is in DEAD now is meant, not what dies again while we are at it: a replay that fails at once
 * would otherwise never come to its end.
 */
static void on_info(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct work *w = data;
	json_int_t last =
		json_integer_value(json_object_get(json_object_get(reply, "state"), "last_seq"));

	if (e) {
		dead_job_fail(&w->job, e);
		return;
	}
	w->job.select.upto_seq = (uint64_t)MAX_OF(last, 1);
	next_page(w);
}

static void begin(struct router *r, struct service_request *req, bool replay)
{
	struct work *w = dead_job_open(r, req, sizeof(*w), NULL);
	struct err e;

	if (!w)
		return;
	const struct letter_select *s = &w->job.select;
	millrace__dead_done__init(&w->done);
	w->replay = replay;
	w->left = s->limit ? s->limit : UINT64_MAX;
	w->next_seq = s->from_seq;
	if (letter_select_one(s)) {
		dead_job_locate(&w->job, on_located);
	} else if (s->type[0] || s->fingerprint[0] || s->all) {
		if (s->upto_seq)
			next_page(w);
		else if (js_api(r->bus, "STREAM.INFO.DEAD", NULL, on_info, w, &e))
			dead_job_fail(&w->job, &e);
	} else {
		err_set(&e, ERR_INVALID,
				"say which letters: <id>, seq:<n>, type:<t>, fingerprint:<f>, or all");
		dead_job_fail(&w->job, &e);
	}
}

void dead_on_replay(void *data, struct service_request *req)
{
	begin(data, req, true);
}

void dead_on_discard(void *data, struct service_request *req)
{
	begin(data, req, false);
}
