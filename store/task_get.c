/*
 * api.task.get. It stands alone because it is what every waiting client asks
 * the moment a task has ended: a thousand a second, and planning a statement
 * costs PostgreSQL more than a row (behind a pooler there are no prepared
 * ones). So one statement is under way at a time, and whoever asks meanwhile
 * is in the next: alone when it is quiet, many together when it is not.
 *
 * Fails as api.task.list does; over WAITING_MAX further questions are 503.
 */
#include "store/task_get.h"

#include <stdio.h>

#include <utlist.h>

#include "common/codec.h"
#include "common/request.h"
#include "common/token.h"
#include "proto/api.pb-c.h"
#include "store/task_select.h"

#define TOGETHER_MAX 32u /* each may have a body and a result of a megabyte */
#define WAITING_MAX 10000u
#define TIMEOUT_MS 10000
#define REPLY_ROOM_BYTES 4096u /* of max_payload, for headers */

struct get {
	struct service_request *request;
	bool protobuf;
	char id[TASK_ID_MAX + 1];
	struct get *prev, *next;
};

/* In any of its forms; *ret_id holds TASK_ID_MAX + 1. */
static int read_id(const struct bus_msg *m, char *ret_id, struct err *e)
{
	ProtobufCMessage *record = NULL;

	if (request_bare_id(m, ret_id))
		return 0;
	int rc = request_read(m, &millrace__task_get__descriptor, &record, e);
	if (rc == 0) {
		const char *id = ((Millrace__TaskGet *)record)->id;

		rc = task_id_check(id, e);
		if (rc == 0)
			memcpy(ret_id, id, strlen(id) + 1);
	}
	codec_free(record);
	return rc;
}

/* What does not fit into a message is left out: the body, the result, then the older attempts. */
static void answer(const struct task_gets *g, const struct get *x, Millrace__Task *t)
{
	CLEANUP(buf_release) struct buf out = {0};
	size_t room = bus_max_payload(g->bus) - REPLY_ROOM_BYTES;

	request_encode(x->protobuf, &t->base, &out);
	if (out.len > room) {
		t->body.len = 0;
		request_encode(x->protobuf, &t->base, &out);
	}
	if (out.len > room) {
		t->result.len = 0;
		request_encode(x->protobuf, &t->base, &out);
	}
	while (out.len > room && t->n_history > 0) { /* the newest attempts tell most */
		size_t old = (t->n_history + 1) / 2;

		t->history += old;
		t->n_history -= old;
		request_encode(x->protobuf, &t->base, &out);
	}
	service_reply(x->request, x->protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
}

static void answer_one(const struct task_gets *g, const struct get *x, const struct pg_rows *rows)
{
	struct arena a = {0};
	Millrace__Task t;
	size_t row = task_row_of(rows[0], x->id);

	if (row == pg_nrows(rows[0])) {
		service_fail(x->request, 404, "no such task is stored");
		return;
	}
	task_from_row(rows[0], row, &a, &t);
	task_add_history(rows[1], &a, &t);
	answer(g, x, &t);
	arena_release(&a);
}

static void start(struct task_gets *g);

static void on_rows(void *data, const struct pg_rows *rows, size_t n UNUSED, const struct err *e)
{
	struct task_gets *g = data;
	struct get *x, *next;

	DL_FOREACH_SAFE (g->asked, x, next) {
		DL_DELETE(g->asked, x);
		if (e)
			request_refuse(x->request, e);
		else
			answer_one(g, x, rows);
		free(x);
	}
	start(g);
}

static void take_some(struct task_gets *g, struct pg_array *ids)
{
	for (unsigned i = 0; i < TOGETHER_MAX && g->waiting; i++) {
		struct get *x = g->waiting;

		DL_DELETE(g->waiting, x);
		g->nwaiting--;
		DL_APPEND(g->asked, x);
		pg_array_text(ids, x->id);
	}
}

static void start(struct task_gets *g)
{
	while (!g->asked && g->waiting) {
		CLEANUP(pg_array_release) struct pg_array ids = {.type = PG_TEXT};
		struct task_select s = {0};
		struct err e;
		struct get *x, *next;

		take_some(g, &ids);
		task_select_some(&s, &ids);
		struct pg_param param = pg_array_param(&ids);
		struct pg_statement both[] = {{s.sql.data, s.params, s.nparams},
									  {task_history_sql, &param, 1}};
		int rc = pg_run(g->pg, both, ARRAY_LEN(both), TIMEOUT_MS, on_rows, g, &e);
		task_select_release(&s);
		if (rc == 0)
			return;
		DL_FOREACH_SAFE (g->asked, x, next) {
			DL_DELETE(g->asked, x);
			request_refuse(x->request, &e);
			free(x);
		}
	}
}

void task_gets_ask(struct task_gets *g, struct service_request *r)
{
	struct get *x = xcalloc(1, sizeof(*x));
	struct err e;

	x->request = r;
	x->protobuf = request_protobuf(service_message(r));
	int rc = read_id(service_message(r), x->id, &e);
	if (rc == 0 && g->nwaiting >= WAITING_MAX)
		rc = err_set(&e, ERR_FULL, "%u questions wait already", WAITING_MAX);
	if (rc) {
		request_refuse(r, &e);
		free(x);
		return;
	}
	DL_APPEND(g->waiting, x);
	g->nwaiting++;
	start(g);
}

void task_gets_release(struct task_gets *g)
{
	struct get *x, *next;

	DL_FOREACH_SAFE (g->asked, x, next)
		free(x);
	DL_FOREACH_SAFE (g->waiting, x, next)
		free(x);
	g->asked = g->waiting = NULL;
}
