/*
 * What scalers did and how nodes do, asked. Apart from query.c, because the
 * rows here are few and are answered as the database tells them: each
 * statement makes one JSON text of the record's own keys, which the codec
 * reads and answers in the form that the request had.
 *
 * It goes well: one statement, one answer. It fails: a request that makes no
 * sense is 400, a database that is away 503. An answer that is larger than a
 * message may be has half of its events, the newest.
 *
 * A ping has a connection of its own and a deadline of its own: it tells of
 * the database, not of the questions that wait for it; a database that hangs
 * is told of in two seconds, too.
 */
#include "store/history_api.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "proto/api.pb-c.h"
#include "proto/scale.pb-c.h"
#include "common/request.h"

#define QUERY_TIMEOUT_MS 10000
#define PING_TIMEOUT_MS 2000
#define REPLY_ROOM_BYTES 4096u
#define HISTORY_DEFAULT 50u
#define ROWS_MAX 1000u

struct history_question {
	struct history_api *api;
	struct service_request *request; /* NULL: answered */
	bool protobuf;
	const ProtobufCMessageDescriptor *answer;
	int64_t since_mono_ns;
	struct timeout deadline; /* of a ping */
	struct history_question *prev, *next;
};

static struct history_question *open_question(struct history_api *api, struct service_request *r)
{
	struct history_question *x = xcalloc(1, sizeof(*x));
	x->api = api;
	x->request = r;
	x->protobuf = request_protobuf(service_message(r));
	x->since_mono_ns = clock_mono_ns();
	timeout_init(&x->deadline, bus_timeouts(api->bus));
	DL_APPEND(api->open, x);
	return x;
}

static void close_question(struct history_question *x)
{
	timeout_stop(&x->deadline);
	DL_DELETE(x->api->open, x); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	free(x);
}

static void refuse(struct history_question *x, const struct err *e)
{
	request_refuse(x->request, e);
	close_question(x);
}

/* ---- one JSON text ---- */

/* How many events the answer has, where it is one that may be too long; else NULL. */
static size_t *events_of(ProtobufCMessage *record)
{
	if (record->descriptor == &millrace__scale_history__descriptor) {
		return &((Millrace__ScaleHistory *)record)->n_events;
	}
	if (record->descriptor == &millrace__heal_history__descriptor) {
		return &((Millrace__HealHistory *)record)->n_events;
	}
	return NULL;
}

static void answer(struct history_question *x, ProtobufCMessage *record)
{
	CLEANUP(buf_release) struct buf out = {0};
	size_t *n = events_of(record), all = n != NULL ? *n : 0;
	size_t room = bus_max_payload(x->api->bus) - REPLY_ROOM_BYTES;
	request_encode(x->protobuf, record, &out);
	while (out.len > room && n != NULL && *n > 1) {
		*n /= 2;
		request_encode(x->protobuf, record, &out);
	}
	service_reply(x->request, x->protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
	if (n != NULL) {
		*n = all; /* to be freed */
	}
	codec_free(record);
	close_question(x);
}

static void on_told(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct history_question *x = data;
	ProtobufCMessage *record = NULL;
	struct err why;
	size_t len;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	const char *text = pg_get(rows[0], 0, 0, &len);
	if (codec_from_json_text(x->answer, text, len, CODEC_LENIENT, &record, &why) < 0) {
		refuse(x, &why);
		return;
	}
	answer(x, record);
}

static void ask(struct history_question *x, const char *sql, const struct pg_param *p, size_t n)
{
	struct err e;
	if (pg_query(x->api->pg, sql, p, n, QUERY_TIMEOUT_MS, on_told, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* ---- histories ---- */

/* A moment for codec: nanoseconds. */
#define NS(column) "(extract(epoch FROM " column ") * 1000000)::bigint * 1000"

static const char scale_sql[] =
	"SELECT json_build_object('events', COALESCE(json_agg(json_strip_nulls(row_to_json(q))), "
	"'[]')) "
	"FROM (SELECT id, " NS(
		"at") " AS at, epoch, scaler, pool, action, node, agent, from_nodes AS "
			  "\"from\", to_nodes AS \"to\", reason, waiting, oldest_s, arrival_per_s, "
			  "forecast_per_s, "
			  "service_s, utilization, wait_s FROM millrace.scale_events "
			  "WHERE ($1::text = '' OR pool = $1::text) AND ($2::text = '' OR action = $2::text) "
			  "AND ($3::timestamptz IS NULL OR scale_events.at >= $3) "
			  "AND ($4::timestamptz IS NULL OR scale_events.at < $4) "
			  "ORDER BY scale_events.at DESC, length(id) DESC, id DESC LIMIT $5::int8) AS q";

static const char heal_sql[] =
	"SELECT json_build_object('events', COALESCE(json_agg(json_strip_nulls(row_to_json(q))), "
	"'[]')) "
	"FROM (SELECT id, " NS(
		"at") " AS at, epoch, scaler, host, \"check\", level, subject, value, "
			  "limit_value AS \"limit\", action, result, reason, took_ms, asked_by AS by "
			  "FROM millrace.heal_events "
			  "WHERE ($2::text = '' OR action = $2::text) AND $1::text IS NOT NULL "
			  "AND ($3::timestamptz IS NULL OR heal_events.at >= $3) "
			  "AND ($4::timestamptz IS NULL OR heal_events.at < $4) "
			  "ORDER BY heal_events.at DESC, length(id) DESC, id DESC LIMIT $5::int8) AS q";

static struct pg_param moment(int64_t wall_ns, char text[32])
{
	if (wall_ns == 0) {
		return PG_ARG(NULL);
	}
	time_format(wall_ns, text);
	return PG_ARG(text);
}

static void tell_history(struct history_api *api, struct service_request *r,
						 const ProtobufCMessageDescriptor *d, const char *sql)
{
	struct history_question *x = open_question(api, r);
	ProtobufCMessage *record = NULL;
	struct err e;
	x->answer = d;
	if (request_read(service_message(r), &millrace__history_get__descriptor, &record, &e) < 0) {
		refuse(x, &e);
		return;
	}
	const Millrace__HistoryGet *get = (Millrace__HistoryGet *)record;
	char after[32], before[32], limit[24];
	uint32_t rows = get->limit != 0 ? MIN_OF(get->limit, ROWS_MAX) : HISTORY_DEFAULT;
	snprintf(limit, sizeof(limit), "%u", rows);
	const struct pg_param p[] = {PG_ARG(get->pool), PG_ARG(get->action),
								 moment(get->after_at, after), moment(get->before_at, before),
								 PG_ARG(limit)};
	ask(x, sql, p, ARRAY_LEN(p));
	codec_free(record);
}

static void on_scale_history(void *data, struct service_request *r)
{
	tell_history(data, r, &millrace__scale_history__descriptor, scale_sql);
}

static void on_heal_history(void *data, struct service_request *r)
{
	tell_history(data, r, &millrace__heal_history__descriptor, heal_sql);
}

/* ---- performance ---- */

static const char performance_sql[] =
	"SELECT json_build_object('nodes', (SELECT "
	"COALESCE(json_agg(json_strip_nulls(row_to_json(q))), "
	"'[]') FROM (SELECT name, pool, status AS state, completed, failed, success_rate, "
	"average_duration_ms AS avg_duration_ms, running, slots, cpu_percent, memory_percent, "
	"uptime_s, " NS(
		"last_heartbeat") " AS last_seen_at FROM millrace.v_worker_performance "
						  "WHERE ($1::text = '' OR name = $1::text) AND ($2::text = '' OR pool = "
						  "$2::text) "
						  "AND ($4::bool OR $1::text <> '' OR status NOT IN ('stopped', 'lost')) "
						  "ORDER BY name LIMIT $5::int8) AS q), "
						  "'agents', (SELECT COALESCE(json_agg(json_strip_nulls(row_to_json(q))), "
						  "'[]') "
						  "FROM (SELECT agent_id, role AS role_type, node, pool, project AS "
						  "project_id, state, completed, "
						  "failed, success_rate, " NS("started_at") " AS started_at, " NS(
							  "last_active_at") " AS last_active_at, " NS("heartbeat_at") " AS "
																						  "heartbea"
																						  "t_at "
																						  "FROM "
																						  "millrace"
																						  ".v_"
																						  "agents "
																						  "WHERE "
																						  "$3::"
																						  "bool "
																						  "AND "
																						  "($1::"
																						  "text = "
																						  "'' OR "
																						  "node = "
																						  "$1::"
																						  "text) "
																						  "AND "
																						  "($2::"
																						  "text = "
																						  "'' OR "
																						  "pool = "
																						  "$2::"
																						  "text) "
																						  "AND "
																						  "($4::"
																						  "bool OR "
																						  "state "
																						  "NOT IN "
																						  "('gone',"
																						  " 'lost')"
																						  ") "
																						  "ORDER "
																						  "BY "
																						  "node, "
																						  "agent_"
																						  "id "
																						  "LIMIT "
																						  "$5::"
																						  "int8) "
																						  "AS q))";

static void on_performance(void *data, struct service_request *r)
{
	struct history_question *x = open_question(data, r);
	ProtobufCMessage *record = NULL;
	struct err e;
	x->answer = &millrace__performance__descriptor;
	if (request_read(service_message(r), &millrace__performance_get__descriptor, &record, &e) < 0) {
		refuse(x, &e);
		return;
	}
	const Millrace__PerformanceGet *get = (Millrace__PerformanceGet *)record;
	char limit[24];
	snprintf(limit, sizeof(limit), "%u", get->limit != 0 ? MIN_OF(get->limit, ROWS_MAX) : ROWS_MAX);
	const struct pg_param p[] = {PG_ARG(get->name), PG_ARG(get->pool),
								 PG_ARG(get->agents ? "t" : "f"), PG_ARG(get->all ? "t" : "f"),
								 PG_ARG(limit)};
	ask(x, performance_sql, p, ARRAY_LEN(p));
	codec_free(record);
}

/* ---- ping ---- */

static void pinged(struct history_question *x, const struct err *e)
{
	struct service_request *r = TAKE(x->request);
	if (e != NULL) {
		service_fail(r, 503, "the database does not answer: %s", e->text);
		return;
	}
	Millrace__StorePing p = MILLRACE__STORE_PING__INIT;
	p.ok = p.database = true;
	p.took_ms = (double)(clock_mono_ns() - x->since_mono_ns) / 1e6;
	request_answer_as(r, x->protobuf, &p.base);
}

static void on_ping_deadline(struct timeout *t)
{
	struct history_question *x = container_of(t, struct history_question, deadline);
	struct err e;
	err_set(&e, ERR_TIMEOUT, "silent for %d ms", PING_TIMEOUT_MS);
	pinged(x, &e); /* x goes when the connection is given up */
}

static void on_pong(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct history_question *x = data;
	(void)rows;
	(void)n;
	if (x->request != NULL) {
		pinged(x, e);
	}
	close_question(x);
}

static void on_ping(void *data, struct service_request *r)
{
	struct history_api *api = data;
	struct history_question *x = open_question(api, r);
	struct err e;
	if (pg_query(api->pinging, "SELECT 1", NULL, 0, PING_TIMEOUT_MS, on_pong, x, &e) < 0) {
		const struct err *why = pg_why_down(api->pinging);
		pinged(x, e.code == ERR_UNREACHABLE && why->code != 0 ? why : &e);
		close_question(x);
		return;
	}
	timeout_start(&x->deadline, PING_TIMEOUT_MS, on_ping_deadline);
}

/* ---- the owner's side ---- */

void history_api_endpoints(struct history_api *api, struct service_endpoint ret[HISTORY_ENDPOINTS])
{
	ret[0] = (struct service_endpoint){"scaler-history", "api.scaler.history", NULL,
									   on_scale_history, api};
	ret[1] =
		(struct service_endpoint){"heal-history", "api.heal.history", NULL, on_heal_history, api};
	ret[2] = (struct service_endpoint){"node-performance", "api.node.performance", NULL,
									   on_performance, api};
	ret[3] = (struct service_endpoint){"store-ping", "api.store.ping", NULL, on_ping, api};
}

void history_api_release(struct history_api *api)
{
	while (api->open != NULL) {
		close_question(api->open);
	}
}
