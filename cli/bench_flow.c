/*
 * One run of submits. Everything happens on the loop: PubAcks and notices
 * come in as callbacks, and at most once a turn what may be sent is sent.
 *
 * Goes well: all tasks end, the result holds every latency. Fails: a refused
 * submit counts as an error and the run goes on; when nothing moves for 30 s
 * the run ends and what is missing is counted as errors.
 */
#include "cli/bench_flow.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "common/task.h"
#include "event.pb-c.h"

#define STALL_MS 30000
#define REQUEST_TIMEOUT_MS 30000

struct flow_task {
	struct flow *flow;
	int64_t due_ns;  /* when it was (to be) submitted */
	bool ended;
};

struct flow {
	struct cli *cli;
	const struct flow_spec *spec;
	struct flow_result *r;
	struct flow_task *tasks;
	char subject[TOKEN_MAX + 32];
	char *body;
	size_t sent, ended;
	int64_t started_ns, moved_ms, said_ms;
	int timer_fd;
	uv_poll_t due;
	uv_timer_t watch;
	struct bus_sub *stored;
	bool deferred, marked, done;
	unsigned open_handles;
};

static void fail_one(struct flow *f, const char *why)
{
	if (f->r->errors++ == 0)
		snprintf(f->r->first_error, sizeof(f->r->first_error), "%s", why);
}

static void finish_one(struct flow *f)
{
	f->ended++;
	f->moved_ms = clock_mono_ms();
	if (f->ended == f->spec->count && !f->done) {
		f->done = true;
		f->r->seconds = (double)(clock_mono_ns() - f->started_ns) / NS_PER_S;
	}
}

static void say_progress(struct flow *f)
{
	int64_t now = clock_mono_ms();

	if (now - f->said_ms < 1000)
		return;
	f->said_ms = now;
	cli_say(f->cli, "bench: %s: %zu submitted, %zu acknowledged, %zu done of %zu (%.0f/s)",
	        f->spec->label, f->sent, f->r->acked, f->ended, f->spec->count,
	        (double)f->ended * 1000 / (double)MAX_OF(now - f->started_ns / NS_PER_MS, 1));
}

static void send_more(void *data);

static void defer(struct flow *f)
{
	if (f->deferred || f->done)
		return;
	f->deferred = true;
	bus_defer(f->cli->bus, send_more, f);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct flow_task *t = data;
	struct flow *f = t->flow;

	(void)ack;
	f->moved_ms = clock_mono_ms();
	if (e) {
		fail_one(f, e->text);
		if (!t->ended) {
			t->ended = true;
			finish_one(f);
		}
	} else {
		f->r->acked++;
		samples_add(&f->r->ack, clock_mono_ns() - t->due_ns);
		if (f->spec->acks_only)
			finish_one(f);
	}
	defer(f);
}

static void on_reply(void *data, struct bus_msg **m, const struct err *e)
{
	struct flow_task *t = data;
	struct flow *f = t->flow;
	const char *state = e ? NULL : bus_msg_header(*m, "Task-State");

	if (e)
		fail_one(f, e->text);
	else if (!state || !str_eq(state, "completed"))
		fail_one(f, state ? state : "the answer has no Task-State");
	else
		samples_add(&f->r->end, clock_mono_ns() - t->due_ns);
	f->r->answered++;
	t->ended = true;
	finish_one(f);
	defer(f);
}

static void end_stored(struct flow *f, const Millrace__Stored *s)
{
	size_t len = strlen(f->r->prefix);
	unsigned long long number;
	struct flow_task *t;

	if (strncmp(s->id, f->r->prefix, len) != 0)
		return;
	number = strtoull(s->id + len, NULL, 10);
	if (number >= f->sent)
		return;
	t = &f->tasks[number];
	if (t->ended)
		return;
	t->ended = true;
	if (s->state == MILLRACE__STATE__STATE_COMPLETED)
		samples_add(&f->r->end, clock_mono_ns() - t->due_ns);
	else
		fail_one(f, "a task ended as dead");
	f->r->stored++;
	finish_one(f);
	if (f->spec->on_mark && !f->marked && f->r->stored >= f->spec->mark) {
		f->marked = true;
		f->spec->on_mark(f->spec->data);
	}
}

static void on_stored(void *data, struct bus_msg **m)
{
	struct flow *f = data;
	ProtobufCMessage *record = NULL;
	struct err e = {0};

	if (codec_decode(&millrace__stored_batch__descriptor, bus_msg_header(*m, H_CONTENT_TYPE),
	                 bus_msg_data(*m), bus_msg_len(*m), &record, &e) != 0) {
		fail_one(f, e.text);
		return;
	}

	const Millrace__StoredBatch *batch = (const Millrace__StoredBatch *)record;

	for (size_t i = 0; i < batch->n_tasks; i++) {
		switch (batch->tasks[i]->state) {
		case MILLRACE__STATE__STATE_COMPLETED:
		case MILLRACE__STATE__STATE_DEAD:
		case MILLRACE__STATE__STATE_CANCELLED:
			end_stored(f, batch->tasks[i]);
			break;
		case MILLRACE__STATE__STATE_NONE:
		case MILLRACE__STATE__STATE_SCHEDULED:
		case MILLRACE__STATE__STATE_QUEUED:
		case MILLRACE__STATE__STATE_RUNNING:
		case _MILLRACE__STATE_IS_INT_SIZE:
			break;
		}
	}
	codec_free(record);
	defer(f); /* the window has room again */
}

static void name_subject(struct flow *f, size_t lane)
{
	const char *verb = f->spec->request ? "run" : "tasks";

	if (f->spec->lanes)
		snprintf(f->subject, sizeof(f->subject), "%s.%s%zu", verb, f->spec->type, lane);
	else
		snprintf(f->subject, sizeof(f->subject), "%s.%s", verb, f->spec->type);
}

static void name_delay(const struct flow *f, char *out, size_t size)
{
	int64_t span_s = f->spec->to_s - f->spec->from_s;
	int64_t s = f->spec->from_s + (int64_t)((double)f->sent / (double)f->spec->count * (double)span_s);

	snprintf(out, size, "%llds", (long long)s);
}

static void submit(struct flow *f, int64_t due_ns)
{
	struct flow_task *t = &f->tasks[f->sent];
	char id[64], delay[32];
	struct bus_header h[3] = {{H_MSG_ID, id}};
	struct bus_out out = {
		.subject = f->subject,
		.data = f->body,
		.len = f->spec->size_bytes,
		.headers = h,
		.nheaders = 1,
	};
	struct err e = {0};
	int rc;

	if (f->spec->balance)
		h[out.nheaders++] = (struct bus_header){H_TASK_BALANCE, f->spec->balance};
	if (f->spec->to_s > 0) {
		name_delay(f, delay, sizeof(delay));
		h[out.nheaders++] = (struct bus_header){H_TASK_DELAY, delay};
	}
	snprintf(id, sizeof(id), "%s%zu", f->r->prefix, f->sent++);
	if (f->spec->lanes)
		name_subject(f, f->sent % f->spec->lanes);
	t->flow = f;
	t->due_ns = due_ns;
	if (f->spec->request)
		rc = bus_request(f->cli->bus, &out, REQUEST_TIMEOUT_MS, on_reply, t, NULL, &e);
	else
		rc = js_publish(f->cli->bus, &out, 60000, on_puback, t, &e);
	if (rc != 0) {
		fail_one(f, e.text);
		t->ended = true;
		finish_one(f);
	}
}

/* What is due (open loop), or what the window allows. */
static void send_more(void *data)
{
	struct flow *f = data;
	int64_t now = clock_mono_ns();

	f->deferred = false;
	if (f->spec->rate_per_s > 0) {
		while (f->sent < f->spec->count) {
			int64_t due = f->started_ns + (int64_t)((double)f->sent / f->spec->rate_per_s * NS_PER_S);

			if (due > now)
				break;
			submit(f, due);
		}
		return;
	}
	while (f->sent < f->spec->count) {
		/* Tasks that have not ended, not PubAcks that are missing: else the run measures its own backlog. */
		size_t open = f->sent - f->ended;

		if (open >= f->spec->inflight)
			break;
		submit(f, clock_mono_ns());
	}
}

static void arm(struct flow *f)
{
	int64_t at = f->started_ns + (int64_t)((double)f->sent / f->spec->rate_per_s * NS_PER_S);
	struct itimerspec when = {.it_value = {.tv_sec = at / NS_PER_S, .tv_nsec = at % NS_PER_S}};

	if (f->sent < f->spec->count)
		timerfd_settime(f->timer_fd, TFD_TIMER_ABSTIME, &when, NULL);
}

static void on_due(uv_poll_t *h, int status, int events)
{
	struct flow *f = h->data;
	uint64_t times;

	(void)events;
	if (status < 0 || read(f->timer_fd, &times, sizeof(times)) < 0)
		return;
	send_more(f);
	arm(f);
}

static void on_watch(uv_timer_t *h)
{
	struct flow *f = h->data;

	say_progress(f);
	if (f->done || clock_mono_ms() - f->moved_ms < STALL_MS)
		return;
	for (size_t missing = f->spec->count - f->ended; missing > 0; missing--)
		fail_one(f, "nothing more came for 30 s");
	f->r->seconds = (double)(clock_mono_ns() - f->started_ns) / NS_PER_S;
	f->done = true;
}

static void on_closed(uv_handle_t *h)
{
	struct flow *f = h->data;

	f->open_handles--;
}

static int start(struct flow *f, struct err *e)
{
	uv_loop_t *loop = &f->cli->loop;

	if (!f->spec->request && !f->spec->acks_only &&
	    bus_subscribe(f->cli->bus, "stored", NULL, on_stored, f, &f->stored, e) != 0)
		return e->code;
	f->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (f->timer_fd < 0)
		return err_set(e, ERR_IO, "timerfd: %s", strerror(errno));
	uv_poll_init(loop, &f->due, f->timer_fd);
	f->due.data = f;
	uv_timer_init(loop, &f->watch);
	f->watch.data = f;
	f->open_handles = 2;
	uv_timer_start(&f->watch, on_watch, 200, 200);
	f->moved_ms = clock_mono_ms();
	f->said_ms = f->moved_ms;
	f->started_ns = clock_mono_ns();
	if (f->spec->rate_per_s > 0) {
		uv_poll_start(&f->due, UV_READABLE, on_due);
		arm(f);
	} else {
		defer(f);
	}
	return 0;
}

static void stop(struct flow *f)
{
	bus_unsubscribe(&f->stored);
	if (f->open_handles > 0) {
		uv_close((uv_handle_t *)&f->due, on_closed);
		uv_close((uv_handle_t *)&f->watch, on_closed);
		while (f->open_handles > 0)
			uv_run(&f->cli->loop, UV_RUN_ONCE);
	}
	if (f->timer_fd >= 0)
		close(f->timer_fd);
}

int flow_run(struct cli *c, const struct flow_spec *spec, struct flow_result *ret, struct err *e)
{
	struct flow f = {.cli = c, .spec = spec, .r = ret, .timer_fd = -1};
	int rc;

	*ret = (struct flow_result){0};
	snprintf(ret->prefix, sizeof(ret->prefix), "b%llx-", (unsigned long long)clock_wall_ns() / 1000);
	name_subject(&f, 0);
	f.tasks = xcalloc(spec->count, sizeof(*f.tasks));
	f.body = xmalloc(spec->size_bytes + 1);
	for (size_t i = 0; i < spec->size_bytes; i++)
		f.body[i] = (char)('a' + i * 7 % 26);
	rc = start(&f, e);
	if (rc == 0)
		rc = cli_wait(c, &f.done, -1, e);
	stop(&f);
	if (rc != 0) {
		/* Callbacks of what is under way would find nothing: the connection goes with them. */
		bus_close(&c->bus);
		flow_result_release(ret);
	} else if (js_publish_inflight(c->bus) > 0 || (spec->request && ret->answered < f.sent)) {
		/* It ended because nothing moved; late answers must find nobody either. */
		bus_close(&c->bus);
		rc = cli_connect(c, e);
	}
	free(f.tasks);
	free(f.body);
	return rc;
}

void flow_result_release(struct flow_result *r)
{
	samples_release(&r->ack);
	samples_release(&r->end);
}
