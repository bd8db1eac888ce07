/*
 * api.task.retry: a task that has ended is run again, as a new task
 * <base>.r<n> made of the kept body and headers. It stands alone because it is
 * the one order that submits something.
 *
 * It goes well: millrace.begin_retry names the new task and links both, then
 * its body is published to tasks.<type> under that id; asked again while it
 * has not ended, the same id is the answer. It fails: the task has not ended
 * (409), its body was not kept or has expired (409, and where to find it), no
 * such task (404). A store that dies between naming and publishing leaves a
 * named task that is not stored: who asks again gets the same id, and it is
 * published then. Published twice, it is one task all the same.
 */
#include <inttypes.h>
#include <jansson.h>
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"
#include "control.pb-c.h"
#include "store/control_internal.h"
#include "common/request.h"

#define HEADERS_MAX 256u

struct retry {
	struct order order;
	char id[TASK_ID_MAX + 1], new_id[TASK_ID_MAX + 1];
	char by[CONTROL_BY_MAX + 1];
	bool reserve, known;
};

static void free_retry(struct order *o)
{
	free(container_of(o, struct retry, order));
}

static void refuse(struct retry *x, int code, const char *words)
{
	service_fail(TAKE(x->order.r), code, "%s", words);
	order_end(&x->order);
}

static void answer(struct retry *x)
{
	Millrace__TaskRetried a = MILLRACE__TASK_RETRIED__INIT;
	a.id = x->new_id;
	a.retry_of = x->id;
	a.again = x->known;
	order_answer(&x->order, &a.base);
}

/* ---- publishing ---- */

/* When it was to run, and how often it might, was said of the first one. */
static bool left_out(const char *name)
{
	static const char *const names[] = {H_TASK_ID,       H_TASK_DELAY,   H_TASK_AT,
										H_TASK_EXPIRES,  H_TASK_UNIQUE,  H_TASK_UNIQUE_FOR,
										H_TASK_RETRY_OF, H_TASK_REQUIRES};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(name, names[i]) == 0) {
			return true;
		}
	}
	return strncasecmp(name, "Nats-", 5) == 0;
}

struct list {
	struct bus_header items[HEADERS_MAX + 8];
	size_t n;
};

static void add(struct list *l, const char *name, const char *value)
{
	if (l->n < ARRAY_LEN(l->items)) {
		l->items[l->n++] = (struct bus_header){name, value};
	}
}

static void add_kept(struct list *l, const json_t *headers)
{
	const char *name;
	json_t *value;
	json_object_foreach ((json_t *)(uintptr_t)headers, name, value) {
		if (json_is_string(value) && !left_out(name) && l->n < HEADERS_MAX) {
			add(l, name, json_string_value(value));
		}
	}
}

static void requires_of(const struct lane *lane, char out[LANE_MAX + 1])
{
	size_t len = 0;
	out[0] = '\0';
	for (unsigned i = 0; i < lane->capabilities; i++) {
		len += (size_t)snprintf(out + len, LANE_MAX + 1 - len, "%s%s", i > 0 ? "," : "",
								lane->capability[i]);
	}
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct retry *x = data;
	(void)ack;
	if (e != NULL) {
		struct err why = *e;
		err_wrap(&why, "publish task %s", x->new_id);
		order_refuse(&x->order, &why);
		return;
	}
	log_info("retry", LOG_S("task", x->id), LOG_S("as", x->new_id), LOG_S("by", x->by));
	answer(x);
}

/* Columns: type, lane, headers, body, body_bytes, state, expired. */
static int publish(struct retry *x, struct pg_rows rows, struct err *e)
{
	struct list l = {.n = 0};
	struct lane lane;
	char requires[LANE_MAX + 1], subject[TOKEN_MAX + 8];
	size_t len, headers_len;
	const char *type = pg_get(rows, 0, 0, NULL), *headers = pg_get(rows, 0, 2, &headers_len),
			   *body = pg_get(rows, 0, 3, &len);
	if (lane_parse(pg_get(rows, 0, 1, NULL), &lane, e) < 0 || token_check("type", type, e) < 0) {
		e->code = ERR_CONFLICT;
		return err_wrap(e, "the task never had a lane");
	}
	json_t *kept = headers_len > 0 ? json_loadb(headers, headers_len, 0, NULL) : NULL;
	add(&l, H_TASK_ID, x->new_id);
	add(&l, H_MSG_ID, x->new_id);
	add(&l, H_TASK_RETRY_OF, x->id);
	requires_of(&lane, requires);
	if (requires[0] != '\0') {
		add(&l, H_TASK_REQUIRES, requires);
	}
	add_kept(&l, kept);
	snprintf(subject, sizeof(subject), "tasks.%s", type);
	struct bus_out out = {
		.subject = subject, .data = body, .len = len, .headers = l.items, .nheaders = l.n};
	int rc = js_publish(x->order.control->bus, &out, CONTROL_PUBLISH_MS, on_puback, x, e);
	json_decref(kept);
	return rc;
}

/* ---- naming ---- */

static void on_named(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct retry *x = data;
	struct err why;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	if (pg_null(rows[1], 0, 0)) {
		refuse(x, 404, "no such task is stored");
		return;
	}
	if (pg_null(rows[1], 0, 1)) {
		refuse(x, 409, "the task has not ended: there is nothing to retry; cancel it first");
		return;
	}
	snprintf(x->new_id, sizeof(x->new_id), "%s", pg_get(rows[1], 0, 1, NULL));
	x->known = pg_get_int(rows[1], 0, 2) != 0;
	if (x->known || x->reserve) {
		answer(x);
	} else if (publish(x, rows[0], &why) < 0) {
		if (why.code == ERR_CONFLICT) {
			refuse(x, 409, why.text);
		} else {
			order_refuse(&x->order, &why);
		}
	}
}

static int name(struct retry *x, struct err *e)
{
	struct pg_param id = PG_ARG(x->id);
	struct pg_statement both[] = {
		{"SELECT type, lane, headers, body FROM millrace.tasks WHERE id = $1", &id, 1},
		{"SELECT was, new_id, known FROM millrace.begin_retry($1)", &id, 1},
	};
	return pg_run(x->order.control->pg, both, ARRAY_LEN(both), CONTROL_QUERY_MS, on_named, x, e);
}

/* A body that is gone is told before anything is named. */
static void on_looked(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct retry *x = data;
	char words[300];
	struct err why;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	bool there = pg_nrows(rows[0]) > 0 && !x->reserve;
	if (there && pg_get_int(rows[0], 0, 0) >= MILLRACE__STATE__STATE_COMPLETED &&
		pg_get_int(rows[0], 0, 2) == 0) {
		bool dead = pg_get_int(rows[0], 0, 0) == MILLRACE__STATE__STATE_DEAD;
		bool expired = pg_get_int(rows[0], 0, 3) != 0;
		snprintf(words, sizeof(words), "its body%s%.20s%s was not kept (%s); %s",
				 pg_null(rows[0], 0, 1) ? "" : " of ",
				 pg_null(rows[0], 0, 1) ? "" : pg_get(rows[0], 0, 1, NULL),
				 pg_null(rows[0], 0, 1) ? "" : " bytes",
				 expired ? "its time was over: keep.results, Task-Result-Expires"
						 : "over record.body_max, or the task was refused before it was recorded",
				 dead ? "the dead letter has it: see stream DEAD, millrace dead replay --id"
					  : "submit it anew");
		refuse(x, 409, words);
		return;
	}
	if (name(x, &why) < 0) {
		order_refuse(&x->order, &why);
	}
}

static int begin(struct retry *x, struct err *e)
{
	struct pg_param id = PG_ARG(x->id);
	if (strlen(x->id) + strlen(".r999999999") > TASK_ID_MAX) {
		return err_set(e, ERR_INVALID, "id: it is too long for another with .r1 behind it");
	}
	return pg_query(
		x->order.control->pg,
		"SELECT state, body_bytes::text, body IS NOT NULL, result_expired_at IS NOT NULL "
		"FROM millrace.tasks WHERE id = $1",
		&id, 1, CONTROL_QUERY_MS, on_looked, x, e);
}

static int read_request(struct retry *x, const struct bus_msg *m, struct err *e)
{
	ProtobufCMessage *record = NULL;
	if (request_bare_id(m, x->id)) {
		return 0;
	}
	int rc = request_read(m, &millrace__task_retry__descriptor, &record, e);
	if (rc == 0) {
		const Millrace__TaskRetry *q = (const Millrace__TaskRetry *)record;
		rc = task_id_check(q->id, e);
		if (rc == 0) {
			snprintf(x->id, sizeof(x->id), "%s", q->id);
		}
		if (utf8_ok(q->by, strlen(q->by))) {
			snprintf(x->by, sizeof(x->by), "%.*s", CONTROL_BY_MAX, q->by);
		}
		x->reserve = q->reserve;
	}
	codec_free(record);
	return rc;
}

void control_retry(struct control *c, struct service_request *r)
{
	struct retry *x = xcalloc(1, sizeof(*x));
	struct err e;
	order_begin(c, &x->order, r, free_retry);
	int rc = read_request(x, service_message(r), &e);
	if (rc == 0) {
		rc = begin(x, &e);
	}
	if (rc < 0) {
		order_refuse(&x->order, &e);
	}
}
