/*
 * api.task.cancel. Of single tasks:
 *
 *	look ──▶ a marker each ──PubAcks──▶ what waits is ended ──▶ answer
 *	  ▲  └── none is stored: a marker for what was submitted till now, and a look again
 *	  └──────────────────────── 5 times 0.3 s, then 404
 *
 * The markers come first, so that from their PubAck on nobody begins the task;
 * then what waits is ended at once, and what runs is ended by its node. A
 * store that dies in between leaves markers, and the sweep does the rest.
 *
 * Of a group (type, lane, project) there is one marker, whatever its size; the
 * rows are the sweep's. It fails: a request that makes no sense is 400, a task
 * that has ended 409, too many markers, broker or database away 503.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "control.pb-c.h"
#include "store/control_internal.h"
#include "common/request.h"

#define IDS_MAX 1000u
#define LOOKS_MAX 5
#define LOOK_AGAIN_MS 300

enum what { UNKNOWN, CANCELLED, ENDING, FINAL };
static const char *const whats[] = {"unknown", "cancelled", "ending", "final"};

struct target {
	char id[TASK_ID_MAX + 1];
	enum what what;
	Millrace__State state; /* as it was found */
	bool marked;
};

struct cancel {
	struct order order;
	struct target *targets;
	size_t n;
	size_t marking; /* puts under way */
	struct ends *ends;
	unsigned looks;
	struct timeout again;
	struct err failed;
	bool single;
	char by[CONTROL_BY_MAX + 1];
	/* Of a group: */
	struct marker group;
	uint64_t max, matched;
	bool dry;
};

static void free_cancel(struct order *o)
{
	struct cancel *x = container_of(o, struct cancel, order);
	timeout_stop(&x->again);
	ends_free(&x->ends);
	free(x->targets);
	free(x);
}

/* ---- the answer ---- */

static void answer(struct cancel *x)
{
	const struct target *t = &x->targets[0];
	struct err e;
	if (x->failed.code < 0) {
		order_refuse(&x->order, &x->failed);
		return;
	}
	if (x->single && t->what == UNKNOWN) {
		err_set(&e, ERR_NOT_FOUND,
				"no such task is stored; were it still on its way, it will be cancelled");
		service_fail(TAKE(x->order.r), 404, "%s", e.text);
		order_end(&x->order);
		return;
	}
	if (x->single && t->what == FINAL) {
		static const char *const words[] = {"completed", "dead", "cancelled"};
		service_fail(TAKE(x->order.r), 409, "task %s has ended: it is %s", t->id,
					 words[(t->state - MILLRACE__STATE__STATE_COMPLETED) % 3]);
		order_end(&x->order);
		return;
	}
	Millrace__TaskCancelled all = MILLRACE__TASK_CANCELLED__INIT;
	Millrace__TaskCancelOne *one = xcalloc(x->n, sizeof(*one));
	Millrace__TaskCancelOne **list = xcalloc(x->n, sizeof(Millrace__TaskCancelOne *));
	for (size_t i = 0; i < x->n; i++) {
		millrace__task_cancel_one__init(&one[i]);
		one[i].id = x->targets[i].id;
		one[i].state = x->targets[i].state;
		one[i].what = (char *)(uintptr_t)whats[x->targets[i].what];
		list[i] = &one[i];
		all.matched += x->targets[i].what == CANCELLED || x->targets[i].what == ENDING;
	}
	all.n_tasks = x->n;
	all.tasks = list;
	log_info("cancel", LOG_I("tasks", x->n), LOG_I("cancelled", all.matched), LOG_S("by", x->by));
	order_answer(&x->order, &all.base);
	free(one);
	free(list);
}

/* ---- the steps ---- */

static void look(struct cancel *x);

static void on_again(struct timeout *t)
{
	look(container_of(t, struct cancel, again));
}

static void on_ended(void *data, const struct err *e)
{
	struct cancel *x = data;
	if (e != NULL) {
		log_warn("cancelled tasks are not told as such yet; the markers stand",
				 LOG_S("error", e->text), LOG_S("next", "the sweep tells it"));
	}
	answer(x);
}

/* All markers are acknowledged. */
static void marked(struct cancel *x)
{
	bool unknown = false;
	for (size_t i = 0; i < x->n; i++) {
		unknown = unknown || x->targets[i].what == UNKNOWN;
	}
	if (x->failed.code == 0 && unknown && x->looks < LOOKS_MAX) {
		timeout_start(&x->again, LOOK_AGAIN_MS, on_again);
		return;
	}
	if (x->failed.code == 0 && x->ends != NULL && ends_count(x->ends) > 0) {
		ends_publish(&x->ends, true, on_ended, x);
		return;
	}
	answer(x);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct cancel *x = data;
	(void)revision;
	if (e != NULL && x->failed.code == 0) {
		x->failed = *e;
		x->failed.code = e->code == ERR_FULL ? ERR_FULL : ERR_UNREACHABLE;
		err_wrap(&x->failed, "put a marker into bucket " MARKERS_BUCKET);
	}
	if (--x->marking == 0) {
		marked(x);
	}
}

static void mark(struct cancel *x, struct target *t)
{
	struct marker m = {.kind = MARKER_TASK, .early = t->what == UNKNOWN};
	char key[MARKER_KEY_MAX + 1];
	CLEANUP(buf_release) struct buf value = {0};
	struct err e;
	snprintf(m.id, sizeof(m.id), "%s", t->id);
	marker_key(&m, key);
	marker_value(&m, x->by, &value);
	t->marked = true;
	if (kv_put(x->order.control->bus, MARKERS_BUCKET, key, value.data, value.len, KV_ANY_REVISION,
			   on_put, x, &e) == 0) {
		x->marking++;
	} else if (x->failed.code == 0) {
		x->failed = e;
	}
}

static struct target *find(struct cancel *x, const char *id)
{
	for (size_t i = 0; i < x->n; i++) {
		if (str_eq(x->targets[i].id, id)) {
			return &x->targets[i];
		}
	}
	return NULL;
}

static void take_row(struct cancel *x, struct pg_rows rows, size_t row)
{
	struct target *t = find(x, pg_get(rows, row, EC_ID, NULL));
	if (t == NULL || t->what != UNKNOWN) {
		return;
	}
	t->state = (Millrace__State)pg_get_int(rows, row, EC_STATE);
	if (t->state >= MILLRACE__STATE__STATE_COMPLETED) {
		t->what = FINAL;
	} else if (t->state == MILLRACE__STATE__STATE_RUNNING) {
		t->what = ENDING;
	} else {
		t->what = CANCELLED;
		if (x->ends == NULL) {
			x->ends = ends_new(x->order.control);
		}
		ends_add(x->ends, rows, row, x->by);
	}
}

static void on_rows(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct cancel *x = data;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	for (size_t row = 0; row < pg_nrows(rows[0]); row++) {
		take_row(x, rows[0], row);
	}
	x->marking = 1; /* until all are asked for */
	for (size_t i = 0; i < x->n; i++) {
		if (x->targets[i].what != FINAL && !x->targets[i].marked) {
			mark(x, &x->targets[i]);
		}
	}
	if (--x->marking == 0) {
		marked(x);
	}
}

static void look(struct cancel *x)
{
	struct pg_array ids = {.type = PG_TEXT};
	struct err e;
	x->looks++;
	for (size_t i = 0; i < x->n; i++) {
		if (x->targets[i].what == UNKNOWN) {
			pg_array_text(&ids, x->targets[i].id);
		}
	}
	struct pg_param p = pg_array_param(&ids);
	if (pg_query(x->order.control->pg,
				 "SELECT " ENDS_COLUMNS " FROM millrace.tasks AS t WHERE t.id = ANY($1)", &p, 1,
				 CONTROL_QUERY_MS, on_rows, x, &e) < 0) {
		order_refuse(&x->order, &e);
	}
	pg_array_release(&ids);
}

/* ---- groups ---- */

static void answer_group(struct cancel *x, const char *marker)
{
	Millrace__TaskCancelled all = MILLRACE__TASK_CANCELLED__INIT;
	all.matched = x->matched;
	all.marker = (char *)(uintptr_t)marker;
	order_answer(&x->order, &all.base);
}

static void on_group_put(void *data, uint64_t revision, const struct err *e)
{
	struct cancel *x = data;
	char key[MARKER_KEY_MAX + 1];
	(void)revision;
	if (e != NULL) {
		struct err why = *e;
		err_wrap(&why, "put a marker into bucket " MARKERS_BUCKET);
		order_refuse(&x->order, &why);
		return;
	}
	marker_key(&x->group, key);
	log_info("cancel of a group", LOG_S("type", x->group.type), LOG_S("lane", x->group.lane),
			 LOG_S("project", x->group.project), LOG_I("tasks", x->matched), LOG_S("by", x->by));
	answer_group(x, key);
}

static void put_group(struct cancel *x)
{
	const struct control *c = x->order.control;
	char key[MARKER_KEY_MAX + 1];
	CLEANUP(buf_release) struct buf value = {0};
	struct err e;
	marker_key(&x->group, key);
	const struct cancel_entry *old = cancels_find(c->cancels, key);
	if (old != NULL && old->whole != NULL) { /* the same once more: this one takes its place */
		x->group.until_wall_ns = MAX_OF(x->group.until_wall_ns, old->whole->until_wall_ns);
	} else if (cancels_group_count(c->cancels) >= CANCELS_GROUPS_MAX) {
		service_fail(TAKE(x->order.r), 503,
					 "%u groups are being cancelled already, which is the most; wait for one to "
					 "end, or cancel by id",
					 CANCELS_GROUPS_MAX);
		order_end(&x->order);
		return;
	}
	marker_value(&x->group, x->by, &value);
	if (kv_put(c->bus, MARKERS_BUCKET, key, value.data, value.len, KV_ANY_REVISION, on_group_put, x,
			   &e) < 0) {
		order_refuse(&x->order, &e);
	}
}

static void on_counted(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct cancel *x = data;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	x->matched = (uint64_t)pg_get_int(rows[0], 0, 0);
	int64_t due = pg_get_time(rows[0], 0, 1);
	/* After its moment a delayed task may still be found in DELAYED for a while. */
	x->group.until_wall_ns = due != 0 ? due + 2 * x->order.control->keep_ms * NS_PER_MS : 0;
	if (x->dry) {
		answer_group(x, "");
	} else if (x->max != 0 && x->matched > x->max) {
		service_fail(TAKE(x->order.r), 409, "%" PRIu64 " tasks match, and max is %" PRIu64 "",
					 x->matched, x->max);
		order_end(&x->order);
	} else {
		put_group(x);
	}
}

/* The same filter has the same name: asked twice it is one marker. */
static void name_group(struct marker *m)
{
	CLEANUP(free_ptr) char *filter = xasprintf("%s|%s|%s", m->type, m->lane, m->project);
	uint64_t hash = UINT64_C(14695981039346656037); /* FNV-1a */
	for (const char *p = filter; *p != '\0'; p++) {
		hash = (hash ^ (unsigned char)*p) * UINT64_C(1099511628211);
	}
	snprintf(m->id, sizeof(m->id), "%016" PRIx64, hash);
}

static int begin_group(struct cancel *x, const Millrace__TaskCancel *q, struct err *e)
{
	struct marker *m = &x->group;
	struct lane lane;
	m->kind = MARKER_GROUP;
	if ((q->type[0] != '\0' && token_check("type", q->type, e) < 0) ||
		(q->lane[0] != '\0' && lane_parse(q->lane, &lane, e) < 0)) {
		return err_wrap(e, q->type[0] != '\0' && !token_ok(q->type, strlen(q->type)) ? "type"
																					 : "lane");
	}
	if (strlen(q->project) >= sizeof(m->project) || !utf8_ok(q->project, strlen(q->project))) {
		return err_set(e, ERR_INVALID, "project: at most %zu bytes of UTF-8",
					   sizeof(m->project) - 1);
	}
	snprintf(m->type, sizeof(m->type), "%s", q->type);
	snprintf(m->lane, sizeof(m->lane), "%s", q->lane);
	snprintf(m->project, sizeof(m->project), "%s", q->project);
	name_group(m);
	x->max = q->max;
	x->dry = q->dry;
	struct pg_param p[] = {PG_ARG(m->type), PG_ARG(m->lane), PG_ARG(m->project)};
	return pg_query(x->order.control->pg,
					"SELECT count(*), max(due_at) FILTER (WHERE state = 1) FROM millrace.tasks "
					"WHERE state < 4 AND ($1::text = '' OR type = $1::text) "
					"AND ($2::text = '' OR lane = $2::text) AND ($3::text = '' OR project = "
					"$3::text)",
					p, ARRAY_LEN(p), CONTROL_QUERY_MS, on_counted, x, e);
}

/* ---- the request ---- */

static int begin_ids(struct cancel *x, const char *const *ids, size_t n, struct err *e)
{
	const struct control *c = x->order.control;
	if (n > IDS_MAX) {
		return err_set(e, ERR_INVALID, "ids: at most %u at once", IDS_MAX);
	}
	if (cancels_count(c->cancels) + n > CANCELS_MAX) {
		return err_set(e, ERR_FULL,
					   "%zu cancels are under way, which is the most; wait, or cancel by type, "
					   "lane or project",
					   cancels_count(c->cancels));
	}
	x->targets = xcalloc(n, sizeof(*x->targets));
	for (size_t i = 0; i < n; i++) {
		if (task_id_check(ids[i], e) < 0) {
			return err_wrap(e, "ids");
		}
		if (find(x, ids[i]) == NULL) {
			snprintf(x->targets[x->n++].id, sizeof(x->targets->id), "%s", ids[i]);
		}
	}
	look(x);
	return 0;
}

static int begin(struct cancel *x, const Millrace__TaskCancel *q, struct err *e)
{
	bool group = q->type[0] != '\0' || q->lane[0] != '\0' || q->project[0] != '\0';
	bool ids = q->id[0] != '\0' || q->n_ids > 0;
	size_t by = strnlen(q->by, CONTROL_BY_MAX);
	if (utf8_ok(q->by, by)) {
		snprintf(x->by, sizeof(x->by), "%.*s", (int)by, q->by);
	}
	for (char *p = x->by; *p != '\0'; p++) {
		*p = (unsigned char)*p < ' ' ? ' ' : *p; /* it becomes part of a header */
	}
	if (group == ids) {
		return err_set(e, ERR_INVALID,
					   group ? "id or ids, and type, lane or project, exclude each other"
							 : "which? give id or ids, or type, lane or project");
	}
	if (group) {
		return begin_group(x, q, e);
	}
	if (q->id[0] != '\0' && q->n_ids > 0) {
		return err_set(e, ERR_INVALID, "id and ids exclude each other");
	}
	x->single = q->id[0] != '\0';
	const char *one[] = {q->id};
	return x->single ? begin_ids(x, one, 1, e)
					 : begin_ids(x, (const char *const *)q->ids, q->n_ids, e);
}

void control_cancel(struct control *c, struct service_request *r)
{
	struct cancel *x = xcalloc(1, sizeof(*x));
	ProtobufCMessage *q = NULL;
	char id[TASK_ID_MAX + 1];
	struct err e;
	int rc;
	order_begin(c, &x->order, r, free_cancel);
	timeout_init(&x->again, bus_timeouts(c->bus));
	if (request_bare_id(service_message(r), id)) {
		const char *one[] = {id};
		x->single = true;
		rc = begin_ids(x, one, 1, &e);
	} else {
		rc = request_read(service_message(r), &millrace__task_cancel__descriptor, &q, &e);
		if (rc == 0) {
			rc = begin(x, (const Millrace__TaskCancel *)q, &e);
		}
		codec_free(q);
	}
	if (rc < 0) {
		order_refuse(&x->order, &e);
	}
}
