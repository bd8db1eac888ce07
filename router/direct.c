/*
 * The queues of DIRECT. They stand apart from the choice of a node because
 * this is what must hold whatever was chosen: nothing lies there that nobody
 * will take.
 *
 * Well: a node's durable is made with its first task, tasks are published, the
 * node is woken and pulls. A look every second or sooner (the durables with their
 * counts) tells how much waits for whom, finds nodes that are gone or
 * draining, and has their queues taken off (rescue.h); a durable whose node
 * was away for a while, and that is empty, is deleted. Badly: the
 * durable can't be made, or DIRECT refuses: the task goes back to place.c. A
 * router dies between publish and wake, or a durable was deleted under a task:
 * the sweep of subjects makes it anew. The broker is silent: nobody is taken
 * for lost, since what is not answered proves nothing about nodes
 * (directory_excuse).
 */
#include "router/direct.h"

#include <jansson.h>
#include <stdio.h>
#include <utlist.h>

#include "broker-config/declared.h"
#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/directory.h"
#include "router/headers.h"
#include "router/place.h"
#include "router/record.h"
#include "router/rescue.h"

#define TICK_MS 250
#define LISTING_TICKS 4 /* at each while something is sent */
#define DEAF_MS 2500    /* no answer from the broker for so long: its silence, not the nodes' */
#define SWEEP_TICKS 40
#define KEEP_MS 15000 /* the empty durable of a node that is gone */
#define REST_MS 5000  /* after the broker refused to make a durable */
#define WAKE_MS 50
#define PUT_DEADLINE_MS 4000
#define AGAIN_MS 200

struct direct {
	struct router *router;
	struct direct_node *nodes;
	json_t *template;
	uint64_t generation;
	uint64_t listing; /* its number; grows with each that is asked */
	bool listing_open, sweeping, stopped;
	int64_t heard_mono_ms;
	unsigned ticks;
	bool sent; /* something since the last listing */
	struct timeout tick;
};

/* ---- the table ---- */

static const char *suffix_of(enum task_class c)
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
		const char *suffix = suffix_of((enum task_class)c);
		q->node = n;
		q->class = (enum task_class)c;
		snprintf(q->subject, sizeof(q->subject), "direct.%s%s%s", n->name, *suffix ? "." : "",
				 suffix);
		snprintf(q->consumer, sizeof(q->consumer), "%s%s%s", n->name, *suffix ? "--" : "", suffix);
	}
	HASH_ADD_STR(d->nodes, name, n);
	return n;
}

static bool unused(const struct direct_node *n)
{
	for (int c = 0; c < CLASS_COUNT; c++) {
		const struct direct_queue *q = &n->queues[c];
		if (q->state != DURABLE_UNKNOWN || q->tasks || q->rescue)
			return false;
	}
	return true;
}

static void forget(struct direct *d, struct direct_node *n)
{
	d->generation++;
	timeout_stop(&n->wake);
	for (int c = 0; c < CLASS_COUNT; c++)
		rescue_close(&n->queues[c].rescue);
	HASH_DEL(d->nodes, n);
	free(n);
}

/* "n1", "n1--high": NULL where it is no queue of ours. */
static struct direct_queue *queue_named(struct direct *d, const char *node, size_t len,
										const char *class)
{
	char name[TOKEN_MAX + 1];

	if (len > TOKEN_MAX || !token_ok(node, len))
		return NULL;
	memcpy(name, node, len);
	name[len] = '\0';
	for (int c = 0; c < CLASS_COUNT; c++) {
		if (str_eq(class, suffix_of((enum task_class)c)))
			return &direct_node_of(d, name)->queues[c];
	}
	return NULL;
}

static struct direct_queue *queue_of_consumer(struct direct *d, const char *consumer)
{
	const char *mark = strstr(consumer, "--");

	return queue_named(d, consumer, mark ? (size_t)(mark - consumer) : strlen(consumer),
					   mark ? mark + 2 : "");
}

static struct direct_queue *queue_of_subject(struct direct *d, const char *subject)
{
	const char *node = subject + strlen("direct."), *dot;

	if (strncmp(subject, "direct.", 7) != 0)
		return NULL;
	dot = strchr(node, '.');
	return queue_named(d, node, dot ? (size_t)(dot - node) : strlen(node), dot ? dot + 1 : "");
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

static void wake(struct direct_node *n)
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
	wake(direct_node_of(r->direct, t->node));
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
	struct bus_out out = {.subject = n->queues[t->sub.class].subject,
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

static void make(struct direct_queue *q)
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
	struct direct_queue *q = &n->queues[t->sub.class];
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
		make(q);
}

/* Some time after its node went, with nothing on it. Should somebody put something there just now,
 * the sweep makes it anew. */
static void on_deleted(void *data UNUSED, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	if (e && e->code != ERR_NOT_FOUND)
		log_debug("durable not deleted; again later", LOG_S("why", e->text));
}

static void unmake(struct direct_queue *q)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.DELETE.DIRECT.%s", q->consumer);
	struct err e;

	rescue_close(&q->rescue);
	q->state = DURABLE_UNKNOWN;
	if (js_api(q->node->direct->router->bus, verb, NULL, on_deleted, NULL, &e))
		log_debug("durable not deleted; again later", LOG_S("why", e.text));
}

/* ---- the look ---- */

static void look_at_node(struct direct *d, struct direct_node *n, int64_t now_ms)
{
	const struct node_entry *entry = directory_find(d->router->directory, n->name);
	const char *state = entry ? node_state(entry, now_ms) : "gone";
	bool live = str_eq(state, "ready"), draining = str_eq(state, "draining");

	if (live || draining)
		n->gone_mono_ms = 0;
	else if (!n->gone_mono_ms)
		n->gone_mono_ms = now_ms;
	bool old = n->gone_mono_ms && now_ms - n->gone_mono_ms > KEEP_MS;
	for (int c = 0; c < CLASS_COUNT; c++) {
		struct direct_queue *q = &n->queues[c];
		bool holds = q->waiting > 0 || q->running > 0;
		if (q->state != DURABLE_THERE)
			continue;
		if (live) {
			rescue_close(&q->rescue);
		} else if (holds && !q->rescue) {
			log_info("tasks of a node that is gone or draining go elsewhere",
					 LOG_S("node", n->name), LOG_S("state", state), LOG_I("waiting", q->waiting),
					 LOG_I("running", q->running));
			q->rescue = rescue_open(d->router, q);
		} else if (old && !holds && !q->tasks) {
			unmake(q);
		}
	}
	if (old && unused(n))
		forget(d, n);
}

static void look_at_all(struct direct *d, int64_t now_ms)
{
	struct direct_node *n, *tmp;

	HASH_ITER (hh, d->nodes, n, tmp)
		look_at_node(d, n, now_ms);
}

/* All were told: what was not is not there. */
static void listed(struct direct *d)
{
	struct direct_node *n, *tmp;

	d->listing_open = false;
	HASH_ITER (hh, d->nodes, n, tmp) {
		n->sent_before = 0;
		for (int c = 0; c < CLASS_COUNT; c++) {
			struct direct_queue *q = &n->queues[c];
			if (q->listed == d->listing || q->made >= d->listing)
				continue;
			q->waiting = q->running = 0;
			if (q->state == DURABLE_THERE)
				q->state = DURABLE_UNKNOWN;
		}
	}
	look_at_all(d, clock_mono_ms());
}

static void ask_listing(struct direct *d, json_int_t offset);

static void take_row(struct direct *d, const json_t *row)
{
	const char *name = json_string_value(json_object_get(row, "name"));
	struct direct_queue *q = name ? queue_of_consumer(d, name) : NULL;

	if (!q)
		return;
	q->waiting = (uint64_t)json_integer_value(json_object_get(row, "num_pending"));
	q->running = (uint64_t)json_integer_value(json_object_get(row, "num_ack_pending"));
	q->listed = d->listing;
	if (q->state == DURABLE_UNKNOWN)
		q->state = DURABLE_THERE;
}

static void on_listing(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct direct *d = data;
	json_int_t total = json_integer_value(json_object_get(reply, "total"));
	json_int_t offset = json_integer_value(json_object_get(reply, "offset"));
	const json_t *rows = json_object_get(reply, "consumers");
	size_t i;
	json_t *row;

	if (!e || e->code == ERR_NOT_FOUND)
		d->heard_mono_ms = clock_mono_ms();
	if (e || d->stopped) {
		d->listing_open = false;
		return;
	}
	json_array_foreach (rows, i, row)
		take_row(d, row);
	offset += (json_int_t)json_array_size(rows);
	if (json_array_size(rows) > 0 && offset < total)
		ask_listing(d, offset);
	else
		listed(d);
}

static void ask_listing(struct direct *d, json_int_t offset)
{
	json_t *body = json_pack("{s:I}", "offset", offset);
	struct err e;

	d->listing_open = js_api(d->router->bus, "CONSUMER.LIST.DIRECT", body, on_listing, d, &e) == 0;
	json_decref(body);
}

static void begin_listing(struct direct *d)
{
	struct direct_node *n, *tmp;

	d->listing++;
	d->sent = false;
	HASH_ITER (hh, d->nodes, n, tmp) {
		n->sent_before += n->sent;
		n->sent = 0;
	}
	ask_listing(d, 0);
}

/* ---- the sweep: subjects that hold something and have no durable ---- */

static void on_subjects(void *data, const json_t *reply, int server_code UNUSED,
						const struct err *e)
{
	struct direct *d = data;
	json_t *subjects = json_object_get(json_object_get(reply, "state"), "subjects");
	const char *subject;
	json_t *count;

	d->sweeping = false;
	if (e || d->stopped)
		return;
	json_object_foreach (subjects, subject, count) {
		struct direct_queue *q = queue_of_subject(d, subject);
		if (!q)
			log_warn("no node's queue on DIRECT, left alone", LOG_S("subject", subject));
		else if (q->state == DURABLE_UNKNOWN && clock_mono_ms() >= q->again_mono_ms)
			make(q);
		if (q)
			wake(q->node);
	}
}

static void sweep(struct direct *d)
{
	json_t *body = json_pack("{s:s}", "subjects_filter", "direct.>");
	struct err e;

	d->sweeping = js_api(d->router->bus, "STREAM.INFO.DIRECT", body, on_subjects, d, &e) == 0;
	json_decref(body);
}

/* ---- time ---- */

static void on_tick(struct timeout *timeout)
{
	struct direct *d = container_of(timeout, struct direct, tick);
	int64_t now_ms = clock_mono_ms();
	bool up = bus_is_up(d->router->bus);

	timeout_start(timeout, TICK_MS, on_tick);
	if (!up || now_ms - d->heard_mono_ms > DEAF_MS)
		directory_excuse(d->router->directory, now_ms);
	else
		look_at_all(d, now_ms);
	if (!up)
		return;
	if (!d->listing_open && (d->sent || d->ticks % LISTING_TICKS == 0))
		begin_listing(d);
	if (!d->sweeping && d->ticks % SWEEP_TICKS == 1)
		sweep(d);
	d->ticks++;
}

void direct_begin(struct direct *d)
{
	d->heard_mono_ms = clock_mono_ms();
	timeout_start(&d->tick, 0, on_tick);
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
