/*
 * Values in the order of the schema's task_row, attempt_row, node_row and
 * rejected_row. It stands alone because it is the one place that must change
 * with those types. Text that PostgreSQL would refuse (broken UTF-8) is
 * mended and overlong text is cut here, so that a stranger's bytes do not
 * cost a bisection; numbers that do not fit their column are capped.
 */
#include "store/records.h"

#include <assert.h>
#include <endian.h>
#include <math.h>

#include "common/codec.h"
#include "store/text.h"

#define EPOCH_2000_US INT64_C(946684800000000)
#define HEAD_BYTES 20u

static void put32(struct buf *b, uint32_t v)
{
	uint32_t be = htobe32(v);
	buf_add(b, &be, 4);
}

static void set32(struct buf *b, size_t at, uint32_t v)
{
	uint32_t be = htobe32(v);
	memcpy(b->data + at, &be, 4);
}

/* ---- rows and fields ---- */

static void start_row(struct records *r, uint32_t fields)
{
	assert(r->fields_left == 0);
	r->row_at = r->buf.len;
	put32(&r->buf, 0); /* its length, known at the end */
	put32(&r->buf, fields);
	r->fields_left = fields;
	r->n++;
}

static void end_row(struct records *r)
{
	assert(r->fields_left == 0);
	set32(&r->buf, r->row_at, (uint32_t)(r->buf.len - r->row_at - 4));
}

/* The server checks each field's type against the column's. */
static void put(struct records *r, enum pg_type type, const void *p, size_t len)
{
	uint32_t head[2] = {htobe32((uint32_t)type), htobe32((uint32_t)len)};
	buf_add(&r->buf, head, sizeof(head));
	if (len > 0) {
		buf_add(&r->buf, p, len);
	}
	r->fields_left--;
}

static void put_null(struct records *r, enum pg_type type)
{
	uint32_t head[2] = {htobe32((uint32_t)type), UINT32_MAX};
	buf_add(&r->buf, head, sizeof(head));
	r->fields_left--;
}

static void put_some_text(struct records *r, const char *s, size_t max_bytes)
{
	size_t len = text_cut(s, max_bytes);
	if (utf8_ok(s, len)) {
		put(r, PG_TEXT, s, len);
	} else {
		buf_reset(&r->scratch);
		utf8_clean(s, len, &r->scratch);
		put(r, PG_TEXT, r->scratch.data, r->scratch.len);
	}
}

static void put_text(struct records *r, const char *s, size_t max_bytes)
{
	if (s == NULL || s[0] == '\0') {
		put_null(r, PG_TEXT);
	} else {
		put_some_text(r, s, max_bytes);
	}
}

static void put_name(struct records *r, const char *s)
{
	put_text(r, s, NAME_MAX_BYTES);
}

static void put_int2(struct records *r, int v)
{
	uint16_t be = htobe16((uint16_t)v);
	put(r, PG_INT2, &be, 2);
}

static void put_int4(struct records *r, uint64_t v)
{
	uint32_t be = htobe32((uint32_t)MIN_OF(v, (uint64_t)INT32_MAX));
	put(r, PG_INT4, &be, 4);
}

static void put_int8(struct records *r, uint64_t v)
{
	uint64_t be = htobe64(MIN_OF(v, (uint64_t)INT64_MAX));
	put(r, PG_INT8, &be, 8);
}

/* 0 is absent. */
static void put_seq(struct records *r, uint64_t v)
{
	if (v == 0) {
		put_null(r, PG_INT8);
	} else {
		put_int8(r, v);
	}
}

/* 0 is not said, below it never. */
static void put_keep(struct records *r, int64_t keep_ms)
{
	uint64_t be = htobe64((uint64_t)MAX_OF(keep_ms, -1));
	if (keep_ms == 0) {
		put_null(r, PG_INT8);
	} else {
		put(r, PG_INT8, &be, 8);
	}
}

static void put_time(struct records *r, int64_t wall_ns)
{
	if (wall_ns == 0) {
		put_null(r, PG_TIMESTAMPTZ);
		return;
	}
	uint64_t be = htobe64((uint64_t)(wall_ns / 1000 - EPOCH_2000_US));
	put(r, PG_TIMESTAMPTZ, &be, 8);
}

static void put_float(struct records *r, double v)
{
	if (isnan(v)) {
		put_null(r, PG_FLOAT8);
		return;
	}
	uint64_t bits;
	memcpy(&bits, &v, 8);
	bits = htobe64(bits);
	put(r, PG_FLOAT8, &bits, 8);
}

static void put_bytes(struct records *r, const void *p, size_t len)
{
	put(r, PG_BYTEA, p, len);
}

/* ---- headers as a JSON object ---- */

static void put_headers(struct records *r, Millrace__Header *const *h, size_t n)
{
	CLEANUP(buf_release) struct buf json = {0};
	for (size_t i = 0; i < n; i++) {
		size_t before = json.len;
		buf_add(&json, i == 0 ? "{" : ",", 1);
		text_add_json(&json, h[i]->name);
		buf_add(&json, ":", 1);
		text_add_json(&json, h[i]->value);
		if (json.len + 1 > HEADERS_MAX_BYTES) { /* the rest is left out */
			json.len = before;
			if (before == 0) {
				put_null(r, PG_TEXT);
				return;
			}
			break;
		}
	}
	if (n == 0) {
		put_null(r, PG_TEXT);
		return;
	}
	buf_add(&json, "}", 2);
	json.len--; /* the NUL is not part of it */
	put_some_text(r, json.data, HEADERS_MAX_BYTES);
}

/* ---- the rows ---- */

void records_start(struct records *r, unsigned element)
{
	static const char head[HEAD_BYTES];
	buf_reset(&r->buf);
	buf_add(&r->buf, head, sizeof(head));
	set32(&r->buf, 0, 1); /* dimensions */
	set32(&r->buf, 8, element);
	set32(&r->buf, 16, 1); /* lower bound */
	r->n = 0;
	r->fields_left = 0;
}

struct pg_param records_param(struct records *r, unsigned array)
{
	set32(&r->buf, 12, r->n);
	if (r->n == 0) { /* no dimension, and nothing behind the head's first three */
		set32(&r->buf, 0, 0);
		return (struct pg_param){r->buf.data, 12, array, true};
	}
	return (struct pg_param){r->buf.data, r->buf.len, array, true};
}

void records_release(struct records *r)
{
	buf_release(&r->buf);
	buf_release(&r->scratch);
}

void records_add_task(struct records *r, const struct merge_task *t)
{
	struct task_row row;
	merge_task_row(t, &row);
	const Millrace__Queued *f = row.facts;
	const Millrace__Outcome *o = row.outcome;
	start_row(r, 34);
	put_name(r, row.id);
	put_some_text(r, row.type != NULL ? row.type : "", NAME_MAX_BYTES);
	put_name(r, row.lane);
	put_int2(r, (int)row.state);
	if (f != NULL) {
		put_int2(r, (int)f->priority);
	} else {
		put_null(r, PG_INT2);
	}
	put_int4(r, row.attempt);
	if (f != NULL) {
		put_int4(r, f->attempts);
	} else {
		put_null(r, PG_INT4);
	}
	put_int8(r, row.epoch);
	put_name(r, row.node);
	put_time(r, row.submitted_wall_ns);
	put_time(r, row.queued_wall_ns);
	put_time(r, row.due_wall_ns);
	put_time(r, row.started_wall_ns);
	put_time(r, row.finished_wall_ns);
	put_seq(r, f != NULL ? f->tasks_seq : 0);
	put_seq(r, row.lane_seq);
	if (row.place != 0) {
		put_int4(r, row.place);
	} else {
		put_null(r, PG_INT4);
	}
	put_seq(r, f != NULL && f->timeout_ms > 0 ? (uint64_t)f->timeout_ms : 0);
	put_name(r, f != NULL ? f->project : NULL);
	put_name(r, f != NULL ? f->content_type : NULL);
	if (f != NULL) {
		put_headers(r, f->headers, f->n_headers);
		put_int4(r, f->body_bytes);
	} else {
		put_null(r, PG_TEXT);
		put_null(r, PG_INT4);
	}
	if (f != NULL && (f->body.len > 0 || f->body_bytes == 0)) {
		put_bytes(r, f->body.data, f->body.len);
	} else {
		put_null(r, PG_BYTEA);
	}
	if (o != NULL) {
		put_int4(r, o->deliveries);
	} else {
		put_null(r, PG_INT4);
	}
	put_name(r, o != NULL ? o->content_type : NULL);
	if (o != NULL && o->state == MILLRACE__STATE__STATE_COMPLETED) {
		put_bytes(r, o->result.data, o->result.len);
	} else {
		put_null(r, PG_BYTEA);
	}
	put_text(r, row.error, ERROR_MAX_BYTES);
	put_name(r, row.reason);
	put_name(r, o != NULL ? o->fingerprint : NULL);
	put_seq(r, o != NULL ? o->dead_seq : 0);
	put_keep(r, f != NULL ? f->keep_ms : 0);
	put_name(r, f != NULL ? f->retry_of : NULL);
	if (o != NULL && o->result_object != NULL && o->result_object[0] != '\0') {
		put_some_text(r, o->result_object, OBJECT_MAX_BYTES);
		put_int8(r, o->result_bytes);
	} else {
		put_null(r, PG_TEXT);
		put_null(r, PG_INT8);
	}
	end_row(r);
}

void records_add_attempt(struct records *r, const struct merge_attempt *a)
{
	start_row(r, 10);
	put_name(r, a->task_id);
	put_int4(r, a->attempt);
	put_int8(r, a->epoch);
	put_name(r, a->outcome);
	put_name(r, a->node);
	put_name(r, a->lane);
	put_name(r, a->reason);
	put_text(r, a->error, ERROR_MAX_BYTES);
	put_time(r, a->started_wall_ns);
	put_time(r, a->finished_wall_ns);
	end_row(r);
}

/* Tokens hold no comma. */
static void put_list(struct records *r, char *const *s, size_t n)
{
	CLEANUP(buf_release) struct buf list = {0};
	for (size_t i = 0; i < n; i++) {
		buf_printf(&list, "%s%s", i > 0 ? "," : "", s[i]);
	}
	put_text(r, list.data, HEADERS_MAX_BYTES);
}

void records_add_node(struct records *r, const struct merge_node *node)
{
	const Millrace__NodeStatus *n = node->status;
	start_row(r, 23);
	put_name(r, n->name);
	put_name(r, n->instance);
	put_name(r, n->pool);
	put_int2(r, (int)n->state);
	put_int4(r, n->slots);
	put_int4(r, n->used);
	put_list(r, n->capabilities, n->n_capabilities);
	put_list(r, n->types, n->n_types);
	put_name(r, n->model);
	put_name(r, n->host);
	put_int4(r, n->pid);
	put_name(r, n->version);
	put_float(r, n->cpu_percent);
	put_float(r, n->memory_percent);
	put_int8(r, n->rss_bytes);
	put_int8(r, n->completed);
	put_int8(r, n->failed);
	put_int8(r, (uint64_t)MAX_OF(n->busy_ms, 0));
	put_int4(r, n->weight);
	put(r, PG_BOOL, n->bridge ? "\1" : "\0", 1);
	put_headers(r, n->labels, n->n_labels);
	put_time(r, n->started_at);
	put_time(r, n->heartbeat_at);
	end_row(r);
}

void records_add_rejected(struct records *r, const struct rejected *x)
{
	start_row(r, 9);
	put_time(r, x->stored_wall_ns != 0 ? x->stored_wall_ns : 1000);
	put_int8(r, x->seq);
	put_int4(r, x->part);
	put_some_text(r, x->subject, NAME_MAX_BYTES);
	put_name(r, x->task_id);
	put_some_text(r, x->error, ERROR_MAX_BYTES);
	put_text(r, x->headers, HEADERS_MAX_BYTES);
	put_bytes(r, x->data, MIN_OF(x->data_len, (size_t)REJECTED_MAX_BYTES));
	put_int8(r, x->data_len);
	end_row(r);
}
