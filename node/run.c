/*
 * One execution. It reads the task's headers, refuses what must not run,
 * hands the rest to its handler and takes what the handler says to the
 * reporter. It stands apart from the lists that keep runs alive (running.c)
 * and from how outcomes travel (report.c, act.c).
 *
 * Well: begun, started, done, reported, acknowledged, freed. Badly: the
 * handler fails (an attempt is spent), its time is over (it is told to stop
 * and a timeout is reported whatever it then says), or this process was
 * stopped for longer than ack_wait: then a success may be reported, since it
 * is true, but a failure is not, since by now the task runs elsewhere.
 */
#include "node/run.h"

#include <inttypes.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/object.h"
#include "node/cancel.h"
#include "node/direct.h"
#include "node/fetch.h"
#include "node/handlers/tail.h"
#include "node/permits.h"
#include "node/report.h"
#include "node/result_object.h"
#include "node/running.h"

static void release(struct run *r)
{
	struct node *n = r->node;

	direct_drop(r);
	running_remove(n->running, r);
	slots_settle(&n->slots, r->body_bytes + (r->borrowed ? 0 : r->len));
	result_object_cancel(r);
	if (!r->borrowed)
		free(r->data);
	fetch_free(&r->fetch); /* data may be borrowed from it */
	free(r->result_object);
	bus_msg_free(r->msg);
	free(r->content_type);
	free(r->error);
	free(r->made_id);
	served_lane_unref(r->lane);
	free(r);
}

void run_settle(struct run *r)
{
	struct node *n = r->node;

	release(r);
	puller_wanted(n->puller);
	node_settled(n);
}

void run_drop(struct run *r)
{
	if (!r->finished)
		slots_finish(&r->node->slots, 0);
	release(r);
}

/* Since it could have begun: from its submission, or from when its submitter wanted it. Clocks may differ: never below 0. */
static double since_due_s(const struct run *r, int64_t until_wall_ns)
{
	const struct task *t = &r->task;
	int64_t due_ns = MAX_OF(t->submitted_wall_ns + t->delay_ns, t->at_wall_ns);

	return (double)MAX_OF(until_wall_ns - due_ns, 0) / (double)NS_PER_S;
}

static void count(struct run *r)
{
	struct node_counts *c = &r->node->counts;
	int64_t took_ns = MAX_OF(r->finished_wall_ns - r->started_wall_ns, 0);

	if (r->stop == RUN_CANCELLED) {
		c->busy_ns += took_ns;
		metric_add(r->lane->cancelled, 1);
		return;
	}

	c->busy_ns += took_ns;
	metric_observe(r->lane->seconds, (double)took_ns / (double)NS_PER_S);
	switch (r->outcome) {
	case RESULT_OK:
		c->completed++;
		metric_add(r->lane->ok, 1);
		if (r->task.submitted_wall_ns)
			metric_observe(r->lane->completion_seconds, since_due_s(r, r->finished_wall_ns));
		return;
	case RESULT_FAILED:
		c->failed++;
		metric_add(r->lane->failed, 1);
		return;
	case RESULT_RETURNED:
		metric_add(r->lane->returned, 1);
		return;
	}
}

/* The outcome stands in r; from here it is the reporter's. */
static void finish(struct run *r)
{
	struct node *n = r->node;

	r->finished = true;
	r->finished_wall_ns = clock_wall_ns();
	count(r);
	running_done(n->running, r);
	slots_finish(&n->slots, r->borrowed ? 0 : r->len);
	served_lane_run_ended(r->lane);
	if (r->permit_key)
		permits_leave(r->lane->permits, r);
	if (r->outcome == RESULT_OK && result_object_wanted(r))
		result_object_put(r);
	else if (r->outcome == RESULT_OK)
		report_success(n->reporter, r);
	else
		report_failure(n->reporter, r);
	puller_wanted(n->puller);
}

/* Error texts go into a header and a record: one line of UTF-8, bounded. */
static void take_failure(struct run *r, enum handler_outcome outcome, const char *reason,
						 const char *error)
{
	char text[RUN_ERROR_MAX];

	line_clean(error, strlen(error), text, sizeof(text));
	r->outcome = outcome;
	r->reason = reason;
	r->error = xstrdup(text);
}

/* A stranger's word that goes into a header and a record: what neither could hold is left out. */
static bool content_type_ok(const char *s)
{
	size_t len = strnlen(s, CONTENT_TYPE_MAX + 1);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || (unsigned char)s[i] > 0x7e)
			return false;
	}
	return len > 0 && len <= CONTENT_TYPE_MAX;
}

void run_forget_result(struct run *r)
{
	slots_forget_result(&r->node->slots, r->borrowed ? 0 : r->len);
	if (!r->borrowed)
		free(r->data);
	else if (r->task.content_type && !r->content_type)
		r->content_type = xstrdup(r->task.content_type);
	r->data = NULL;
	r->len = 0;
	r->borrowed = false;
}

void run_fail_instead(struct run *r, const char *reason, const char *error)
{
	run_forget_result(r);
	r->permanent = true;
	free(r->error);
	take_failure(r, RESULT_FAILED, reason, error);
	r->node->counts.completed--;
	r->node->counts.failed++;
}

static void take_result(struct run *r, struct handler_result *res)
{
	const char *body_type = r->task.content_type;

	r->outcome = res->outcome;
	if (res->outcome == RESULT_OK) {
		r->data = TAKE(res->data);
		r->len = r->data ? res->len : 0;
		r->borrowed = res->borrowed;
		/* The body's own type is in the message, which stays. */
		if (res->content_type && res->content_type != body_type &&
			content_type_ok(res->content_type))
			r->content_type = xstrdup(res->content_type);
		return;
	}
	if (!res->borrowed)
		free(res->data);
	res->data = NULL;
	take_failure(r, res->outcome, res->reason ? res->reason : "error",
				 res->error ? res->error : "no reason given");
	r->permanent = res->permanent;
	r->retry_after_ns = res->retry_after_ns;
}

/* Whatever the handler says, this is why it ended. */
static void take_stop(struct run *r)
{
	char took[32];
	CLEANUP(free_ptr) char *words = NULL;

	switch (r->stop) {
	case RUN_GOES_ON:
		return;
	case RUN_TIMED_OUT:
		duration_format(r->h.task.timeout_ns, took);
		words = xasprintf("took longer than its timeout of %s", took);
		take_failure(r, RESULT_FAILED, "timeout", words);
		return;
	case RUN_CANCELLED:
		/* As an end it travels with the successes. */
		take_failure(r, RESULT_OK, "cancelled",
					 r->h.handler ? "it was cancelled while it ran"
								  : "it was cancelled before it ran");
		return;
	case RUN_MOVED:
		take_failure(r, RESULT_RETURNED, "reassigned", "it is to run on another node");
		return;
	}
}

static void on_done(struct handler_run *h, struct handler_result *res)
{
	struct run *r = container_of(h, struct run, h);

	if (r->stop == RUN_GOES_ON) {
		take_result(r, res);
	} else {
		if (!res->borrowed)
			free(TAKE(res->data));
		take_stop(r);
	}
	/* From within start the end is taken up in begin, so that nothing is freed under the handler. */
	if (r->starting)
		r->finished = true;
	else
		finish(r);
}

void run_stop(struct run *r, enum run_stop why)
{
	if (r->stop != RUN_GOES_ON)
		return;
	r->stop = why;
	r->h.late = why == RUN_TIMED_OUT;
	run_stop_work(r);
}

void run_stop_work(struct run *r)
{
	struct handler *h = r->lane->handler;
	struct handler_result none = {.outcome = RESULT_FAILED,
								  .error = "its object was being fetched"};

	if (r->fetching) {
		r->fetching = false;
		fetch_free(&r->fetch);
		on_done(&r->h, &none);
	} else if (h->kind->cancel) {
		h->kind->cancel(h, &r->h);
	}
}

static void refuse(struct run *r, const char *reason, bool permanent, const char *error)
{
	r->permanent = permanent;
	take_failure(r, RESULT_FAILED, reason, error);
	finish(r);
}

/* Without an id nothing can be reported: one is made of what is unique about the message. */
static void make_id(struct run *r, const struct js_meta *meta)
{
	const char *id = bus_msg_header(r->msg, H_TASK_ID);

	if (id && task_id_ok(id, strlen(id))) {
		r->task.id = id;
		return;
	}
	r->made_id =
		xasprintf("stray-%" PRId64 "-%" PRIu64, meta->stored_wall_ns / NS_PER_S, meta->stream_seq);
	r->task.id = r->made_id;
}

/* To the handler. false: it is finished already, and perhaps gone. */
static bool hand_over(struct run *r)
{
	struct handler *h = r->lane->handler;

	r->starting = true;
	h->kind->start(h, &r->h);
	r->starting = false;
	if (!r->finished)
		return true;
	finish(r);
	return false;
}

/* What the object's publisher said of it stands, unless the task says otherwise. */
static void on_fetched(void *data, const struct err *e, bool permanent)
{
	struct run *r = data;
	struct handler_task *t = &r->h.task;
	struct handler_result failed = {.outcome = RESULT_FAILED, .permanent = permanent};

	r->fetching = false;
	if (e) {
		failed.error = e->text;
		on_done(&r->h, &failed);
		return;
	}
	t->file = fetch_path(r->fetch);
	t->file_bytes = t->file ? fetch_len(r->fetch) : 0;
	t->body = t->file ? "" : fetch_bytes(r->fetch);
	t->len = t->file ? 0 : fetch_len(r->fetch);
	if (!r->task.content_type)
		t->content_type = r->task.content_type = fetch_content_type(r->fetch);
	(void)hand_over(r);
}

static void start(struct run *r)
{
	struct handler *h = r->lane->handler;
	struct handler_task *t = &r->h.task;
	int64_t by_handler_ns = h->timeout_ns ? h->timeout_ns : TASK_TIMEOUT_DEFAULT_NS;

	t->id = r->task.id;
	t->type = r->lane->lane.type;
	t->content_type = r->task.content_type;
	t->headers = bus_msg_headers(r->msg, &t->nheaders);
	t->body = bus_msg_data(r->msg);
	t->len = bus_msg_len(r->msg);
	t->attempt = r->task.attempt;
	t->epoch = r->epoch;
	t->timeout_ns = r->task.timeout_ns ? r->task.timeout_ns : by_handler_ns;
	/* A further attempt waited for its backoff, too: that is no queue's doing. */
	if (r->task.attempt == 1 && r->task.submitted_wall_ns)
		metric_observe(r->lane->wait_seconds, since_due_s(r, r->started_wall_ns));
	r->deadline_ms = r->started_ms + MAX_OF(t->timeout_ns / NS_PER_MS, 1);
	r->h.handler = h;
	r->h.on_done = on_done;
	if (r->task.object && h->kind->object != OBJECT_AS_HEADER) {
		r->fetching = true;
		r->fetch =
			fetch_start(r->node, r->task.object, h->kind->object == OBJECT_AS_FILE, on_fetched, r);
		running_go_on(r->node->running, r);
	} else if (hand_over(r)) {
		running_go_on(r->node->running, r);
	}
}

/* A place of its lane's, where all nodes together may run only so many. */
static bool has_place(struct run *r)
{
	struct permits *pm = r->lane->permits;

	return !pm || !permits_active(pm) || permits_enter(pm, r);
}

/* May it begin, here and now? What waits is started later, by whoever holds it. */
static void judge(struct run *r)
{
	struct direct_refusal refusal;

	switch (direct_judge(r, &refusal)) {
	case DIRECT_BEGIN:
		if (has_place(r))
			start(r);
		return;
	case DIRECT_HOLD:
		return;
	case DIRECT_RETURN:
		run_return(r, refusal.reason, refusal.words, refusal.retry_after_ns);
		return;
	}
}

void run_begin(struct node *n, struct served_lane *l, struct bus_msg **m,
			   const struct js_meta *meta, bool direct)
{
	struct run *r = xcalloc(1, sizeof(*r));
	struct err e;

	r->node = n;
	r->lane = l;
	r->direct = direct;
	served_lane_ref(l);
	r->msg = TAKE(*m);
	r->body_bytes = bus_msg_len(r->msg);
	r->lane_seq = meta->stream_seq;
	r->arrived_wall_ns = meta->stored_wall_ns;
	r->deliveries = meta->delivered;
	r->started_wall_ns = clock_wall_ns();
	r->started_ms = r->kept_ms = clock_mono_ms();
	running_add(n->running, r);
	int rc = task_read(r->msg, &r->task, &e);
	if (!rc && !r->task.id)
		rc = err_set(&e, ERR_INVALID, "no " H_TASK_ID);
	r->task.attempt = MAX_OF(r->task.attempt, 1);
	r->epoch = task_execution_epoch(r->task.epoch, meta->consumer_seq);
	if (rc) {
		CLEANUP(free_ptr) char *words = xasprintf("unreadable on its lane: %s", e.text);
		make_id(r, meta);
		refuse(r, "invalid", true, words);
	} else if (r->deliveries > RUN_DELIVERIES_MAX) {
		CLEANUP(free_ptr)
		char *words = xasprintf("delivered %" PRIu64 " times without an outcome", r->deliveries);
		refuse(r, "deliveries", true, words);
	} else if (r->task.expires_wall_ns && r->task.expires_wall_ns <= r->started_wall_ns) {
		char when[32];
		time_format(r->task.expires_wall_ns, when);
		CLEANUP(free_ptr)
		char *words =
			xasprintf("it expired at %s, before attempt %u could begin", when, r->task.attempt);
		refuse(r, "expired", true, words);
	} else if ((r->stop = cancel_of(r)) != RUN_GOES_ON) {
		take_stop(r);
		finish(r);
	} else {
		judge(r);
	}
}

/* Whether it was called off while it waited; then it has ended. */
static bool stopped_meanwhile(struct run *r)
{
	r->started_wall_ns = clock_wall_ns();
	r->started_ms = clock_mono_ms();
	if ((r->stop = cancel_of(r)) == RUN_GOES_ON)
		return false;
	take_stop(r);
	finish(r);
	return true;
}

void run_start(struct run *r)
{
	if (!stopped_meanwhile(r))
		start(r);
}

void run_start_held(struct run *r)
{
	if (!stopped_meanwhile(r) && has_place(r))
		start(r);
}

void run_return(struct run *r, const char *reason, const char *error, int64_t retry_after_ns)
{
	r->started_wall_ns = clock_wall_ns();
	r->retry_after_ns = retry_after_ns;
	take_failure(r, RESULT_RETURNED, reason, error);
	finish(r);
}
