/*
 * Making a task durable. It stands alone because it has two ways: what fits
 * into a message is published on tasks.<type>; what does not is put into the
 * object store first, chunk by chunk, and the message names it. Both are
 * repeated under the task's id until the broker has acknowledged.
 *
 * Fails: TASKS is full (ERR_FULL: later), the broker is away or not set up (ERR_UNREACHABLE, ERR_TIMEOUT).
 */
#include <strings.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/object.h"
#include "common/task.h"
#include "common/ulid.h"
#include "gateway/submit.h"

#define PUBLISH_DEADLINE_MS 10000
#define HEADROOM_BYTES 65536u /* for the headers; the router adds some */

struct submitting {
	struct gateway *gateway;
	struct draft_task *draft;
	submit_done done;
	void *data;
	struct object_put *put;
	struct err early;
	struct timeout timeout;
	struct submitting *prev, *next;
};

static void finish(struct submitting *s, bool duplicate, const struct err *e)
{
	struct err absent;

	/* A stream or a bucket is not there (yet): nothing that the client named. */
	if (e && e->code == ERR_NOT_FOUND) {
		err_set(&absent, ERR_UNREACHABLE, "%s", e->text);
		e = &absent;
	}
	timeout_stop(&s->timeout);
	DL_DELETE(s->gateway->submitting, s);
	s->done(s->data, duplicate, e);
	free(s);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	finish(data, ack && ack->duplicate, e);
}

static int publish(struct submitting *s, struct err *e)
{
	const struct submission *t = &s->draft->task;
	struct bus_header *h = xcalloc(t->nheaders + 3, sizeof(*h));
	CLEANUP(free_ptr) char *subject = xasprintf("tasks.%s", t->lane.type);
	size_t n = 0;
	int rc;

	for (size_t i = 0; i < t->nheaders; i++) {
		const char *name = t->headers[i].name;

		if (!task_header_reserved(name) && strcasecmp(name, H_TASK_ID) != 0)
			h[n++] = t->headers[i];
	}
	h[n++] = (struct bus_header){H_TASK_ID, t->id};
	h[n++] = (struct bus_header){H_MSG_ID, t->id};
	if (s->draft->object)
		h[n++] = (struct bus_header){H_TASK_OBJECT, s->draft->object};
	const struct bus_out out = {.subject = subject,
								.data = s->draft->object ? "" : t->body,
								.len = s->draft->object ? 0 : t->body_len,
								.headers = h,
								.nheaders = n};
	rc = js_publish(s->gateway->bus, &out, PUBLISH_DEADLINE_MS, on_puback, s, e);
	free(h);
	return rc;
}

static void on_early(struct timeout *t)
{
	struct submitting *s = container_of(t, struct submitting, timeout);

	finish(s, false, &s->early);
}

static void fail_soon(struct submitting *s)
{
	timeout_start(&s->timeout, 0, on_early);
}

static void on_object(void *data, const struct object_info *info UNUSED, const struct err *e)
{
	struct submitting *s = data;

	s->put = NULL;
	if (e) {
		s->early = *e;
		err_wrap(&s->early, "the body, for the object store");
	}
	if (e || publish(s, &s->early))
		fail_soon(s);
}

static int put_body(struct submitting *s, struct err *e)
{
	struct draft_task *d = s->draft;
	char own[ULID_LEN + 1];

	/* Not the id alone: a repeat must not replace the bytes of the task that is there already. */
	ulid_new(own);
	CLEANUP(free_ptr) char *name = xasprintf(OBJECT_OF_SUBMIT "%s/%s", d->task.id, own);
	const struct object_source source = {
		.data = d->body_fd < 0 ? d->task.body : NULL, .fd = d->body_fd, .len_bytes = d->body_len};

	d->object = xasprintf(OBJECT_BUCKET "/%s", name);
	return object_put(s->gateway->bus, OBJECT_BUCKET, name, d->task.content_type, &source,
					  PUBLISH_DEADLINE_MS, on_object, s, &s->put, e);
}

void submit_publish(struct gateway *g, struct draft_task *d, submit_done done, void *data)
{
	struct submitting *s = xcalloc(1, sizeof(*s));
	bool large = d->body_fd >= 0 || d->body_len + HEADROOM_BYTES > bus_max_payload(g->bus);

	*s = (struct submitting){.gateway = g, .draft = d, .done = done, .data = data};
	timeout_init(&s->timeout, bus_timeouts(g->bus));
	DL_APPEND(g->submitting, s);
	if (!bus_is_up(g->bus)) {
		err_set(&s->early, ERR_UNREACHABLE, "the broker cannot be reached; nothing was submitted");
		fail_soon(s);
	} else if (large ? put_body(s, &s->early) : publish(s, &s->early)) {
		fail_soon(s);
	}
}

void submit_release(struct gateway *g)
{
	struct err e;

	err_set(&e, ERR_CLOSED, "the gateway is ending; whether it was submitted is not known");
	/* A batch goes on with its next; it ends, too. */
	while (g->submitting) {
		object_put_cancel(&g->submitting->put);
		finish(g->submitting, false, &e);
	}
}
