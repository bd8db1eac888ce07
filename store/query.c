/*
 * api.task.*: answers from PostgreSQL. It stands alone beside ingest, on a
 * connection of its own, so that a slow question delays no event.
 *
 * It goes well: the request is read (a bare id, JSON or protobuf), becomes one
 * batch of statements, and its rows become the answer, in the form that the
 * request had. It fails: a request that makes no sense is 400, an absent task
 * 404, a database that is away or overloaded 503, one that takes too long 504.
 * An answer larger than a message may be is cut: a page ends earlier (its
 * cursor goes on). One task alone: task_get.c.
 */
#include "store/query.h"

#include <utlist.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/service.h"
#include "common/token.h"
#include "store/control.h"
#include "common/request.h"
#include "store/task_get.h"
#include "store/task_select.h"

#define QUERY_TIMEOUT_MS 10000
#define REPLY_ROOM_BYTES 4096u /* of max_payload, for headers */

struct query {
	struct bus *bus;
	struct pg *pg;
	struct service *service;
	struct control *control;
	struct task_gets gets;
	struct question *open; /* those under way */
};

/* A request under way. */
struct question {
	struct query *q;
	struct service_request *request;
	bool protobuf;  /* the answer's form */
	unsigned limit; /* of a page */
	struct question *prev, *next;
};

/* ---- answering ---- */

static size_t room(const struct question *x)
{
	return bus_max_payload(x->q->bus) - REPLY_ROOM_BYTES;
}

static void encode(const struct question *x, const ProtobufCMessage *record, struct buf *out)
{
	request_encode(x->protobuf, record, out);
}

static void answer(struct question *x, const struct buf *b)
{
	service_reply(x->request, x->protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, b->data, b->len);
}

static struct question *open_question(struct query *q, struct service_request *r)
{
	struct question *x = xcalloc(1, sizeof(*x));
	x->q = q;
	x->request = r;
	x->protobuf = request_protobuf(service_message(r));
	DL_APPEND(q->open, x);
	return x;
}

static void close_question(struct question *x)
{
	DL_DELETE(x->q->open, x); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	free(x);
}

static void refuse(struct question *x, const struct err *e)
{
	service_fail(x->request, request_code(e->code), "%s", e->text);
	close_question(x);
}

static void on_get(void *data, struct service_request *r)
{
	task_gets_ask(&((struct query *)data)->gets, r);
}

/* ---- api.task.list ---- */

static void on_page(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct question *x = data;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	struct arena a = {0};
	CLEANUP(buf_release) struct buf out = {0};
	size_t sent = pg_nrows(rows[0]), found = task_page_found(rows[0]);
	Millrace__Task *tasks = arena_alloc(&a, (sent + 1) * sizeof(*tasks));
	Millrace__Task **list = arena_alloc(&a, (sent + 1) * sizeof(Millrace__Task *));
	for (size_t i = 0; i < sent; i++) {
		task_from_row(rows[0], i, &a, &tasks[i]);
		list[i] = &tasks[i];
	}
	Millrace__TaskPage page = MILLRACE__TASK_PAGE__INIT;
	page.tasks = list;
	page.n_tasks = MIN_OF(sent, (size_t)x->limit);
	for (;;) {
		bool more = page.n_tasks < found;
		page.next_cursor = more ? task_cursor(list[page.n_tasks - 1], &a)
								: (char *)(uintptr_t)protobuf_c_empty_string;
		encode(x, &page.base, &out);
		if (out.len <= room(x)) {
			break;
		}
		if (page.n_tasks > 1) {
			page.n_tasks /= 2;
		} else if (list[0]->body.len > 0) {
			list[0]->body.len = 0;
		} else if (list[0]->result.len > 0) {
			list[0]->result.len = 0;
		} else {
			break;
		}
	}
	answer(x, &out);
	arena_release(&a);
	close_question(x);
}

static void on_list(void *data, struct service_request *r)
{
	struct question *x = open_question(data, r);
	ProtobufCMessage *record = NULL;
	struct task_select s = {0};
	struct err e;
	int rc = request_read(service_message(r), &millrace__task_list__descriptor, &record, &e);
	if (rc == 0) {
		rc = task_select_page(&s, (Millrace__TaskList *)record, room(x), &e);
	}
	if (rc == 0) {
		x->limit = s.limit;
		rc = pg_query(x->q->pg, s.sql.data, s.params, s.nparams, QUERY_TIMEOUT_MS, on_page, x, &e);
	}
	if (rc < 0) {
		refuse(x, &e);
	}
	task_select_release(&s);
	codec_free(record);
}

/* ---- api.task.stats ---- */

static void add_count(Millrace__TypeStats *t, Millrace__State state, uint64_t n)
{
	switch (state) {
	case MILLRACE__STATE__STATE_SCHEDULED:
		t->scheduled += n;
		return;
	case MILLRACE__STATE__STATE_QUEUED:
		t->queued += n;
		return;
	case MILLRACE__STATE__STATE_RUNNING:
		t->running += n;
		return;
	case MILLRACE__STATE__STATE_COMPLETED:
		t->completed += n;
		return;
	case MILLRACE__STATE__STATE_DEAD:
		t->dead += n;
		return;
	case MILLRACE__STATE__STATE_CANCELLED:
		t->cancelled += n;
		return;
	case MILLRACE__STATE__STATE_NONE:
	case _MILLRACE__STATE_IS_INT_SIZE:
		return;
	}
}

/* Rows are sorted by type. */
static void on_counts(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct question *x = data;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	struct arena a = {0};
	CLEANUP(buf_release) struct buf out = {0};
	size_t found = pg_nrows(rows[0]);
	Millrace__Stats stats = MILLRACE__STATS__INIT;
	stats.retrying = (uint64_t)pg_get_int(rows[1], 0, 0);
	Millrace__TypeStats total = MILLRACE__TYPE_STATS__INIT;
	stats.total = &total;
	stats.types = arena_alloc(&a, (found + 1) * sizeof(Millrace__TypeStats *));
	for (size_t i = 0; i < found; i++) {
		const char *type = pg_get(rows[0], i, 0, NULL);
		Millrace__State state = (Millrace__State)pg_get_int(rows[0], i, 1);
		uint64_t count = (uint64_t)MAX_OF(pg_get_int(rows[0], i, 2), 0);
		if (stats.n_types == 0 || !str_eq(stats.types[stats.n_types - 1]->type, type)) {
			Millrace__TypeStats *t = arena_alloc(&a, sizeof(*t));
			millrace__type_stats__init(t);
			t->type = arena_strdup(&a, type);
			stats.types[stats.n_types++] = t;
		}
		add_count(stats.types[stats.n_types - 1], state, count);
		add_count(&total, state, count);
	}
	encode(x, &stats.base, &out);
	if (out.len > room(x)) { /* thousands of types: the sum is what fits */
		stats.n_types = 0;
		encode(x, &stats.base, &out);
	}
	answer(x, &out);
	arena_release(&a);
	close_question(x);
}

static void on_stats(void *data, struct service_request *r)
{
	struct question *x = open_question(data, r);
	ProtobufCMessage *record = NULL;
	struct err e;
	int rc = request_read(service_message(r), &millrace__stats_get__descriptor, &record, &e);
	if (rc == 0) {
		const char *type = ((Millrace__StatsGet *)record)->type;
		struct pg_param p = PG_ARG(type);
		struct pg_statement both[] = {
			{"SELECT type, state, sum(n)::int8 FROM millrace.task_counts "
			 "WHERE $1::text = '' OR type = $1::text GROUP BY type, state ORDER BY type, state",
			 &p, 1},
			{"SELECT count(*) FROM (SELECT 1 FROM millrace.tasks WHERE state = 1 AND attempt > 1 "
			 "AND ($1::text = '' OR type = $1::text) LIMIT 100000) AS t",
			 &p, 1}};
		rc = pg_run(x->q->pg, both, ARRAY_LEN(both), QUERY_TIMEOUT_MS, on_counts, x, &e);
	}
	if (rc < 0) {
		refuse(x, &e);
	}
	codec_free(record);
}

/* ---- api.lane.scheduled ---- */

static void on_scheduled_counts(void *data, const struct pg_rows *rows, size_t n,
								const struct err *e)
{
	struct question *x = data;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	struct arena a = {0};
	CLEANUP(buf_release) struct buf out = {0};
	Millrace__LanePage page = MILLRACE__LANE_PAGE__INIT;
	page.n_lanes = pg_nrows(rows[0]);
	page.lanes = arena_alloc(&a, (page.n_lanes + 1) * sizeof(Millrace__Lane *));
	for (size_t i = 0; i < page.n_lanes; i++) {
		Millrace__Lane *lane = arena_alloc(&a, sizeof(*lane));
		millrace__lane__init(lane);
		lane->name = arena_strdup(&a, pg_get(rows[0], i, 0, NULL));
		lane->scheduled = (uint64_t)pg_get_int(rows[0], i, 1);
		page.lanes[i] = lane;
	}
	encode(x, &page.base, &out);
	answer(x, &out);
	arena_release(&a);
	close_question(x);
}

/* What waits in DELAYED lies there by time; by lane only the rows know it. */
static void on_scheduled(void *data, struct service_request *r)
{
	struct question *x = open_question(data, r);
	struct err e;
	if (pg_query(x->q->pg,
				 "SELECT lane, count(*) FROM millrace.tasks WHERE state = 1 AND lane IS NOT NULL "
				 "GROUP BY lane ORDER BY lane LIMIT 10000",
				 NULL, 0, QUERY_TIMEOUT_MS, on_scheduled_counts, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* ---- the service ---- */

static void on_cancel(void *data, struct service_request *r)
{
	control_cancel(((struct query *)data)->control, r);
}

static void on_reassign(void *data, struct service_request *r)
{
	control_reassign(((struct query *)data)->control, r);
}

static void on_retry(void *data, struct service_request *r)
{
	control_retry(((struct query *)data)->control, r);
}

static void on_claim(void *data, struct service_request *r)
{
	control_claim(((struct query *)data)->control, r);
}

int query_open(struct bus *bus, struct pg *pg, struct control *control,
			   const struct service_endpoint *more, size_t nmore, struct query **ret, struct err *e)
{
	static const struct service_endpoint endpoints[] = {
		{"task-get", "api.task.get", NULL, on_get},
		{"task-list", "api.task.list", NULL, on_list},
		{"task-stats", "api.task.stats", NULL, on_stats},
		{"task-cancel", "api.task.cancel", NULL, on_cancel},
		{"task-reassign", "api.task.reassign", NULL, on_reassign},
		{"task-retry", "api.task.retry", NULL, on_retry},
		{"task-claim", "api.task.claim", NULL, on_claim},
		{"lane-scheduled", "api.lane.scheduled", NULL, on_scheduled},
	};
	struct query *q = xcalloc(1, sizeof(*q));
	CLEANUP(free_ptr)
	struct service_endpoint *all = xcalloc(ARRAY_LEN(endpoints) + nmore, sizeof(*all));
	memcpy(all, endpoints, sizeof(endpoints));
	if (nmore > 0) {
		memcpy(all + ARRAY_LEN(endpoints), more, nmore * sizeof(*all));
	}
	q->bus = bus;
	q->pg = pg;
	q->control = control;
	q->gets = (struct task_gets){.bus = bus, .pg = pg};
	int rc =
		service_open(bus, "millrace-store",
					 "stores events in PostgreSQL and answers api.task.*, api.audit.*, api.state.*, "
					 "api.lock.*, histories",
					 NULL, all, ARRAY_LEN(endpoints) + nmore, q, &q->service, e);
	if (rc < 0) {
		free(q);
		return rc;
	}
	*ret = q;
	return 0;
}

void query_close(struct query **qp)
{
	struct query *q = TAKE(*qp);
	if (q != NULL) {
		service_close(&q->service);
		while (q->open != NULL) {
			close_question(q->open);
		}
		task_gets_release(&q->gets);
		free(q);
	}
}
