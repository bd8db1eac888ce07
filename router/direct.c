/*
 * The queues of DIRECT: the table of them, their durables, and the way onto
 * them. They stand apart from the choice of a node (place.h), and from the
 * look at what became of them (direct_look.c).
 *
 * Well: a node's durable is made with its first task, tasks are published, the
 * node is woken and pulls. Badly: the durable can't be made, or DIRECT
 * refuses: the task goes back to place.c. Silence is repeated to the same
 * node, for what may lie there must not go elsewhere as well.
 */
#include "router/direct_internal.h"

#include <stdio.h>
#include <utlist.h>

#include "broker-config/declared.h"
#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/headers.h"
#include "router/place.h"
#include "router/record.h"
#include "router/retry.h"
#include "router/rescue.h"

#define REST_MS 5000 /* after the broker refused to make a durable */
#define WAKE_MS 50
#define PUT_DEADLINE_MS 4000
#define AGAIN_MS 200

/* ---- the table ---- */

const char *direct_suffix(enum task_class c)
{
	return c == CLASS_NORMAL ? "" : task_class_name(c);
}

static void on_wake(struct timeout *t);

static struct direct_node *find(const struct direct *d, const char *name)
{
	struct direct_node *n;

	HASH_FIND_STR(d->nodes, name, n);
	return n;
}

struct direct_node *direct_node_of(struct direct *d, const char *name)
{
	struct direct_node *n = find(d, name);

	if (n)
		return n;
	n = xcalloc(1, sizeof(*n));
	n->direct = d;
	snprintf(n->name, sizeof(n->name), "%s", name);
	timeout_init(&n->wake, d->router->timeouts);
	for (int c = 0; c < CLASS_COUNT; c++) {
		struct direct_queue *q = &n->queues[c];
		const char *suffix = direct_suffix((enum task_class)c);
		q->node = n;
		q->class = (enum task_class)c;
		snprintf(q->subject, sizeof(q->subject), "direct.%s%s%s", n->name, *suffix ? "." : "",
				 suffix);
		snprintf(q->consumer, sizeof(q->consumer), "%s%s%s", n->name, *suffix ? "--" : "", suffix);
	}
	HASH_ADD_STR(d->nodes, name, n);
	return n;
}

void direct_forget(struct direct *d, struct direct_node *n)
{
	d->generation++;
	timeout_stop(&n->wake);
	for (int c = 0; c < CLASS_COUNT; c++)
		rescue_close(&n->queues[c].rescue);
	HASH_DEL(d->nodes, n);
	free(n);
}

uint64_t direct_generation(const struct direct *d)
{
	return d->generation;
}

unsigned direct_ahead(const struct direct_node *n)
{
	uint64_t waiting = n->sent + n->sent_before;

	for (int c = 0; c < CLASS_COUNT; c++)
		waiting += n->queues[c].waiting;
	return (unsigned)MIN_OF(waiting, (uint64_t)UINT32_MAX / 2);
}

uint64_t direct_waiting(const struct direct *d, const char *name)
{
	const struct direct_node *n = find(d, name);
	uint64_t waiting = 0;

	for (int c = 0; n && c < CLASS_COUNT; c++)
		waiting += n->queues[c].waiting;
	return waiting;
}

/* ---- out ---- */

static void send_now(struct transit *t);

static void on_wake(struct timeout *timeout)
{
	struct direct_node *n = container_of(timeout, struct direct_node, wake);
	char subject[TOKEN_MAX + 16];

	snprintf(subject, sizeof(subject), "wake.direct.%s", n->name);
	bus_send(n->direct->router->bus, subject, "", 0);
}

void direct_wake(struct direct_node *n)
{
	if (!timeout_running(&n->wake))
		timeout_start(&n->wake, n->sent > 1 ? WAKE_MS : 0, on_wake);
}

static void on_again(struct timeout *timeout)
{
	send_now(container_of(timeout, struct transit, timeout));
}

static void refused(struct transit *t, const struct err *e)
{
	bool silent = e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE;

	/* What may lie there must not go elsewhere as well. */
	if (silent || t->published || !bus_is_up(t->router->bus))
		timeout_start(&t->timeout, AGAIN_MS, on_again);
	else
		place_refused(t, e);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct transit *t = data;
	struct router *r = t->router;

	if (e) {
		if (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE)
			t->published = true;
		refused(t, e);
		return;
	}
	t->lane_seq = ack->seq;
	metric_add(r->stats.directed, 1);
	direct_wake(direct_node_of(r->direct, t->node));
	record_queued(r->record, t);
}

static void send_now(struct transit *t)
{
	struct router *r = t->router;
	struct direct_node *n = direct_node_of(r->direct, t->node);
	char msg_id[MSG_ID_MAX];
	struct err e;

	headers_msg_id(&t->sub, "", msg_id);
	headers_make(&r->headers, TO_DIRECT, &t->sub, msg_id, NULL);
	struct bus_out out = {.subject = n->queues[retry_class(&t->sub)].subject,
						  .data = t->sub.body,
						  .len = t->sub.body_len,
						  .headers = r->headers.items,
						  .nheaders = r->headers.n};
	if (js_publish(r->bus, &out, PUT_DEADLINE_MS, on_puback, t, &e) == 0)
		return;
	if (e.code == ERR_FULL) /* of publishes in this process, not of DIRECT */
		timeout_start(&t->timeout, AGAIN_MS, on_again);
	else
		refused(t, &e);
}

/* ---- durables ---- */

static void release_tasks(struct direct_queue *q, const struct err *e)
{
	struct transit *t, *tasks = TAKE(q->tasks);

	while ((t = tasks)) {
		DL_DELETE2(tasks, t, qprev, qnext);
		if (e)
			place_refused(t, e);
		else
			send_now(t);
	}
}

static void on_made(void *data, const json_t *reply UNUSED, int server_code UNUSED,
					const struct err *e)
{
	struct direct_queue *q = data;
	struct direct *d = q->node->direct;

	if (!e) {
		q->state = DURABLE_THERE;
		q->made = d->listing;
		release_tasks(q, NULL);
		return;
	}
	log_warn("a node's durable on DIRECT can't be made", LOG_S("node", q->node->name),
			 LOG_S("why", e->text), LOG_I("retry_ms", REST_MS));
	q->state = DURABLE_UNKNOWN;
	q->again_mono_ms = clock_mono_ms() + REST_MS;
	release_tasks(q, e);
}

void direct_make(struct direct_queue *q)
{
	struct direct *d = q->node->direct;
	json_t *config = json_deep_copy(d->template);
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DURABLE.CREATE.DIRECT.%s", q->consumer);
	struct err e;

	json_object_set_new(config, "name", json_string(q->consumer));
	json_object_set_new(config, "durable_name", json_string(q->consumer));
	json_object_set_new(config, "description",
						json_string("the tasks that were given to one node"));
	json_object_set_new(config, "filter_subject", json_string(q->subject));
	json_t *body = json_pack("{s:s, s:o}", "stream_name", "DIRECT", "config", config);
	int rc = js_api(d->router->bus, verb, body, on_made, q, &e);
	json_decref(body);
	q->state = rc ? DURABLE_UNKNOWN : DURABLE_MAKING;
	if (rc)
		release_tasks(q, &e);
}

void direct_put(struct transit *t, struct direct_node *n)
{
	struct direct_queue *q = &n->queues[retry_class(&t->sub)];
	struct err e;

	snprintf(t->node, sizeof(t->node), "%s", n->name);
	n->sent++;
	n->direct->sent = true;
	if (q->state == DURABLE_THERE) {
		send_now(t);
		return;
	}
	if (q->state == DURABLE_UNKNOWN && clock_mono_ms() < q->again_mono_ms) {
		err_set(&e, ERR_FULL, "node %s has no durable on DIRECT, and the broker makes none",
				n->name);
		place_refused(t, &e);
		return;
	}
	DL_APPEND2(q->tasks, t, qprev, qnext);
	if (q->state == DURABLE_UNKNOWN)
		direct_make(q);
}

/* Some time after its node went, with nothing on it. Should somebody put something there just now,
 * the sweep makes it anew. */
static void on_deleted(void *data UNUSED, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	if (e && e->code != ERR_NOT_FOUND)
		log_debug("durable not deleted; again later", LOG_S("why", e->text));
}

void direct_unmake(struct direct_queue *q)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DELETE.DIRECT.%s", q->consumer);
	struct err e;

	rescue_close(&q->rescue);
	q->state = DURABLE_UNKNOWN;
	if (js_api(q->node->direct->router->bus, verb, NULL, on_deleted, NULL, &e))
		log_debug("durable not deleted; again later", LOG_S("why", e.text));
}

void direct_begin(struct direct *d)
{
	direct_look_begin(d);
}

void direct_poke(struct direct *d)
{
	struct direct_node *n, *tmp;

	HASH_ITER (hh, d->nodes, n, tmp) {
		for (int c = 0; c < CLASS_COUNT; c++) {
			if (n->queues[c].rescue)
				rescue_poke(n->queues[c].rescue);
		}
	}
}

struct direct *direct_new(struct router *r)
{
	const struct declared *file = declared_find("consumers/lane.json");
	struct direct *d = xcalloc(1, sizeof(*d));

	d->router = r;
	d->generation = 1;
	d->template = file ? json_loadb(file->text, file->len, 0, NULL) : NULL;
	timeout_init(&d->tick, r->timeouts);
	return d;
}

void direct_stop(struct direct *d)
{
	struct direct_node *n, *tmp;

	if (!d)
		return;
	d->stopped = true;
	HASH_ITER (hh, d->nodes, n, tmp) {
		for (int c = 0; c < CLASS_COUNT; c++)
			rescue_close(&n->queues[c].rescue);
	}
}

void direct_free(struct direct **pd)
{
	struct direct *d = TAKE(*pd);
	struct direct_node *n, *tmp;

	if (!d)
		return;
	HASH_ITER (hh, d->nodes, n, tmp) {
		HASH_DEL(d->nodes, n);
		free(n);
	}
	json_decref(d->template);
	free(d);
}
