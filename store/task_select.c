/*
 * From a request about tasks to SQL, and from its rows to records. It stands
 * alone, without bus and loop, so that what filters and cursors mean is in
 * one place. What a client says never becomes SQL text: only parameters.
 */
#include "store/task_select.h"

#include <errno.h>
#include <inttypes.h>
#include <math.h>
#include <stdio.h>

#include <jansson.h>

#include "common/clock.h"
#include "common/token.h"

enum column {
	C_ID,
	C_TYPE,
	C_STATE,
	C_ATTEMPT,
	C_ATTEMPTS,
	C_LANE,
	C_NODE,
	C_PRIORITY,
	C_SUBMITTED,
	C_QUEUED,
	C_DUE,
	C_STARTED,
	C_FINISHED,
	C_RESULT,
	C_RESULT_TYPE,
	C_ERROR,
	C_REASON,
	C_PROJECT,
	C_BODY_BYTES,
	C_BODY,
	C_HEADERS,
	C_EPOCH,
	C_FINGERPRINT,
	C_DEAD_SEQ,
	C_RETRY_OF,
	C_RETRIED_AS,
	C_RESULT_EXPIRED,
	C_RESULT_OBJECT,
	C_RESULT_BYTES,
	C_FOUND, /* of a page alone */
};

static const char columns[] = "SELECT id, type, state, attempt, attempts, lane, node, priority, "
							  "submitted_at, queued_at, due_at, "
							  "started_at, finished_at, %s, result_type, error, reason, project, "
							  "body_bytes, %s, headers, epoch, fingerprint, dead_seq, retry_of, retried_as, "
							  "result_expired_at IS NOT NULL, result_object, result_bytes";

/* Rows of a page that lie behind so many bytes are not sent, but counted: a thousand tasks with a
 * megabyte each would be more than we may hold. Lengths are told without reading the values. */
static const char sized[] =
	", found FROM (SELECT *, count(*) OVER () AS found, COALESCE(sum(size) OVER (ORDER BY "
	"submitted_at DESC, id DESC ROWS BETWEEN UNBOUNDED PRECEDING AND 1 PRECEDING), 0) AS before "
	"FROM (SELECT *, COALESCE(octet_length(headers), 0) + COALESCE(octet_length(error), 0)%s AS "
	"size FROM millrace.tasks WHERE true";
static const char size_of_bodies[] =
	" + COALESCE(octet_length(body), 0) + COALESCE(octet_length(result), 0)";

const char task_history_sql[] =
	"SELECT attempt, node, outcome, reason, error, started_at, finished_at, id FROM unnest($1::text[]) AS asked(id), "
	"LATERAL (SELECT attempt, node, outcome, reason, error, started_at, finished_at FROM "
	"millrace.attempts WHERE task_id = asked.id ORDER BY attempt DESC LIMIT 1000) AS newest "
	"ORDER BY attempt";
#define HISTORY_ID 7

/* ---- statements ---- */

static void add_param(struct task_select *s, const char *condition, struct pg_param p)
{
	s->params[s->nparams++] = p;
	buf_printf(&s->sql, " AND ");
	for (const char *at = condition; *at != '\0'; at++) {
		if (*at == '?') {
			buf_printf(&s->sql, "$%zu", s->nparams);
		} else {
			buf_add(&s->sql, at, 1);
		}
	}
}

static void add_text(struct task_select *s, const char *condition, const char *value)
{
	if (value[0] != '\0') {
		add_param(s, condition, PG_ARG(arena_strdup(&s->arena, value)));
	}
}

static char *time_text(struct task_select *s, int64_t wall_ns)
{
	char text[32];
	time_format(wall_ns, text);
	return arena_strdup(&s->arena, text);
}

void task_select_some(struct task_select *s, struct pg_array *ids)
{
	buf_printf(&s->sql, columns, "result", "body");
	buf_add_str(&s->sql, " FROM millrace.tasks WHERE true");
	add_param(s, "id = ANY(?::text[])", pg_array_param(ids));
}

size_t task_row_of(struct pg_rows rows, const char *id)
{
	size_t n = pg_nrows(rows), row = 0;

	while (row < n && !str_eq(pg_get(rows, row, C_ID, NULL), id))
		row++;
	return row;
}

static int add_states(struct task_select *s, const Millrace__TaskList *list, struct err *e)
{
	if (list->n_states == 0) {
		return 0;
	}
	bool all_open = true;
	s->states.type = PG_INT2;
	for (size_t i = 0; i < list->n_states; i++) {
		int state = (int)list->states[i];
		if (state < MILLRACE__STATE__STATE_SCHEDULED || state > MILLRACE__STATE__STATE_CANCELLED ||
			i > 16) {
			return err_set(e, ERR_INVALID, "states: there is no state %d", state);
		}
		all_open = all_open && state < MILLRACE__STATE__STATE_COMPLETED;
		pg_array_int(&s->states, state);
	}
	if (all_open) { /* said so that the small index on what is open serves */
		buf_printf(&s->sql, " AND state < 4");
	}
	add_param(s, "state = ANY(?)", pg_array_param(&s->states));
	return 0;
}

static int add_cursor(struct task_select *s, const char *cursor, struct err *e)
{
	if (cursor[0] == '\0') {
		return 0;
	}
	char *end;
	errno = 0;
	int64_t us = strtoll(cursor, &end, 10);
	if (errno != 0 || end == cursor || *end != '_' || us > INT64_MAX / 1000 || us < 0 ||
		!task_id_ok(end + 1, strlen(end + 1))) {
		return err_set(e, ERR_INVALID, "cursor: it is not one of a page before");
	}
	s->params[s->nparams++] = PG_ARG(time_text(s, us * 1000));
	s->params[s->nparams++] = PG_ARG(arena_strdup(&s->arena, end + 1));
	buf_printf(&s->sql, " AND (submitted_at, id) < ($%zu::timestamptz, $%zu::text)", s->nparams - 1,
			   s->nparams);
	return 0;
}

int task_select_page(struct task_select *s, const Millrace__TaskList *list, size_t room_bytes,
					 struct err *e)
{
	if (list->limit > TASK_LIST_MAX) {
		return err_set(e, ERR_INVALID, "limit: at most %u", TASK_LIST_MAX);
	}
	s->limit = list->limit == 0 ? TASK_LIST_DEFAULT : list->limit;
	buf_printf(&s->sql, columns, list->with_body ? "result" : "NULL::bytea",
			   list->with_body ? "body" : "NULL::bytea");
	buf_printf(&s->sql, sized, list->with_body ? size_of_bodies : "");
	int rc = add_states(s, list, e);
	if (rc == 0) {
		rc = add_cursor(s, list->cursor, e);
	}
	if (rc < 0) {
		return rc;
	}
	add_text(s, "type = ?::text", list->type);
	add_text(s, "lane = ?::text", list->lane);
	add_text(s, "node = ?::text", list->node);
	add_text(s, "project = ?::text", list->project);
	if (list->after_at != 0) {
		add_param(s, "submitted_at >= ?::timestamptz", PG_ARG(time_text(s, list->after_at)));
	}
	if (list->before_at != 0) {
		add_param(s, "submitted_at < ?::timestamptz", PG_ARG(time_text(s, list->before_at)));
	}
	char room[24];
	snprintf(room, sizeof(room), "%zu", room_bytes);
	s->params[s->nparams++] = PG_ARG(arena_strdup(&s->arena, room));
	buf_printf(&s->sql,
			   " ORDER BY submitted_at DESC, id DESC LIMIT %u) AS page) AS sized "
			   "WHERE before < $%zu::bigint ORDER BY submitted_at DESC, id DESC",
			   s->limit + 1, s->nparams);
	return 0;
}

void task_select_release(struct task_select *s)
{
	buf_release(&s->sql);
	pg_array_release(&s->states);
	arena_release(&s->arena);
}

/* ---- rows ---- */

static char *text_of(struct pg_rows r, size_t row, size_t col, struct arena *a)
{
	size_t len;
	const char *p = pg_get(r, row, col, &len);
	return arena_memdup0(a, p, len);
}

static ProtobufCBinaryData bytes_of(struct pg_rows r, size_t row, size_t col)
{
	size_t len;
	const char *p = pg_get(r, row, col, &len);
	return (ProtobufCBinaryData){len, (uint8_t *)(uintptr_t)p};
}

/* Headers were written as a JSON object of strings. */
static void read_headers(const char *text, size_t len, struct arena *a, Millrace__Task *t)
{
	json_t *object = len > 0 ? json_loadb(text, len, 0, NULL) : NULL;
	if (json_is_object(object) && json_object_size(object) > 0) {
		t->headers = arena_alloc(a, json_object_size(object) * sizeof(Millrace__Header *));
		const char *name;
		json_t *value;
		json_object_foreach (object, name, value) {
			Millrace__Header *h = arena_alloc(a, sizeof(*h));
			millrace__header__init(h);
			h->name = arena_strdup(a, name);
			h->value = arena_strdup(a, json_is_string(value) ? json_string_value(value) : "");
			t->headers[t->n_headers++] = h;
		}
	}
	json_decref(object);
}

static double span_ms(int64_t from_wall_ns, int64_t to_wall_ns)
{
	return from_wall_ns != 0 && to_wall_ns != 0
			   ? (double)(to_wall_ns - from_wall_ns) / (double)NS_PER_MS
			   : NAN;
}

void task_from_row(struct pg_rows r, size_t row, struct arena *a, Millrace__Task *t)
{
	millrace__task__init(t);
	t->id = text_of(r, row, C_ID, a);
	t->type = text_of(r, row, C_TYPE, a);
	t->state = (Millrace__State)pg_get_int(r, row, C_STATE);
	t->attempt = (uint32_t)pg_get_int(r, row, C_ATTEMPT);
	t->attempts = (uint32_t)pg_get_int(r, row, C_ATTEMPTS);
	t->lane = text_of(r, row, C_LANE, a);
	t->node = text_of(r, row, C_NODE, a);
	t->priority = pg_null(r, row, C_PRIORITY) ? MILLRACE__PRIORITY__PRIORITY_NORMAL
											  : (Millrace__Priority)pg_get_int(r, row, C_PRIORITY);
	t->submitted_at = pg_get_time(r, row, C_SUBMITTED);
	t->queued_at = pg_get_time(r, row, C_QUEUED);
	t->due_at = pg_get_time(r, row, C_DUE);
	t->started_at = pg_get_time(r, row, C_STARTED);
	t->finished_at = pg_get_time(r, row, C_FINISHED);
	t->duration_ms = span_ms(t->started_at, t->finished_at);
	t->wait_ms = span_ms(t->submitted_at, t->started_at);
	t->result = bytes_of(r, row, C_RESULT);
	t->content_type = text_of(r, row, C_RESULT_TYPE, a);
	t->error = text_of(r, row, C_ERROR, a);
	t->reason = text_of(r, row, C_REASON, a);
	t->project = text_of(r, row, C_PROJECT, a);
	t->body_bytes = (uint64_t)pg_get_int(r, row, C_BODY_BYTES);
	t->body = bytes_of(r, row, C_BODY);
	t->epoch = (uint64_t)pg_get_int(r, row, C_EPOCH);
	t->fingerprint = text_of(r, row, C_FINGERPRINT, a);
	t->dead_seq = (uint64_t)pg_get_int(r, row, C_DEAD_SEQ);
	t->retry_of = text_of(r, row, C_RETRY_OF, a);
	t->retried_as = text_of(r, row, C_RETRIED_AS, a);
	t->result_expired = pg_get_int(r, row, C_RESULT_EXPIRED) != 0;
	t->result_object = text_of(r, row, C_RESULT_OBJECT, a);
	t->result_bytes = (uint64_t)pg_get_int(r, row, C_RESULT_BYTES);
	size_t len;
	const char *headers = pg_get(r, row, C_HEADERS, &len);
	read_headers(headers, len, a, t);
}

size_t task_page_found(struct pg_rows rows)
{
	return pg_nrows(rows) > 0 ? (size_t)pg_get_int(rows, 0, C_FOUND) : 0;
}

static const char *state_word(Millrace__State s)
{
	switch (s) {
	case MILLRACE__STATE__STATE_RUNNING:
		return "running";
	case MILLRACE__STATE__STATE_COMPLETED:
		return "completed";
	case MILLRACE__STATE__STATE_DEAD:
		return "dead";
	case MILLRACE__STATE__STATE_CANCELLED:
		return "cancelled";
	case MILLRACE__STATE__STATE_NONE:
	case MILLRACE__STATE__STATE_SCHEDULED:
	case MILLRACE__STATE__STATE_QUEUED:
	case _MILLRACE__STATE_IS_INT_SIZE:
		break;
	}
	return "";
}

static Millrace__Attempt *add_attempt(struct arena *a, Millrace__Task *t)
{
	Millrace__Attempt *x = arena_alloc(a, sizeof(*x));
	millrace__attempt__init(x);
	t->history[t->n_history++] = x;
	return x;
}

void task_add_history(struct pg_rows attempts, struct arena *a, Millrace__Task *task)
{
	size_t n = pg_nrows(attempts);
	task->history = arena_alloc(a, (n + 1) * sizeof(Millrace__Attempt *));
	bool last_is_there = task->node[0] == '\0';
	for (size_t row = 0; row < n; row++) {
		if (!str_eq(pg_get(attempts, row, HISTORY_ID, NULL), task->id)) {
			continue; /* of another that was asked for with it */
		}
		Millrace__Attempt *x = add_attempt(a, task);
		x->attempt = (uint32_t)pg_get_int(attempts, row, 0);
		x->node = text_of(attempts, row, 1, a);
		x->outcome = text_of(attempts, row, 2, a);
		x->reason = text_of(attempts, row, 3, a);
		x->error = text_of(attempts, row, 4, a);
		x->started_at = pg_get_time(attempts, row, 5);
		x->finished_at = pg_get_time(attempts, row, 6);
		last_is_there = last_is_there || x->attempt == task->attempt;
	}
	if (!last_is_there) {
		Millrace__Attempt *x = add_attempt(a, task);
		x->attempt = task->attempt;
		x->node = task->node;
		x->outcome = arena_strdup(a, state_word(task->state));
		x->reason = task->reason;
		x->error = task->error;
		x->started_at = task->started_at;
		x->finished_at = task->finished_at;
	}
}

char *task_cursor(const Millrace__Task *last, struct arena *a)
{
	char text[32 + TASK_ID_MAX];
	snprintf(text, sizeof(text), "%" PRId64 "_%s", last->submitted_at / 1000, last->id);
	return arena_strdup(a, text);
}
