/*
 * Sees to it that what is marked ends, and that markers go. It stands alone
 * because orders only begin things: whatever a store, a router or a node did
 * not come to is finished here, by any store, from what stands in the bucket.
 *
 * Of a task's marker, every few seconds:
 *	not ended, waits               it is ended (events.done)
 *	not ended, ran for keep.cancels it is ended: its node does not, or is no more
 *	ended, its lane still has it   who waits for it is told, and the message is deleted
 *	ended, nothing left, old enough the marker goes
 * Of a group's marker: the rows that wait are ended page by page; when none is
 * left, and every stream begins after it (group.c), it goes. A marker that
 * moves a task goes when the task has ended.
 *
 * It fails: broker or database away, and the next turn goes on from the same
 * place. Two stores that sweep at once do the same twice, which is harmless.
 */
#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"
#include "event.pb-c.h"
#include "store/control_internal.h"
#include "store/group.h"

#define TURN_MS 1000
#define FIRST_LOOK_MS 1000 /* of a marker: whoever asked does most of it by then */
#define LOOK_AGAIN_MS 5000
#define PAGE 500
#define LANE_CHECKS_MAX 50u
#define EARLY_KEEP_MS 600000
#define TOMBSTONES_PAGE 100u

struct sweep {
	struct control *control;
	struct timeout turn;
	struct group_walk *group; /* of groups.c; one page after the other */
	struct ends *ends;
	unsigned checks; /* lanes being looked at */
	bool looking;
};

/* A marker whose task's message may still lie on its lane. */
struct check {
	struct order order;
	struct sweep *sweep;
	char key[MARKER_KEY_MAX + 1];
	char id[TASK_ID_MAX + 1];
	char lane[LANE_MAX + 1];
	char type[TOKEN_MAX + 1];
	uint64_t seq;
	bool cancelled;
};

static void on_turn(struct timeout *t);

/* ---- one marker goes ---- */

static void remove_marker(struct control *c, const char *key)
{
	struct err e;
	if (kv_delete(c->bus, MARKERS_BUCKET, key, NULL, NULL, &e) < 0) {
		log_debug("marker not removed, the next turn does it", LOG_S("error", e.text));
	}
}

static bool old_enough(const struct control *c, const char *key, int64_t keep_ms)
{
	const struct cancel_entry *x = cancels_find(c->cancels, key);
	return x != NULL && clock_mono_ms() - x->seen_mono_ms >= keep_ms;
}

static void free_check(struct order *o)
{
	free(container_of(o, struct check, order));
}

static void end_check(struct check *x, bool gone)
{
	struct control *c = x->order.control;
	x->sweep->checks--;
	if (gone && old_enough(c, x->key, c->keep_ms)) {
		remove_marker(c, x->key);
	}
	order_end(&x->order);
}

static void on_deleted(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct check *x = data;
	(void)reply;
	(void)server_code;
	if (e != NULL) {
		log_debug("a cancelled task's message is not deleted", LOG_S("task", x->id),
				  LOG_S("error", e->text));
	}
	end_check(x, false); /* the next look finds nothing */
}

/* Whoever waits for it at its reply subject has not been told: nobody met the message. */
static void tell_waiting(struct check *x, const struct bus_msg *m)
{
	const char *reply = bus_msg_header(m, H_TASK_REPLY_TO);
	struct bus_header headers[] = {{H_TASK_ID, x->id},
								   {"Task-State", "cancelled"},
								   {"Nats-Service-Error-Code", "409"},
								   {"Nats-Service-Error", "it was cancelled before it ran"}};
	struct bus_out out = {.subject = reply, .headers = headers, .nheaders = ARRAY_LEN(headers)};
	struct err e;
	if (reply != NULL && bus_publish(x->order.control->bus, &out, &e) < 0) {
		log_debug("not told", LOG_S("task", x->id), LOG_S("error", e.text));
	}
}

static void on_message(void *data, struct bus_msg **m, const struct err *e)
{
	struct check *x = data;
	struct control *c = x->order.control;
	struct err why;
	if (e != NULL) { /* no such stream answers as nobody does */
		end_check(x, e->code == ERR_NOT_FOUND);
		return;
	}
	const char *id = bus_msg_header(*m, H_TASK_ID);
	if (bus_msg_status(*m) != 0 || id == NULL || !str_eq(id, x->id)) {
		/* 404, or the lane was made anew since and this is another's. */
		end_check(x, bus_msg_status(*m) == 0 || bus_msg_status(*m) == 404);
		return;
	}
	if (x->cancelled) {
		tell_waiting(x, *m);
	}
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.MSG.DELETE.LANE_%s", x->lane);
	json_t *body = json_pack("{s:I, s:b}", "seq", (json_int_t)x->seq, "no_erase", 1);
	int rc = js_api(c->bus, verb, body, on_deleted, x, &why);
	json_decref(body);
	if (rc < 0) {
		end_check(x, false);
	}
}

static void check_lane(struct sweep *s, const char *key, struct pg_rows rows, size_t row)
{
	struct control *c = s->control;
	const char *lane = pg_get(rows, row, EC_LANE, NULL);
	struct lane parsed;
	struct err e;
	uint64_t seq = (uint64_t)pg_get_int(rows, row, EC_LANE_SEQ);
	if (seq == 0 || lane_parse(lane, &parsed, NULL) < 0) {
		if (old_enough(c, key, c->keep_ms)) {
			remove_marker(c, key);
		}
		return;
	}
	if (s->checks >= LANE_CHECKS_MAX) {
		return;
	}
	struct check *x = xcalloc(1, sizeof(*x));
	order_begin(c, &x->order, NULL, free_check);
	x->sweep = s;
	x->seq = seq;
	x->cancelled = pg_get_int(rows, row, EC_STATE) == MILLRACE__STATE__STATE_CANCELLED;
	snprintf(x->key, sizeof(x->key), "%s", key);
	snprintf(x->id, sizeof(x->id), "%s", pg_get(rows, row, EC_ID, NULL));
	snprintf(x->lane, sizeof(x->lane), "%s", lane);
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.DIRECT.GET.LANE_%s", lane);
	char body[48];
	int len = snprintf(body, sizeof(body), "{\"seq\":%llu}", (unsigned long long)seq);
	struct bus_out out = {.subject = subject, .data = body, .len = (size_t)len};
	s->checks++;
	if (bus_request(c->bus, &out, JS_API_TIMEOUT_MS, on_message, x, NULL, &e) < 0) {
		end_check(x, false);
	}
}

/* ---- markers of tasks ---- */

static void see_to_task(struct sweep *s, const char *key, struct pg_rows rows, size_t row)
{
	struct control *c = s->control;
	Millrace__State state = (Millrace__State)pg_get_int(rows, row, EC_STATE);
	int64_t due = pg_get_time(rows, row, EC_DUE);
	if (state < MILLRACE__STATE__STATE_COMPLETED) {
		if (state != MILLRACE__STATE__STATE_RUNNING || old_enough(c, key, c->keep_ms)) {
			ends_add(s->ends, rows, row, "");
		}
		return;
	}
	/* What waits in DELAYED is found there when its moment has come, or within a minute of it. */
	if (due != 0 && clock_wall_ns() < due + 2 * c->keep_ms * NS_PER_MS) {
		return;
	}
	check_lane(s, key, rows, row);
}

static void see_to_key(struct sweep *s, const char *key, struct pg_rows rows, size_t row)
{
	struct control *c = s->control;
	bool final = pg_get_int(rows, row, EC_STATE) >= MILLRACE__STATE__STATE_COMPLETED;
	if (strncmp(key, "task.", 5) == 0) {
		see_to_task(s, key, rows, row);
	} else if (final && old_enough(c, key, c->keep_ms)) {
		remove_marker(c, key);
	}
}

static void on_published(void *data, const struct err *e)
{
	(void)data;
	if (e != NULL) {
		log_debug("ends not told, the next turn does it", LOG_S("error", e->text));
	}
}

static void on_rows(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct sweep *s = data;
	struct control *c = s->control;
	(void)n;
	s->looking = false;
	if (e != NULL) {
		log_debug("markers not looked at", LOG_S("error", e->text));
		return;
	}
	s->ends = ends_new(c);
	/* A row for each key; where the task is not stored, its columns are null. */
	for (size_t row = 0; row < pg_nrows(rows[0]); row++) {
		const char *key = pg_get(rows[0], row, EC_PROJECT + 1, NULL);
		const struct cancel_entry *x = cancels_find(c->cancels, key);
		if (x == NULL) {
			continue;
		}
		if (!pg_null(rows[0], row, EC_ID)) {
			see_to_key(s, key, rows[0], row);
		} else if (old_enough(c, key, x->early ? EARLY_KEEP_MS : c->keep_ms)) {
			remove_marker(c, key);
		}
	}
	if (ends_count(s->ends) > 0) {
		ends_publish(&s->ends, true, on_published, s);
	}
	ends_free(&s->ends);
}

static void look(struct sweep *s)
{
	struct control *c = s->control;
	struct pg_array keys = {.type = PG_TEXT};
	int64_t now_ms = clock_mono_ms();
	struct err e;
	for (struct cancel_entry *x = cancels_first(c->cancels); x != NULL && keys.n < PAGE;
		 x = x->hh.next) {
		if (now_ms - x->seen_mono_ms >= FIRST_LOOK_MS &&
			(x->looked_mono_ms == 0 || now_ms - x->looked_mono_ms >= LOOK_AGAIN_MS)) {
			x->looked_mono_ms = now_ms;
			pg_array_text(&keys, x->key);
		}
	}
	if (keys.n > 0) {
		struct pg_param p = pg_array_param(&keys);
		s->looking = pg_query(c->pg,
							  "SELECT " ENDS_COLUMNS ", k.key FROM unnest($1) AS k(key) "
							  "LEFT JOIN millrace.tasks AS t "
							  "ON t.id = substr(k.key, 6) COLLATE \"C\"",
							  &p, 1, CONTROL_QUERY_MS, on_rows, s, &e) == 0;
	}
	pg_array_release(&keys);
}

/* ---- what deleted keys leave in the bucket ---- */

static void on_purged(void *data, const json_t *reply, int server_code, const struct err *e)
{
	(void)data;
	(void)reply;
	(void)server_code;
	if (e != NULL) { /* told again with the next listing */
		log_debug("a deleted marker's last message stays for now", LOG_S("error", e->text));
	}
}

static void purge(struct control *c)
{
	struct cancel_tombstone gone[TOMBSTONES_PAGE];
	size_t n = cancels_tombstones(c->cancels, gone, ARRAY_LEN(gone));
	struct err e;
	for (size_t i = 0; i < n; i++) {
		CLEANUP(free_ptr) char *filter = xasprintf("$KV." MARKERS_BUCKET ".%s", gone[i].key);
		/* Not one that was put since. */
		json_t *body =
			json_pack("{s:s, s:I}", "filter", filter, "seq", (json_int_t)gone[i].revision + 1);
		if (js_api(c->bus, "STREAM.PURGE.KV_" MARKERS_BUCKET, body, on_purged, c, &e) < 0) {
			log_debug("not purged", LOG_S("error", e.text));
		}
		json_decref(body);
	}
}

/* ---- turns ---- */

static void on_turn(struct timeout *t)
{
	struct sweep *s = container_of(t, struct sweep, turn);
	struct control *c = s->control;
	timeout_start(t, TURN_MS, on_turn);
	if (!bus_is_up(c->bus) || !pg_is_up(c->pg) || !cancels_known(c->cancels)) {
		return;
	}
	purge(c);
	if (!s->looking) {
		look(s);
	}
	group_walk_on(s->group);
}

int sweep_open(struct control *c, struct err *e)
{
	struct sweep *s = xcalloc(1, sizeof(*s));
	(void)e;
	s->control = c;
	s->group = group_walk_new(c);
	c->sweep = s;
	timeout_init(&s->turn, bus_timeouts(c->bus));
	timeout_start(&s->turn, TURN_MS, on_turn);
	return 0;
}

void sweep_poke(struct control *c)
{
	timeout_start(&c->sweep->turn, 0, on_turn);
}

void sweep_close(struct control *c)
{
	struct sweep *s = TAKE(c->sweep);
	if (s == NULL) {
		return;
	}
	timeout_stop(&s->turn);
	ends_free(&s->ends);
	group_walk_free(&s->group);
	free(s);
}
