/*
 * Tasks that wait for a time. It stands alone because what is far off must
 * cost nothing here: it lies in DELAYED under the subject of its ten seconds,
 * and only a bucket that is due gets a consumer and memory.
 *
 * How a bucket is found: some seconds before it begins, by its message count; at
 * once, where this router itself puts something into one that is due; and by
 * a sweep of past buckets, at the start and every minute, which picks up what
 * a router left behind that was killed. Nothing is put into a bucket that is
 * past or nearly so (policy_bucket). DELAYED refusing for being full holds
 * the task and stops the intake.
 */
#include "router/delay.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"
#include "router/bucket.h"
#include "router/dead.h"
#include "router/record.h"

#define PUT_DEADLINE_MS 5000 /* then the bucket is chosen anew: it may be past */
#define SWEEP_MS 60000
#define OPEN_MAX 32 /* buckets open at once */
/* How long before its time a bucket is opened: a broker that is busy, with a million tasks in DELAYED,
 * has taken over a second to hand out the first. */
#define OPEN_LEAD_NS (3 * NS_PER_S)
/* Above so many subjects a sweep asks for the last RECENT past buckets one by one instead of for
 * all. */
#define SUBJECTS_MAX 10000
#define RECENT 30

struct delay {
	struct router *router;
	struct bucket *buckets;
	struct timeout tick, sweep;
	bool swept,
		more; /* a whole sweep was made once; there were more past buckets than may be open */
};

static void on_sweep(struct timeout *t);

/* The latest one that may be opened. */
static int64_t now_bucket(void)
{
	return (clock_wall_ns() + OPEN_LEAD_NS) / NS_PER_S / BUCKET_S;
}

/* ---- out ---- */

static void open_due(struct delay *d, int64_t number)
{
	struct bucket *b;

	if (number > now_bucket() || d->router->draining)
		return;
	HASH_FIND(hh, d->buckets, &number, sizeof(number), b);
	if (b)
		return;
	if (HASH_COUNT(d->buckets) >= OPEN_MAX) {
		d->more = true;
		return;
	}
	b = bucket_open(d, d->router, number);
	HASH_ADD(hh, d->buckets, number, sizeof(b->number), b);
}

void delay_bucket_ended(struct delay *d, struct bucket *b)
{
	HASH_DEL(d->buckets, b);
	bucket_free(b);
	if (d->more) {
		d->more = false;
		timeout_start(&d->sweep, 0, on_sweep);
	}
}

unsigned delay_room(const struct delay *d)
{
	struct bucket *b, *tmp;
	int64_t held = 0, max = d->router->config.hold_max;
	size_t bytes = 0;

	HASH_ITER (hh, d->buckets, b, tmp) {
		held += b->held;
		bytes += b->held_bytes;
	}
	if (bytes >= (size_t)d->router->config.in_flight_bytes)
		return 0;
	/* Rather some more at a time than one by one. */
	return held > max - max / 8 ? 0 : (unsigned)(max - held);
}

void delay_poke(struct delay *d)
{
	struct bucket *b, *tmp;

	HASH_ITER (hh, d->buckets, b, tmp)
		feed_poke(b->feed);
}

/* {"state":{"subjects":{"delay.176…":3}}}: opens those that are due. */
static void on_subjects(void *data, const json_t *reply, int server_code UNUSED,
						const struct err *e)
{
	struct delay *d = data;
	json_t *subjects;
	const char *subject;
	json_t *count;

	if (e) {
		log_debug("due buckets not known", LOG_S("why", e->text));
		return;
	}
	subjects = json_object_get(json_object_get(reply, "state"), "subjects");
	json_object_foreach (subjects, subject, count) {
		char *end;
		if (strncmp(subject, "delay.", 6) != 0)
			continue;
		long long number = strtoll(subject + 6, &end, 10);
		if (*end == '\0')
			open_due(d, number);
		else
			log_warn("not a bucket of DELAYED, left alone", LOG_S("subject", subject));
	}
}

static int ask_subjects(struct delay *d, const char *filter, size_t offset, js_on_api on_reply)
{
	json_t *body = json_pack("{s:s, s:I}", "subjects_filter", filter, "offset", (json_int_t)offset);
	struct err e;
	int rc = js_api(d->router->bus, "STREAM.INFO.DELAYED", body, on_reply, d, &e);

	json_decref(body);
	return rc;
}

static void ask_bucket(struct delay *d, int64_t number)
{
	char filter[40];

	snprintf(filter, sizeof(filter), "delay.%lld", (long long)number);
	/* Asked again at the next tick or sweep. */
	if (ask_subjects(d, filter, 0, on_subjects))
		log_debug("a bucket was not looked at", LOG_S("subject", filter));
}

/* Before each bucket begins. */
static void on_tick(struct timeout *t)
{
	struct delay *d = container_of(t, struct delay, tick);
	int64_t number = now_bucket();
	int64_t next_ns = (number + 1) * BUCKET_S * NS_PER_S - OPEN_LEAD_NS;

	if (bus_is_up(d->router->bus))
		ask_bucket(d, number);
	timeout_start(t, (next_ns - clock_wall_ns()) / NS_PER_MS + 1, on_tick);
}

/* ---- the sweep ---- */

/* A page of all subjects; the server sends up to 100,000. */
static void on_page(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct delay *d = data;
	json_int_t total = json_integer_value(json_object_get(reply, "total"));
	json_int_t offset = json_integer_value(json_object_get(reply, "offset"));
	size_t n = json_object_size(json_object_get(json_object_get(reply, "state"), "subjects"));

	on_subjects(d, reply, server_code, e);
	if (e)
		return;
	if (n > 0 && offset + (json_int_t)n < total) {
		if (ask_subjects(d, "delay.>", (size_t)offset + n, on_page))
			log_debug("sweep broken off");
		return;
	}
	d->swept = true;
}

static void on_count(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct delay *d = data;
	json_int_t n =
		json_integer_value(json_object_get(json_object_get(reply, "state"), "num_subjects"));

	if (e || n == 0)
		return;
	if (!d->swept || n <= SUBJECTS_MAX) {
		if (ask_subjects(d, "delay.>", 0, on_page))
			log_debug("sweep not begun");
		return;
	}
	for (int64_t number = now_bucket(), i = 0; i < RECENT; i++)
		ask_bucket(d, number - i);
}

static void on_sweep(struct timeout *t)
{
	struct delay *d = container_of(t, struct delay, sweep);
	struct err e;

	timeout_start(t, SWEEP_MS, on_sweep);
	if (bus_is_up(d->router->bus) && !d->router->draining &&
		js_api(d->router->bus, "STREAM.INFO.DELAYED", NULL, on_count, d, &e))
		log_debug("sweep not begun", LOG_S("why", e.text));
}

/* ---- in ---- */

static void put(struct transit *t);

static void on_again(struct hold_item *item)
{
	put(container_of(item, struct transit, hold));
}

static void refused(struct transit *t, const struct err *e)
{
	if (e->code == ERR_TOO_LARGE || e->code == ERR_INVALID) {
		dead_bury(t, "invalid", "it can't be delayed: %s", e->text);
		return;
	}
	t->hold.again = on_again;
	hold_put(&t->router->delayed_full, &t->hold, e);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct transit *t = data;
	struct router *r = t->router;

	if (e && (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE)) {
		put(t);
		return;
	}
	if (e) {
		refused(t, e);
		return;
	}
	hold_clear(&r->delayed_full);
	metric_add(r->stats.delayed, 1);
	t->lane_seq = ack->seq; /* where the audit looks for it */
	open_due(r->delay, t->put_into);
	record_scheduled(r->record, t);
}

static void put(struct transit *t)
{
	struct router *r = t->router;
	char msg_id[MSG_ID_MAX], subject[40];
	struct err e;

	t->put_into = policy_bucket(t->sub.due_wall_ns, clock_wall_ns());
	snprintf(subject, sizeof(subject), "delay.%lld", (long long)t->put_into);
	headers_msg_id(&t->sub, "", msg_id);
	headers_make(&r->headers, TO_DELAYED, &t->sub, msg_id, NULL);
	struct bus_out out = {.subject = subject,
						  .data = t->sub.body,
						  .len = t->sub.body_len,
						  .headers = r->headers.items,
						  .nheaders = r->headers.n};
	if (js_publish(r->bus, &out, PUT_DEADLINE_MS, on_puback, t, &e))
		refused(t, &e);
}

void delay_put(struct transit *t, int64_t due_wall_ns)
{
	int64_t expires_ns = t->sub.expires_wall_ns;

	/* What expires while it waits is looked at then: it ends in time, not when it would have been
	 * due. */
	t->sub.due_wall_ns = expires_ns ? MIN_OF(due_wall_ns, expires_ns) : due_wall_ns;
	put(t);
}

/* ---- begin and end ---- */

struct delay *delay_new(struct router *r)
{
	struct delay *d = xcalloc(1, sizeof(*d));

	d->router = r;
	timeout_init(&d->tick, r->timeouts);
	timeout_init(&d->sweep, r->timeouts);
	return d;
}

void delay_begin(struct delay *d)
{
	timeout_start(&d->tick, 0, on_tick);
	timeout_start(&d->sweep, 0, on_sweep);
}

void delay_free(struct delay **pd)
{
	struct delay *d = TAKE(*pd);
	struct bucket *b, *tmp;

	if (!d)
		return;
	timeout_stop(&d->tick);
	timeout_stop(&d->sweep);
	HASH_ITER (hh, d->buckets, b, tmp) {
		HASH_DEL(d->buckets, b);
		bucket_free(b);
	}
	free(d);
}
