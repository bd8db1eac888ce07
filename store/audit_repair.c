/*
 * The audit's hand. It stands alone because what it sends is what a node sends
 * of an attempt that can't succeed: the task whole, on events.act, with
 * reason `lost`. So a router buries it like any other, it lies in DEAD with its body,
 * and can be replayed. Its Nats-Msg-Id is made of task, attempt and epoch: two
 * stores, or a repetition, are one message. A task whose body was not kept
 * can't be whole again: its outcome goes to events.done directly.
 *
 * It fails: a publish that is refused ends the work; what is left is found
 * again by the next pass. Nothing that has ended meanwhile is changed: the
 * first final state stays.
 */
#include "store/audit_repair.h"

#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/task.h"
#include "proto/event.pb-c.h"

#define PAGE 50u /* rows at a time, with their bodies: at most 50 MiB */
#define QUERY_TIMEOUT_MS 30000
#define PUBLISH_DEADLINE_MS 10000
#define HEADERS_MAX 256u

enum column {
	C_ID,
	C_TYPE,
	C_LANE,
	C_NODE,
	C_STATE,
	C_ATTEMPT,
	C_EPOCH,
	C_SUBMITTED,
	C_TASKS_SEQ,
	C_LANE_SEQ,
	C_HEADERS,
	C_BODY,
	C_BODY_BYTES
};

static const char sql[] = "SELECT id, type, lane, node, state, attempt, epoch, submitted_at, "
						  "tasks_seq, lane_seq, headers, body, "
						  "body_bytes FROM millrace.tasks WHERE id = ANY($1) AND state < 4";

static void next_page(struct audit_repair *r);

static void settle(struct audit_repair *r)
{
	if (r->publishing == 0) {
		next_page(r);
	}
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct audit_repair *r = data;
	(void)ack;
	r->publishing--;
	if (e != NULL) {
		r->failed = *e;
	} else {
		r->repaired++;
	}
	settle(r);
}

static void publish(struct audit_repair *r, const struct bus_out *out)
{
	struct err e;
	if (js_publish(r->bus, out, PUBLISH_DEADLINE_MS, on_puback, r, &e) < 0) {
		r->failed = e;
	} else {
		r->publishing++;
	}
}

static void describe(struct pg_rows rows, size_t i, char *out, size_t size)
{
	int64_t seq = pg_get_int(rows, i, C_LANE_SEQ);
	bool delayed = pg_get_int(rows, i, C_STATE) == MILLRACE__STATE__STATE_SCHEDULED;
	snprintf(out, size,
			 "acked without outcome: its message (%s%s, sequence %" PRId64
			 ") is gone, taken or deleted by a stranger, and nobody told how it ended",
			 delayed ? "DELAYED" : "LANE_", delayed ? "" : pg_get(rows, i, C_LANE, NULL), seq);
}

/* ---- whole, to a router ---- */

static size_t add_publishers(const json_t *object, struct bus_header *out, size_t room)
{
	size_t n = 0;
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)(uintptr_t)object, name, value) {
		bool ours = task_header_reserved(name) || strcasecmp(name, H_TASK_ID) == 0 ||
					strcasecmp(name, H_TASK_TYPE) == 0;
		if (!ours && json_is_string(value) && n < room) {
			out[n++] = (struct bus_header){name, json_string_value(value)};
		}
	}
	return n;
}

static void send_whole(struct audit_repair *r, struct pg_rows rows, size_t i, const char *error)
{
	uint64_t epoch = (uint64_t)pg_get_int(rows, i, C_EPOCH);
	size_t headers_len, body_len;
	const char *headers = pg_get(rows, i, C_HEADERS, &headers_len);
	const char *body = pg_get(rows, i, C_BODY, &body_len), *node = pg_get(rows, i, C_NODE, NULL);
	json_t *object = headers_len > 0 ? json_loadb(headers, headers_len, 0, NULL) : NULL;
	CLEANUP(free_ptr) struct bus_header *h = xcalloc(HEADERS_MAX + 16, sizeof(*h));
	char attempt[16], router_epoch[16], at[32], now[32], sequence[24], msg_id[TASK_ID_MAX + 64];
	int64_t submitted = pg_get_time(rows, i, C_SUBMITTED), seq = pg_get_int(rows, i, C_TASKS_SEQ);
	size_t n = add_publishers(object, h, HEADERS_MAX);
	snprintf(attempt, sizeof(attempt), "%" PRId64, pg_get_int(rows, i, C_ATTEMPT));
	snprintf(router_epoch, sizeof(router_epoch), "%" PRIu64, epoch >> 32);
	snprintf(sequence, sizeof(sequence), "%" PRId64, seq);
	snprintf(msg_id, sizeof(msg_id), "%s/%s/%" PRIu64 "/act", pg_get(rows, i, C_ID, NULL), attempt,
			 epoch);
	time_format(submitted, at);
	time_format(clock_wall_ns(), now);
	h[n++] = (struct bus_header){H_MSG_ID, msg_id};
	h[n++] = (struct bus_header){H_TASK_ID, pg_get(rows, i, C_ID, NULL)};
	h[n++] = (struct bus_header){H_TASK_ATTEMPT, attempt};
	h[n++] = (struct bus_header){H_TASK_EPOCH, router_epoch};
	h[n++] = (struct bus_header){H_TASK_SUBMITTED, at};
	if (seq > 0) {
		h[n++] = (struct bus_header){H_TASK_SEQUENCE, sequence};
	}
	h[n++] = (struct bus_header){H_OUTCOME, "failed"};
	h[n++] = (struct bus_header){H_OUTCOME_REASON, "lost"};
	h[n++] = (struct bus_header){H_OUTCOME_ERROR, error};
	h[n++] = (struct bus_header){H_OUTCOME_PERMANENT, "true"};
	h[n++] = (struct bus_header){H_OUTCOME_LANE, pg_get(rows, i, C_LANE, NULL)};
	h[n++] = (struct bus_header){H_OUTCOME_FINISHED, now};
	if (node[0] != '\0') {
		h[n++] = (struct bus_header){H_OUTCOME_NODE, node};
	}
	publish(
		r,
		&(struct bus_out){
			.subject = "events.act", .data = body, .len = body_len, .headers = h, .nheaders = n});
	json_decref(object);
}

/* ---- only its end, to the store ---- */

static void send_end(struct audit_repair *r, struct pg_rows rows, size_t i, const char *error)
{
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT, *one = &o;
	Millrace__OutcomeBatch all = MILLRACE__OUTCOME_BATCH__INIT;
	CLEANUP(buf_release) struct buf packed = {0};
	uint64_t epoch = (uint64_t)pg_get_int(rows, i, C_EPOCH);
	char msg_id[TASK_ID_MAX + 64];
	snprintf(msg_id, sizeof(msg_id), "%s/%" PRIu64 "/lost", pg_get(rows, i, C_ID, NULL), epoch);
	o.id = (char *)(uintptr_t)pg_get(rows, i, C_ID, NULL); /* packed only */
	o.type = (char *)(uintptr_t)pg_get(rows, i, C_TYPE, NULL);
	o.lane = (char *)(uintptr_t)pg_get(rows, i, C_LANE, NULL);
	o.node = (char *)(uintptr_t)pg_get(rows, i, C_NODE, NULL);
	o.state = MILLRACE__STATE__STATE_DEAD;
	o.attempt = (uint32_t)pg_get_int(rows, i, C_ATTEMPT);
	o.epoch = ((epoch >> 32) + 1) << 32; /* above any execution that this one had */
	o.submitted_at = pg_get_time(rows, i, C_SUBMITTED);
	o.finished_at = clock_wall_ns();
	o.error = (char *)(uintptr_t)error;
	o.reason = (char *)(uintptr_t) "lost";
	all.n_outcomes = 1;
	all.outcomes = &one;
	codec_pack(&all.base, &packed);
	struct bus_header h[] = {{H_MSG_ID, msg_id}, {H_CONTENT_TYPE, CONTENT_PROTOBUF}};
	publish(r, &(struct bus_out){.subject = "events.done",
								 .data = packed.data,
								 .len = packed.len,
								 .headers = h,
								 .nheaders = ARRAY_LEN(h)});
}

/* ---- pages ---- */

static void on_rows(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit_repair *r = data;
	(void)n;
	if (e != NULL) {
		r->failed = *e;
		settle(r);
		return;
	}
	for (size_t i = 0; i < pg_nrows(rows[0]); i++) {
		char error[LANE_MAX + 200];
		describe(rows[0], i, error, sizeof(error));
		log_warn("a task has no message any more, given up",
				 LOG_S("task", pg_get(rows[0], i, C_ID, NULL)),
				 LOG_S("lane", pg_get(rows[0], i, C_LANE, NULL)), LOG_S("error", error));
		bool whole = !pg_null(rows[0], i, C_BODY) && !pg_null(rows[0], i, C_LANE) &&
					 !pg_null(rows[0], i, C_BODY_BYTES);
		if (whole) {
			send_whole(r, rows[0], i, error);
		} else {
			send_end(r, rows[0], i, error);
		}
	}
	settle(r);
}

static void next_page(struct audit_repair *r)
{
	if (r->next == r->n || r->failed.code != 0) {
		r->on_repaired(r->data, r->failed.code != 0 ? &r->failed : NULL);
		return;
	}
	struct pg_array ids = {.type = PG_TEXT};
	for (size_t k = 0; k < PAGE && r->next < r->n; k++) {
		pg_array_text(&ids, r->ids[r->next++]);
	}
	struct pg_param p = pg_array_param(&ids);
	struct err e;
	int rc = pg_query(r->pg, sql, &p, 1, QUERY_TIMEOUT_MS, on_rows, r, &e);
	pg_array_release(&ids);
	if (rc < 0) {
		r->on_repaired(r->data, &e);
	}
}

int audit_repair_begin(struct audit_repair *r, const char **ids, size_t n,
					   void (*on_repaired)(void *data, const struct err *e), void *data,
					   struct err *e)
{
	(void)e;
	r->ids = ids;
	r->n = n;
	r->next = 0;
	r->repaired = 0;
	r->failed = (struct err){0};
	r->on_repaired = on_repaired;
	r->data = data;
	next_page(r);
	return 0;
}
