/*
 * What the router knows, on request. Nodes come from the roster. Lanes are
 * read from the broker, whose counts are the truth: all streams on work.>,
 * page by page, then for those that hold anything their three consumers, to
 * tell what waits from what runs. One reading at a time: whoever asks while it
 * is under way gets its answer too, so that a dashboard's refresh costs the
 * broker the same for one viewer as for a hundred.
 */
#include "router/query.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "proto/api.pb-c.h"
#include "router/direct.h"
#include "router/directory.h"
#include "router/lanes.h"

#define ASKED_AT_ONCE 32 /* consumer lists under way */
#define WAITERS_MAX 1000

struct waiter {
	struct service_request *req;
	char lane[LANE_MAX + 1]; /* "": all */
	struct waiter *prev, *next;
};

/* A lane as it is being read; packed into the answer at the end. */
struct row {
	struct query *query;
	struct lane lane;
	uint64_t messages, bytes, limit, came, unacked, waiting[CLASS_COUNT];
	int64_t created_wall_ns, oldest_wall_ns;
};

struct query {
	struct router *router;
	struct waiter *waiters;
	size_t nwaiters;
	struct row **rows;
	size_t n, cap;
	size_t next; /* row whose consumers are asked for next */
	unsigned under_way;
	bool reading;
	struct err failed;
};

/* ---- nodes ---- */

static void fill_node(const struct router *r, const struct node_entry *n, int64_t now_mono_ms,
					  Millrace__Node *out)
{
	const Millrace__NodeStatus *s = n->status;

	millrace__node__init(out);
	out->name = (char *)n->name;
	out->pool = s->pool;
	out->state = (char *)node_state(n, now_mono_ms);
	out->slots = s->slots;
	out->used = s->used;
	out->n_capabilities = s->n_capabilities;
	out->capabilities = s->capabilities;
	out->n_types = s->n_types;
	out->types = s->types;
	out->heartbeat_age_s = (double)(now_mono_ms - n->seen_mono_ms) / 1000.0;
	out->host = s->host;
	out->pid = s->pid;
	out->version = s->version;
	out->cpu_percent = s->cpu_percent;
	out->memory_percent = s->memory_percent;
	out->completed = s->completed;
	out->failed = s->failed;
	out->started_at = s->started_at;
	out->bridge = s->bridge;
	out->n_labels = s->n_labels;
	out->labels = s->labels;
	out->direct = direct_waiting(r->direct, n->name);
}

static void reply_record(struct service_request *req, const ProtobufCMessage *m)
{
	CLEANUP(buf_release) struct buf text = {0};

	codec_to_json_text(m, CODEC_ALL, &text);
	service_reply(req, CONTENT_JSON, text.data, text.len);
}

void query_on_node_list(void *data, struct service_request *req)
{
	const struct router *r = data;
	int64_t now_ms = clock_mono_ms();
	Millrace__NodePage page = MILLRACE__NODE_PAGE__INIT;
	size_t n = 0;

	for (const struct node_entry *e = roster_first(r->roster); e; e = e->hh.next)
		n++;
	Millrace__Node *nodes = xcalloc(n ? n : 1, sizeof(*nodes)),
				   **ptrs = xcalloc(n ? n : 1, sizeof(*ptrs));
	for (const struct node_entry *e = roster_first(r->roster); e; e = e->hh.next) {
		fill_node(r, e, now_ms, &nodes[page.n_nodes]);
		ptrs[page.n_nodes] = &nodes[page.n_nodes];
		page.n_nodes++;
	}
	page.nodes = ptrs;
	reply_record(req, &page.base);
	free(nodes);
	free(ptrs);
}

/* The body: {"name":"x"}, a NodeGet or LaneGet record, or just the name. */
static int read_name(struct service_request *req, const ProtobufCMessageDescriptor *d, char *out,
					 size_t size, struct err *e)
{
	const struct bus_msg *m = service_message(req);
	const char *body = bus_msg_data(m), *type = bus_msg_header(m, "Content-Type");
	size_t len = bus_msg_len(m);
	ProtobufCMessage *record = NULL;

	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == ' '))
		len--;
	if (len > 0 && body[0] != '{' && (!type || !strstr(type, "protobuf"))) {
		snprintf(out, size, "%.*s", (int)MIN_OF(len, size), body);
		return 0;
	}
	if (codec_decode(d, type, body, len, &record, e))
		return e->code;
	/* Both records have the name as their only field. */
	snprintf(out, size, "%s", ((const Millrace__NodeGet *)record)->name);
	codec_free(record);
	return 0;
}

void query_on_node_get(void *data, struct service_request *req)
{
	const struct router *r = data;
	char name[LANE_MAX + 2];
	struct err e;
	Millrace__Node out;

	if (read_name(req, &millrace__node_get__descriptor, name, sizeof(name), &e)) {
		service_fail(req, 400, "%s", e.text);
		return;
	}
	const struct node_entry *n = roster_find(r->roster, name);
	if (!n) {
		service_fail(req, 404, "there is no node \"%s\"",
					 token_ok(name, strlen(name)) ? name : "of that name");
		return;
	}
	fill_node(r, n, clock_mono_ms(), &out);
	reply_record(req, &out.base);
}

/* ---- the answers about lanes ---- */

static void fill_lane(struct query *q, const struct row *row, char *requires[LANE_CAPABILITIES_MAX],
					  Millrace__Lane *out)
{
	const struct lane_entry *l = lanes_find(q->router->lanes, row->lane.name);

	millrace__lane__init(out);
	out->name = (char *)row->lane.name;
	out->type = (char *)row->lane.type;
	for (unsigned i = 0; i < row->lane.capabilities; i++)
		requires[i] = (char *)row->lane.capability[i];
	out->n_requires = row->lane.capabilities;
	out->requires = requires;
	out->running = row->unacked;
	out->queued = row->messages > row->unacked ? row->messages - row->unacked : 0;
	out->rate_per_s = l ? l->set.rate_per_s : 0;
	if (l) {
		out->paused = lane_setting_paused(&l->set, clock_wall_ns());
		out->reason = out->paused ? (char *)l->set.reason : out->reason;
		out->until_at = out->paused ? l->set.until_wall_ns : 0;
		out->concurrency = l->set.concurrency;
		out->key_concurrency = l->set.key_concurrency;
		out->purging = l->set.purge_upto != 0;
		out->purged = l->set.purged;
		out->purged_at = l->set.purged_wall_ns;
	}
	out->bytes = row->bytes;
	out->limit = row->limit;
	out->nodes = directory_serving(q->router, &row->lane);
	out->high = row->waiting[CLASS_HIGH];
	out->normal = row->waiting[CLASS_NORMAL];
	out->low = row->waiting[CLASS_LOW];
	out->created_at = row->created_wall_ns;
	out->oldest_at = row->oldest_wall_ns;
	out->came = row->came;
}

static void answer_one(struct query *q, const struct waiter *w)
{
	char *requires[LANE_CAPABILITIES_MAX];
	Millrace__Lane out;

	for (size_t i = 0; i < q->n; i++) {
		if (!str_eq(q->rows[i]->lane.name, w->lane))
			continue;
		fill_lane(q, q->rows[i], requires, &out);
		reply_record(w->req, &out.base);
		return;
	}
	service_fail(w->req, 404, "there is no lane \"%s\"", w->lane);
}

static void all_lanes(struct query *q, struct buf *text)
{
	Millrace__LanePage page = MILLRACE__LANE_PAGE__INIT;
	size_t n = q->n ? q->n : 1;
	Millrace__Lane *lanes = xcalloc(n, sizeof(*lanes)), **ptrs = xcalloc(n, sizeof(*ptrs));
	char *(*requires)[LANE_CAPABILITIES_MAX] = xcalloc(n, sizeof(*requires));

	for (size_t i = 0; i < q->n; i++) {
		fill_lane(q, q->rows[i], requires[i], &lanes[i]);
		ptrs[i] = &lanes[i];
	}
	page.n_lanes = q->n;
	page.lanes = ptrs;
	codec_to_json_text(&page.base, CODEC_ALL, text);
	free(requires);
	free(lanes);
	free(ptrs);
}

static void answer(struct query *q)
{
	CLEANUP(buf_release) struct buf text = {0};
	struct waiter *w, *tmp;

	DL_FOREACH_SAFE (q->waiters, w, tmp) {
		if (q->failed.code) {
			service_fail(w->req, 503, "%s", q->failed.text);
		} else if (w->lane[0]) {
			answer_one(q, w);
		} else {
			if (!text.len)
				all_lanes(q, &text);
			service_reply(w->req, CONTENT_JSON, text.data, text.len);
		}
		DL_DELETE(q->waiters, w);
		free(w);
	}
	q->nwaiters = 0;
	for (size_t i = 0; i < q->n; i++)
		free(q->rows[i]);
	q->n = 0;
	q->reading = false;
}

/* ---- reading them ---- */

static void ask_consumers(struct query *q);

static void note_failure(struct query *q, const struct err *e)
{
	if (!q->failed.code)
		q->failed = *e;
}

static void on_consumers(void *data, const json_t *reply, int server_code UNUSED,
						 const struct err *e)
{
	struct row *row = data;
	struct query *q = row->query;
	size_t i;
	json_t *c;

	q->under_way--;
	/* A lane that went meanwhile is shown as it was. */
	if (e && e->code != ERR_NOT_FOUND)
		note_failure(q, e);
	json_array_foreach (json_object_get(reply, "consumers"), i, c) {
		const char *name = json_string_value(json_object_get(c, "name"));
		uint64_t waiting = (uint64_t)json_integer_value(json_object_get(c, "num_pending"));
		row->unacked += (uint64_t)json_integer_value(json_object_get(c, "num_ack_pending"));
		for (int k = 0; name && k < CLASS_COUNT; k++) {
			if (str_eq(name, task_class_name((enum task_class)k)))
				row->waiting[k] = waiting;
		}
	}
	ask_consumers(q);
}

static void ask_consumers(struct query *q)
{
	struct err e;

	while (q->next < q->n && q->under_way < ASKED_AT_ONCE && !q->failed.code) {
		struct row *row = q->rows[q->next++];
		if (row->messages == 0)
			continue;
		CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.LIST.LANE_%s", row->lane.name);
		if (js_api(q->router->bus, verb, NULL, on_consumers, row, &e))
			note_failure(q, &e);
		else
			q->under_way++;
	}
	if (q->under_way == 0 && (q->next >= q->n || q->failed.code))
		answer(q);
}

static void add_row(struct query *q, const json_t *stream)
{
	const json_t *config = json_object_get(stream, "config"),
				 *state = json_object_get(stream, "state");
	const char *name = json_string_value(json_object_get(config, "name"));
	const char *created = json_string_value(json_object_get(stream, "created"));
	const char *oldest = json_string_value(json_object_get(state, "first_ts"));
	json_int_t limit = json_integer_value(json_object_get(config, "max_msgs"));
	struct lane lane;

	if (!name || strncmp(name, "LANE_", 5) != 0 || lane_parse(name + 5, &lane, NULL))
		return;
	if (q->n == q->cap) {
		q->cap = q->cap ? q->cap * 2 : 64;
		q->rows = xreallocarray(q->rows, q->cap, sizeof(struct row *));
	}
	struct row *row = xcalloc(1, sizeof(*row));
	row->query = q;
	row->lane = lane;
	row->messages = (uint64_t)json_integer_value(json_object_get(state, "messages"));
	row->bytes = (uint64_t)json_integer_value(json_object_get(state, "bytes"));
	row->came = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
	row->limit = limit > 0 ? (uint64_t)limit : 0;
	/* Of an empty stream it is the moment when it became empty. */
	if (row->messages == 0 || !oldest || time_parse(oldest, &row->oldest_wall_ns, NULL))
		row->oldest_wall_ns = 0;
	if (!created || time_parse(created, &row->created_wall_ns, NULL))
		row->created_wall_ns = 0;
	q->rows[q->n++] = row;
}

static void on_streams(void *data, const json_t *reply, int server_code UNUSED,
					   const struct err *e);

static void ask_streams(struct query *q, json_int_t offset)
{
	json_t *body = json_pack("{s:s, s:I}", "subject", "work.>", "offset", offset);
	struct err e;

	if (js_api(q->router->bus, "STREAM.LIST", body, on_streams, q, &e)) {
		note_failure(q, &e);
		answer(q);
	}
	json_decref(body);
}

static void on_streams(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct query *q = data;
	const json_t *streams = json_object_get(reply, "streams");
	json_int_t total = json_integer_value(json_object_get(reply, "total"));
	json_int_t offset = json_integer_value(json_object_get(reply, "offset"));
	size_t i;
	json_t *stream;

	if (e) {
		note_failure(q, e);
		answer(q);
		return;
	}
	json_array_foreach (streams, i, stream)
		add_row(q, stream);
	offset += (json_int_t)json_array_size(streams);
	if (json_array_size(streams) > 0 && offset < total)
		ask_streams(q, offset);
	else
		ask_consumers(q);
}

static void ask(struct query *q, struct service_request *req, const char *lane)
{
	if (q->nwaiters >= WAITERS_MAX) {
		service_fail(req, 503, "too many requests wait; try again");
		return;
	}
	struct waiter *w = xcalloc(1, sizeof(*w));
	w->req = req;
	snprintf(w->lane, sizeof(w->lane), "%s", lane);
	DL_APPEND(q->waiters, w);
	q->nwaiters++;
	if (q->reading)
		return;
	q->reading = true;
	q->failed = (struct err){0};
	q->next = 0;
	q->under_way = 0;
	ask_streams(q, 0);
}

void query_on_lane_list(void *data, struct service_request *req)
{
	struct router *r = data;

	ask(r->query, req, "");
}

void query_on_lane_get(void *data, struct service_request *req)
{
	struct router *r = data;
	char name[LANE_MAX + 2];
	struct lane lane;
	struct err e;

	if (read_name(req, &millrace__lane_get__descriptor, name, sizeof(name), &e) ||
		lane_parse(name, &lane, &e)) {
		service_fail(req, 400, "%s", e.text);
		return;
	}
	ask(r->query, req, lane.name);
}

struct query *query_new(struct router *r)
{
	struct query *q = xcalloc(1, sizeof(*q));

	q->router = r;
	return q;
}

/* Requests that wait were answered by service_close. */
void query_free(struct query **pq)
{
	struct query *q = TAKE(*pq);
	struct waiter *w, *tmp;

	if (!q)
		return;
	DL_FOREACH_SAFE (q->waiters, w, tmp)
		free(w);
	for (size_t i = 0; i < q->n; i++)
		free(q->rows[i]);
	free(q->rows);
	free(q);
}
