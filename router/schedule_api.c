/*
 * Questions and orders about schedules. Each but the list and the preview is
 * one operation: the entry is read, changed, and written by compare-and-set;
 * who loses against a tick or another operator reads again, a few times. What
 * is wrong with an order is said with the field at fault (400); no such
 * schedule is 404, one that is there already 409, too many 429, a bucket that
 * does not answer 503.
 */
#include "router/schedule_api.h"

#include <stdio.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/log.h"
#include "router/schedules.h"

#define TRIES_MAX 5
#define COUNT_DEFAULT 5u
#define COUNT_MAX 1000u

enum order { ORDER_ADD, ORDER_GET, ORDER_REMOVE, ORDER_PAUSE, ORDER_RESUME, ORDER_RUN };

struct schedule_operation {
	struct router *router;
	struct service_request
		*req; /* answered 503 by the service's end, after which nobody comes back */
	enum order order;
	char name[TOKEN_MAX + 1];
	Millrace__ScheduleAdd *add;
	Millrace__Schedule *record; /* what was read */
	char id[TASK_ID_MAX + 1];
	unsigned tries;
	struct schedule_operation *prev, *next; /* in router->schedule_operations */
};

static void read_entry(struct schedule_operation *op);

static void forget_record(struct schedule_operation *op)
{
	if (op->record)
		codec_free(&op->record->base);
	op->record = NULL;
}

static void free_operation(struct schedule_operation *op)
{
	DL_DELETE(op->router->schedule_operations, op);
	forget_record(op);
	if (op->add)
		codec_free(&op->add->base);
	free(op);
}

static int code_of(const struct err *e)
{
	switch ((enum err_code)e->code) {
	case ERR_INVALID:
		return 400;
	case ERR_NOT_FOUND:
		return 404;
	case ERR_EXISTS:
	case ERR_CONFLICT:
		return 409;
	case ERR_TOO_LARGE:
		return 413;
	case ERR_FULL:
		return 429;
	case ERR_UNREACHABLE:
	case ERR_TIMEOUT:
		return 503;
	case ERR_OK:
	case ERR_DENIED:
	case ERR_CLOSED:
	case ERR_IO:
	case ERR_PROTOCOL:
	case ERR_FAILED:
		break;
	}
	return 500;
}

static void fail(struct schedule_operation *op, const struct err *e)
{
	service_fail(op->req, code_of(e), "%s", e->text);
	free_operation(op);
}

static void reply(struct service_request *req, const ProtobufCMessage *m, unsigned flags)
{
	CLEANUP(buf_release) struct buf text = {0};

	codec_to_json_text(m, flags, &text);
	service_reply(req, CONTENT_JSON, text.data, text.len);
}

void schedule_api_drop_all(struct router *r)
{
	while (r->schedule_operations)
		free_operation(r->schedule_operations);
}

/* ---- the ends of an operation ---- */

static void answer_record(struct schedule_operation *op, Millrace__Schedule *s,
						  int64_t stored_wall_ns)
{
	Millrace__Schedule copy = *s;
	struct err why;

	schedules_describe(op->router->schedules, &copy, stored_wall_ns, &why);
	if (why.code)
		copy.error = why.text;
	reply(op->req, &copy.base, 0);
	free_operation(op);
}

static void answer_done(struct schedule_operation *op)
{
	static const char text[] = "{\"ok\":true}";

	service_reply(op->req, CONTENT_JSON, text, sizeof(text) - 1);
	free_operation(op);
}

static void on_written(void *data, uint64_t revision UNUSED, const struct err *e)
{
	struct schedule_operation *op = data;

	if (e && e->code == ERR_CONFLICT && op->tries < TRIES_MAX) {
		forget_record(op);
		read_entry(op);
		return;
	}
	if (e) {
		fail(op, e);
		return;
	}
	static const char *const did[] = {
		[ORDER_ADD] = "schedule added",
		[ORDER_REMOVE] = "schedule removed",
		[ORDER_PAUSE] = "schedule paused",
		[ORDER_RESUME] = "schedule resumed",
	};
	log_info(did[op->order], LOG_S("schedule", op->name));
	if (op->order == ORDER_REMOVE)
		answer_done(op);
	else
		answer_record(op, op->record, clock_wall_ns());
}

static void on_submitted(void *data, const struct js_puback *ack UNUSED, const struct err *e)
{
	struct schedule_operation *op = data;
	Millrace__ScheduleRun run = MILLRACE__SCHEDULE_RUN__INIT;

	if (e) {
		fail(op, e);
		return;
	}
	log_info("schedule run by hand", LOG_S("schedule", op->name), LOG_S("task", op->id));
	run.id = op->id;
	reply(op->req, &run.base, 0);
	free_operation(op);
}

/* ---- what is done with the entry ---- */

static void write_entry(struct schedule_operation *op, uint64_t revision)
{
	CLEANUP(buf_release) struct buf text = {0};
	struct err e;

	schedule_text(op->record, &text);
	if (kv_put(op->router->bus, SCHEDULES_BUCKET, op->name, text.data, text.len, revision,
			   on_written, op, &e))
		fail(op, &e);
}

static char *text_of(const char *s)
{
	return *s ? xstrdup(s) : (char *)protobuf_c_empty_string;
}

/* The order's parts become the record's; the order keeps none of them. */
static void make_record(struct schedule_operation *op, uint64_t revision)
{
	Millrace__Schedule *s = xcalloc(1, sizeof(*s));
	Millrace__ScheduleAdd *a = op->add;

	millrace__schedule__init(s);
	s->name = xstrdup(op->name);
	s->cron = text_of(a->cron);
	s->tz = text_of(a->tz);
	s->catch_up = text_of(a->catch_up);
	s->type = text_of(a->type);
	s->paused = a->paused;
	s->created_at = s->since_at = clock_wall_ns();
	s->n_headers = a->n_headers;
	s->headers = TAKE(a->headers);
	a->n_headers = 0;
	s->body = a->body;
	a->body = (ProtobufCBinaryData){0};
	forget_record(op);
	op->record = s;
	write_entry(op, revision);
}

/* A second try has given its parts to the first one's record already. */
static void take_back(struct schedule_operation *op)
{
	Millrace__ScheduleAdd *a = op->add;
	Millrace__Schedule *s = op->record;

	if (!s)
		return;
	a->n_headers = s->n_headers;
	a->headers = TAKE(s->headers);
	s->n_headers = 0;
	a->body = s->body;
	s->body = (ProtobufCBinaryData){0};
	forget_record(op);
}

static void add(struct schedule_operation *op, const struct kv_entry *entry)
{
	struct err e;

	take_back(op);
	if (entry && !entry->deleted && !op->add->replace) {
		err_set(&e, ERR_EXISTS,
				"name: there is a schedule \"%s\"; replace it (--replace), or remove it", op->name);
		fail(op, &e);
	} else if ((!entry || entry->deleted) && schedules_full(op->router->schedules)) {
		err_set(&e, ERR_FULL, "there are %lld schedules, as many as schedule.max allows",
				(long long)op->router->config.schedules_max);
		fail(op, &e);
	} else {
		make_record(op, entry ? entry->revision : 0);
	}
}

static void run(struct schedule_operation *op)
{
	struct err e;
	char when[32], *p = when;

	/* "2026-01-02T03:04:05.678901Z" without what no id may have. */
	time_format(clock_wall_ns(), when);
	for (const char *q = when; *q; q++) {
		if (*q != '-' && *q != ':' && *q != '.')
			*p++ = *q;
	}
	*p = '\0';
	snprintf(op->id, sizeof(op->id), "%s.run-%s", op->name, when);
	if (schedule_submit(op->router, op->record, op->id, op->id, 0, on_submitted, op, &e))
		fail(op, &e);
}

static void change(struct schedule_operation *op, const struct kv_entry *entry)
{
	bool pause = op->order == ORDER_PAUSE;

	if (op->record->paused == pause) {
		answer_record(op, op->record, entry->stored_wall_ns);
		return;
	}
	if (!op->record->since_at)
		op->record->since_at = entry->stored_wall_ns;
	if (!pause && op->record->last_tick_at < clock_wall_ns())
		/* What would have come during the pause was not missed. @every goes on from its anchor. */
		op->record->last_tick_at = clock_wall_ns() / NS_PER_S * NS_PER_S;
	op->record->paused = pause;
	write_entry(op, entry->revision);
}

static void act(struct schedule_operation *op, const struct kv_entry *entry)
{
	struct err e = {0};

	/* A record that can't be read can still be removed. */
	if (op->order != ORDER_REMOVE && schedule_record(entry, &op->record, &e)) {
		fail(op, &e);
		return;
	}
	switch (op->order) {
	case ORDER_ADD:
		break;
	case ORDER_GET:
		answer_record(op, op->record, entry->stored_wall_ns);
		return;
	case ORDER_REMOVE:
		if (kv_delete(op->router->bus, SCHEDULES_BUCKET, op->name, on_written, op, &e))
			fail(op, &e);
		return;
	case ORDER_PAUSE:
	case ORDER_RESUME:
		change(op, entry);
		return;
	case ORDER_RUN:
		run(op);
		return;
	}
}

static void on_read(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct schedule_operation *op = data;
	struct err none;

	if (e && e->code != ERR_NOT_FOUND) {
		fail(op, e);
	} else if (op->order == ORDER_ADD) {
		add(op, entry);
	} else if (e) {
		err_set(&none, ERR_NOT_FOUND, "there is no schedule \"%s\"", op->name);
		fail(op, &none);
	} else {
		act(op, entry);
	}
}

static void read_entry(struct schedule_operation *op)
{
	struct err e;

	op->tries++;
	if (kv_get(op->router->bus, SCHEDULES_BUCKET, op->name, on_read, op, &e))
		fail(op, &e);
}

/* ---- the orders ---- */

static struct schedule_operation *begin(struct router *r, struct service_request *req,
										enum order order)
{
	struct schedule_operation *op = xcalloc(1, sizeof(*op));

	op->router = r;
	op->req = req;
	op->order = order;
	DL_APPEND(r->schedule_operations, op);
	return op;
}

static int take_name(struct schedule_operation *op, const char *name, struct err *e)
{
	if (token_check("name", name, e))
		return e->code;
	memcpy(op->name, name, strlen(name) + 1);
	return 0;
}

/* The body: {"name":"x"}, or just the name. */
static int read_name(struct schedule_operation *op, struct err *e)
{
	const struct bus_msg *m = service_message(op->req);
	const char *body = bus_msg_data(m), *type = bus_msg_header(m, "Content-Type");
	size_t len = bus_msg_len(m);
	ProtobufCMessage *record = NULL;
	char bare[TOKEN_MAX + 2];

	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == ' '))
		len--;
	if (len > 0 && body[0] != '{' && (!type || !strstr(type, "protobuf"))) {
		snprintf(bare, sizeof(bare), "%.*s", (int)MIN_OF(len, sizeof(bare)), body);
		return take_name(op, bare, e);
	}
	if (codec_decode(&millrace__schedule_name__descriptor, type, body, len, &record, e))
		return e->code;
	int rc = take_name(op, ((const Millrace__ScheduleName *)record)->name, e);
	codec_free(record);
	return rc;
}

static void by_name(void *data, struct service_request *req, enum order order)
{
	struct schedule_operation *op = begin(data, req, order);
	struct err e;

	if (read_name(op, &e))
		fail(op, &e);
	else
		read_entry(op);
}

void schedule_on_get(void *data, struct service_request *req)
{
	by_name(data, req, ORDER_GET);
}

void schedule_on_remove(void *data, struct service_request *req)
{
	by_name(data, req, ORDER_REMOVE);
}

void schedule_on_pause(void *data, struct service_request *req)
{
	by_name(data, req, ORDER_PAUSE);
}

void schedule_on_resume(void *data, struct service_request *req)
{
	by_name(data, req, ORDER_RESUME);
}

void schedule_on_run(void *data, struct service_request *req)
{
	by_name(data, req, ORDER_RUN);
}

/* The order as the record that it would become; borrows everything. */
static int judge(struct schedule_operation *op, struct err *e)
{
	const Millrace__ScheduleAdd *a = op->add;
	Millrace__Schedule s = MILLRACE__SCHEDULE__INIT;
	struct schedule_rule rule;
	int64_t next_s, now_s = clock_wall_ns() / NS_PER_S;

	if (take_name(op, a->name, e))
		return e->code;
	s.cron = a->cron;
	s.tz = a->tz;
	s.catch_up = a->catch_up;
	s.type = a->type;
	s.headers = a->headers;
	s.n_headers = a->n_headers;
	if (schedule_read(&s, schedules_zones(op->router->schedules), &rule, e))
		return e->code;
	if (a->body.len > op->router->rules.body_max_bytes)
		return err_set(e, ERR_TOO_LARGE, "body: has %zu bytes, %zu is the most", a->body.len,
					   op->router->rules.body_max_bytes);
	if (!cron_next(&rule.cron, rule.zone, now_s, now_s, &next_s))
		return err_set(e, ERR_INVALID, "cron: it does not come within fifty years");
	return 0;
}

void schedule_on_add(void *data, struct service_request *req)
{
	struct schedule_operation *op = begin(data, req, ORDER_ADD);
	const struct bus_msg *m = service_message(req);
	ProtobufCMessage *record = NULL;
	struct err e;

	if (codec_decode(&millrace__schedule_add__descriptor, bus_msg_header(m, "Content-Type"),
					 bus_msg_data(m), bus_msg_len(m), &record, &e)) {
		fail(op, &e);
		return;
	}
	op->add = (Millrace__ScheduleAdd *)record;
	if (judge(op, &e))
		fail(op, &e);
	else
		read_entry(op);
}

void schedule_on_list(void *data, struct service_request *req)
{
	struct router *r = data;
	Millrace__SchedulePage page = MILLRACE__SCHEDULE_PAGE__INIT;
	Millrace__Schedule *list = schedules_list(r->schedules, &page.n_schedules);

	page.schedules = xcalloc(page.n_schedules + 1, sizeof(Millrace__Schedule *));
	for (size_t i = 0; i < page.n_schedules; i++)
		page.schedules[i] = &list[i];
	reply(req, &page.base, 0);
	free(page.schedules);
	free(list);
}

static int preview(struct router *r, const Millrace__ScheduleNext *q, int64_t ticks_ns[COUNT_MAX],
				   size_t *ret_n, struct err *e)
{
	const struct zone *zone;
	struct cron cron;
	size_t n = 0, count = q->count ? q->count : COUNT_DEFAULT;
	int64_t from_s = (q->after_at ? q->after_at : clock_wall_ns()) / NS_PER_S, tick_s = from_s;

	if (count > COUNT_MAX)
		return err_set(e, ERR_INVALID, "count: %u is the most", COUNT_MAX);
	if (cron_parse(q->cron, &cron, e))
		return err_wrap(e, "cron");
	if (zones_get(schedules_zones(r->schedules), q->tz, &zone, e)) {
		e->code = ERR_INVALID;
		return err_wrap(e, "tz");
	}
	while (n < count && cron_next(&cron, zone, from_s, tick_s, &tick_s))
		ticks_ns[n++] = tick_s * NS_PER_S;
	*ret_n = n;
	return 0;
}

void schedule_on_next(void *data, struct service_request *req)
{
	const struct bus_msg *m = service_message(req);
	Millrace__ScheduleTicks ticks = MILLRACE__SCHEDULE_TICKS__INIT;
	int64_t ticks_ns[COUNT_MAX];
	ProtobufCMessage *record = NULL;
	struct err e;
	int rc = codec_decode(&millrace__schedule_next__descriptor, bus_msg_header(m, "Content-Type"),
						  bus_msg_data(m), bus_msg_len(m), &record, &e);

	if (rc == 0)
		rc = preview(data, (const Millrace__ScheduleNext *)record, ticks_ns, &ticks.n_ticks_at, &e);
	if (rc) {
		service_fail(req, code_of(&e), "%s", e.text);
	} else {
		ticks.ticks_at = ticks_ns;
		reply(req, &ticks.base, CODEC_ALL);
	}
	if (record)
		codec_free(record);
}
