/*
 * The look at DIRECT. It stands apart from the queues because here is held
 * what must hold whatever was put there: nothing lies on DIRECT that nobody
 * will take.
 *
 * Well: every second, or sooner while something is sent, the durables tell how
 * much waits for whom; the queue of a node that is gone or draining is taken
 * off (rescue.h); a durable whose node was away for a while, and that is empty,
 * is deleted. Badly: a router died between publish and wake, or a durable was
 * deleted under a task: the sweep of subjects makes it anew. The broker is
 * silent: nobody is taken for lost, since what is not answered proves nothing
 * about nodes (roster_excuse).
 */
#include "router/direct_internal.h"

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/roster.h"
#include "router/rescue.h"

#define TICK_MS 250
#define LISTING_TICKS 4 /* at each while something is sent */
#define DEAF_MS 2500    /* no answer from the broker for so long: its silence, not the nodes' */
#define SWEEP_TICKS 40
#define KEEP_MS 15000 /* the empty durable of a node that is gone */

/* ---- whose is what ---- */

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
		if (str_eq(class, direct_suffix((enum task_class)c)))
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

static bool unused(const struct direct_node *n)
{
	for (int c = 0; c < CLASS_COUNT; c++) {
		const struct direct_queue *q = &n->queues[c];
		if (q->state != DURABLE_UNKNOWN || q->tasks || q->rescue)
			return false;
	}
	return true;
}

/* ---- the look ---- */

static void look_at_node(struct direct *d, struct direct_node *n, int64_t now_ms)
{
	const struct node_entry *entry = roster_find(d->router->roster, n->name);
	const char *state = entry ? node_state(entry, now_ms) : "gone";
	/* One of that name that takes nothing by DIRECT is another program: nobody pulls the queue. */
	bool live = str_eq(state, "ready") && entry->status->direct,
		 draining = str_eq(state, "draining");

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
			direct_unmake(q);
		}
	}
	if (old && unused(n))
		direct_forget(d, n);
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
			direct_make(q);
		if (q)
			direct_wake(q->node);
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
		roster_excuse(d->router->roster, now_ms);
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

void direct_look_begin(struct direct *d)
{
	d->heard_mono_ms = clock_mono_ms();
	timeout_start(&d->tick, 0, on_tick);
}
