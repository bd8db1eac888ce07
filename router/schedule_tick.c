/*
 * A tick. It stands alone because every router does it, for every schedule,
 * and yet a tick is one task. Well: the entry is read anew (this router may
 * have slept for an hour), the task goes to TASKS under an id that follows
 * from name and tick, and the entry is written with that tick as its last, by
 * compare-and-set: whoever comes second finds it there, and all who came at
 * once have published the same Nats-Msg-Id. A tick so old that TASKS may have
 * forgotten that id (a router died between the two writes) is asked for at the
 * store first; where that does not answer it is submitted, and the task's row
 * decides. Badly: broker or bucket away, TASKS full, a lost compare-and-set:
 * it ends, and is started again later.
 */
#include "router/schedule_tick.h"

#include <stdio.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"

#define PUBLISH_DEADLINE_MS 10000
#define ASK_TIMEOUT_MS 2000
/* Within TASKS' duplicate_window (30 s), with room: an older tick is asked for at the store. */
#define KNOWN_BY_TASKS_S 15

struct tick {
	struct router *router;
	struct zones *zones;
	struct tick_events events;
	char name[TOKEN_MAX + 1];
	Millrace__Schedule *record;
	uint64_t revision;
	int64_t tick_s;
	bool submit;
	char id[TASK_ID_MAX + 1];
};

/* ---- records ---- */

int schedule_record(const struct kv_entry *entry, Millrace__Schedule **ret, struct err *e)
{
	ProtobufCMessage *m = NULL;
	int rc = codec_from_json_text(&millrace__schedule__descriptor, entry->value, entry->len,
								  CODEC_LENIENT, &m, e);

	if (rc)
		return err_wrap(e, "its value");
	Millrace__Schedule *s = (Millrace__Schedule *)m;
	if (s->name != protobuf_c_empty_string)
		free(s->name);
	s->name = xstrdup(entry->key);
	*ret = s;
	return 0;
}

void schedule_text(const Millrace__Schedule *s, struct buf *out)
{
	Millrace__Schedule copy = *s;

	copy.name = copy.error = (char *)protobuf_c_empty_string;
	copy.next_tick_at = 0;
	codec_to_json_text(&copy.base, 0, out);
}

int schedule_submit(struct router *r, const Millrace__Schedule *s, const char *id,
					const char *msg_id, int64_t tick_s, js_on_puback on_puback, void *data,
					struct err *e)
{
	CLEANUP(free_ptr) struct bus_header *h = xcalloc(s->n_headers + 4, sizeof(*h));
	char subject[TOKEN_MAX + 8], tick[32];
	size_t n = 0;

	h[n++] = (struct bus_header){H_MSG_ID, msg_id};
	h[n++] = (struct bus_header){H_TASK_ID, id};
	h[n++] = (struct bus_header){H_TASK_SCHEDULE, s->name};
	if (tick_s) {
		time_format(tick_s * NS_PER_S, tick);
		h[n++] = (struct bus_header){H_TASK_TICK, tick};
	}
	for (size_t i = 0; i < s->n_headers; i++)
		h[n++] = (struct bus_header){s->headers[i]->name, s->headers[i]->value};
	snprintf(subject, sizeof(subject), "tasks.%.64s", s->type);
	struct bus_out out = {
		.subject = subject, .data = s->body.data, .len = s->body.len, .headers = h, .nheaders = n};
	return js_publish(r->bus, &out, PUBLISH_DEADLINE_MS, on_puback, data, e);
}

/* ---- the end ---- */

void tick_drop(struct tick **pt)
{
	struct tick *t = TAKE(*pt);

	if (!t)
		return;
	if (t->record)
		codec_free(&t->record->base);
	free(t);
}

static void end(struct tick *t, enum tick_end how, const struct err *why)
{
	struct tick_events ev = t->events;

	tick_drop(&t);
	ev.on_end(ev.data, how, why);
}

static void later(struct tick *t, const char *what, struct err e)
{
	err_wrap(&e, "%s", what);
	end(t, TICK_LATER, &e);
}

/* ---- its steps, the last first ---- */

static void on_noted(void *data, uint64_t revision, const struct err *e)
{
	struct tick *t = data;

	if (e) {
		later(t, "noting it in its entry", *e);
		return;
	}
	t->events.on_noted(t->events.data, revision, t->record);
	end(t, TICK_DONE, NULL);
}

/* The tick is on its way, or left out: the entry says so. */
static void note(struct tick *t)
{
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Schedule *r = t->record;
	struct err e;

	r->last_tick_at = t->tick_s * NS_PER_S;
	if (t->submit) {
		r->ticks++;
		if (r->last_task != protobuf_c_empty_string)
			free(r->last_task);
		r->last_task = xstrdup(t->id);
	}
	schedule_text(r, &text);
	if (kv_put(t->router->bus, SCHEDULES_BUCKET, t->name, text.data, text.len, t->revision,
			   on_noted, t, &e))
		later(t, "noting it in its entry", e);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct tick *t = data;

	if (e && (e->code == ERR_TOO_LARGE || e->code == ERR_INVALID)) {
		log_error("a schedule's task can't be submitted; this tick is left out",
				  LOG_S("schedule", t->name), LOG_S("why", e->text));
		t->submit = false;
		note(t);
		return;
	}
	if (e) {
		later(t, "submitting its task", *e);
		return;
	}
	if (!ack->duplicate)
		metric_add(t->router->stats.schedule_ticks, 1);
	log_debug("tick", LOG_S("schedule", t->name), LOG_S("task", t->id));
	note(t);
}

static void submit(struct tick *t)
{
	char msg_id[TASK_ID_MAX + 1];
	struct err e;

	schedule_msg_id(t->name, t->tick_s, msg_id);
	if (schedule_submit(t->router, t->record, t->id, msg_id, t->tick_s, on_puback, t, &e))
		on_puback(t, NULL, &e);
}

/* A task that the store has is not submitted again. */
static void on_asked(void *data, struct bus_msg **reply, const struct err *e)
{
	struct tick *t = data;

	if (e || bus_msg_header(*reply, "Nats-Service-Error-Code"))
		submit(t);
	else
		note(t);
}

static void ask_store(struct tick *t)
{
	struct bus_out out = {.subject = "api.task.get", .data = t->id, .len = strlen(t->id)};
	struct err e;

	if (bus_request(t->router->bus, &out, ASK_TIMEOUT_MS, on_asked, t, NULL, &e))
		submit(t);
}

static void decide(struct tick *t, const struct schedule_rule *rule, const struct kv_entry *entry)
{
	Millrace__Schedule *r = t->record;
	int64_t now_s = clock_wall_ns() / NS_PER_S;
	struct schedule_plan p = schedule_plan(rule, schedule_anchor_s(r, entry->stored_wall_ns),
										   schedule_base_s(r, entry->stored_wall_ns), now_s,
										   (size_t)t->router->config.catch_up_max);

	if (r->paused || !p.due) {
		end(t, TICK_DONE, NULL);
		return;
	}
	/* From the first write on this does not depend on when the entry was written. */
	if (!r->since_at)
		r->since_at = entry->stored_wall_ns;
	t->tick_s = p.tick_s;
	t->submit = p.submit;
	schedule_task_id(t->name, p.tick_s, t->id);
	if (p.left_out || !p.submit)
		log_warn("ticks of a schedule were missed and are left out", LOG_S("schedule", t->name),
				 LOG_S("catch_up", *r->catch_up ? r->catch_up : "none"));
	if (!p.submit)
		note(t);
	else if (now_s - p.tick_s > KNOWN_BY_TASKS_S)
		ask_store(t);
	else
		submit(t);
}

static void on_got(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct tick *t = data;
	struct schedule_rule rule;
	struct err why;

	if (e && e->code == ERR_NOT_FOUND) {
		end(t, TICK_GONE, NULL);
		return;
	}
	if (e) {
		later(t, "reading its entry", *e);
		return;
	}
	t->events.on_read(t->events.data, entry);
	t->revision = entry->revision;
	if (schedule_record(entry, &t->record, &why) || schedule_read(t->record, t->zones, &rule, &why))
		later(t, "understanding its entry", why);
	else
		decide(t, &rule, entry);
}

int tick_start(struct router *r, struct zones *zones, const char *name,
			   const struct tick_events *events, struct tick **ret, struct err *e)
{
	struct tick *t = xcalloc(1, sizeof(*t));

	t->router = r;
	t->zones = zones;
	t->events = *events;
	memcpy(t->name, name, strlen(name) + 1);
	int rc = kv_get(r->bus, SCHEDULES_BUCKET, name, on_got, t, e);
	if (rc)
		tick_drop(&t);
	else
		*ret = t;
	return rc;
}
