/*
 * Shared state for whoever does not speak KV. It stands alone because the
 * bucket decides everything: the version is the key's revision there, and a
 * compare-and-set is the stream's own, so `nats kv` beside it sees and does the same.
 *
 *	create:  last word? --none, or a deletion--> put where that is still the last word
 *	version: put where that is the last word;    neither: put
 *
 * A list comes from the table, once that has all that the bucket had when it was
 * asked for: whatever was set and answered before is below the bucket's last
 * sequence of that moment. Where that takes too long, what is known has to do. It fails: 409 with the
 * version that is there, 404, 400 for what is no key, 503 while the broker (for lists:
 * the database) is away.
 */
#include "store/state_api.h"

#include <inttypes.h>
#include <stdio.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "proto/state.pb-c.h"
#include "common/request.h"
#include "store/arena.h"
#include "store/audit_stream.h"
#include "store/caught_up.h"

#define BUCKET "state"
#define QUERY_TIMEOUT_MS 10000
#define CATCH_UP_MS 2000
#define CATCH_UP_POLL_MS 20
#define LIST_DEFAULT 50u
#define LIST_MAX 1000u
#define KEY_MAX 512u
#define REPLY_ROOM_BYTES 4096u

struct state_question {
	struct state_api *api;
	struct service_request *request;
	bool protobuf;
	ProtobufCMessage *record; /* the request */
	unsigned limit;
	struct caught_up table;
	int64_t until_mono_ms;
	struct timeout timeout;
	struct state_question *prev, *next;
};

static void close_question(struct state_question *x)
{
	DL_DELETE(x->api->open, x);
	timeout_stop(&x->timeout);
	codec_free(x->record);
	free(x);
}

static void refuse(struct state_question *x, const struct err *e)
{
	request_refuse(x->request, e);
	close_question(x);
}

static void answer(struct state_question *x, const ProtobufCMessage *record)
{
	request_answer_as(x->request, x->protobuf, record);
	close_question(x);
}

/* NULL: it was answered already. */
static struct state_question *open_question(struct state_api *api, struct service_request *r,
											const ProtobufCMessageDescriptor *d)
{
	struct state_question *x = xcalloc(1, sizeof(*x));
	struct err e;
	*x = (struct state_question){
		.api = api, .request = r, .protobuf = request_protobuf(service_message(r))};
	timeout_init(&x->timeout, bus_timeouts(api->bus));
	DL_APPEND(api->open, x);
	if (request_read(service_message(r), d, &x->record, &e) < 0) {
		refuse(x, &e);
		return NULL;
	}
	return x;
}

static int check_key(const char *key, struct err *e)
{
	if (key[0] == '\0') {
		return err_set(e, ERR_INVALID, "key: which one?");
	}
	return strlen(key) <= KEY_MAX ? 0
								  : err_set(e, ERR_INVALID, "key: at most %u characters", KEY_MAX);
}

/* ---- api.state.get ---- */

static void on_entry(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct state_question *x = data;
	Millrace__StateEntry s = MILLRACE__STATE_ENTRY__INIT;
	if (e != NULL && e->code == ERR_NOT_FOUND) {
		service_fail(x->request, 404, "%s", e->text);
		close_question(x);
		return;
	}
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	s.key = (char *)(uintptr_t)entry->key; /* packed only */
	s.value.data = (uint8_t *)(uintptr_t)entry->value;
	s.value.len = entry->len;
	s.version = entry->revision;
	s.updated_at = entry->stored_wall_ns;
	answer(x, &s.base);
}

/* As api.task.get: a bare key will do. */
static void on_get(void *data, struct service_request *r)
{
	struct state_api *api = data;
	const struct bus_msg *m = service_message(r);
	const char *text = bus_msg_data(m);
	CLEANUP(free_ptr) char *bare = NULL;
	struct state_question *x;
	struct err e;
	size_t len = bus_msg_len(m);
	while (len > 0 && (text[len - 1] == '\n' || text[len - 1] == ' ' || text[len - 1] == '\r')) {
		len--;
	}
	if (len > 0 && text[0] != '{' && !request_protobuf(m)) {
		bare = xmemdup0(text, len);
		x = xcalloc(1, sizeof(*x));
		*x = (struct state_question){.api = api, .request = r};
		timeout_init(&x->timeout, bus_timeouts(api->bus));
		DL_APPEND(api->open, x);
	} else if ((x = open_question(api, r, &millrace__state_get__descriptor)) == NULL) {
		return;
	}
	const char *key = bare != NULL ? bare : ((Millrace__StateGet *)x->record)->key;
	if (check_key(key, &e) < 0 || kv_get(api->bus, BUCKET, key, on_entry, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* ---- api.state.set, api.state.delete ---- */

static const char *key_of(const struct state_question *x)
{
	return x->record->descriptor == &millrace__state_set__descriptor
			   ? ((Millrace__StateSet *)x->record)->key
			   : ((Millrace__StateDelete *)x->record)->key;
}

/* The put has lost; what is there now? */
static void on_conflict(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct state_question *x = data;
	if (entry != NULL && !entry->deleted) {
		service_fail(x->request, 409, "key %s: it is at version %" PRIu64 " by now", key_of(x),
					 entry->revision);
	} else if (entry != NULL || e->code == ERR_NOT_FOUND) {
		service_fail(x->request, 409, "key %s: it is not there", key_of(x));
	} else {
		request_refuse(x->request, e);
	}
	close_question(x);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct state_question *x = data;
	Millrace__StateEntry s = MILLRACE__STATE_ENTRY__INIT;
	struct err why;
	if (e == NULL) {
		s.key = (char *)(uintptr_t)key_of(x);
		s.version = revision;
		s.updated_at = clock_wall_ns();
		answer(x, &s.base);
	} else if (e->code != ERR_CONFLICT) {
		refuse(x, e);
	} else if (kv_get_last(x->api->bus, BUCKET, key_of(x), on_conflict, x, &why) < 0) {
		refuse(x, &why);
	}
}

static void put(struct state_question *x, uint64_t expect)
{
	const Millrace__StateSet *s = (const Millrace__StateSet *)x->record;
	struct err e;
	if (kv_put(x->api->bus, BUCKET, s->key, s->value.data, s->value.len, expect, on_put, x, &e) <
		0) {
		refuse(x, &e);
	}
}

static void on_last(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct state_question *x = data;
	if (entry != NULL && !entry->deleted) {
		on_conflict(x, entry, NULL);
	} else if (entry != NULL) {
		put(x, entry->revision);
	} else if (e->code == ERR_NOT_FOUND) {
		put(x, 0);
	} else {
		refuse(x, e);
	}
}

static void on_set(void *data, struct service_request *r)
{
	struct state_api *api = data;
	struct state_question *x = open_question(api, r, &millrace__state_set__descriptor);
	struct err e;
	if (x == NULL) {
		return;
	}
	const Millrace__StateSet *s = (const Millrace__StateSet *)x->record;
	int rc = check_key(s->key, &e);
	if (rc == 0 && s->create && s->version != 0) {
		rc = err_set(&e, ERR_INVALID, "create and version exclude each other");
	}
	if (rc < 0) {
		refuse(x, &e);
	} else if (!s->create) {
		put(x, s->version != 0 ? s->version : KV_ANY_REVISION);
	} else if (kv_get_last(api->bus, BUCKET, s->key, on_last, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* Nothing is deleted that is not there: 404, and no marker is left behind. */
static void on_to_delete(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct state_question *x = data;
	const Millrace__StateDelete *s = (const Millrace__StateDelete *)x->record;
	struct err why;
	if (e != NULL && e->code != ERR_NOT_FOUND) {
		refuse(x, e);
	} else if (entry == NULL || entry->deleted) {
		service_fail(x->request, 404, "no such key: %s", s->key);
		close_question(x);
	} else if (s->version != 0 && s->version != entry->revision) {
		on_conflict(x, entry, NULL);
	} else if (kv_delete_at(x->api->bus, BUCKET, s->key, entry->revision, on_put, x, &why) < 0) {
		refuse(x, &why);
	}
}

static void on_delete(void *data, struct service_request *r)
{
	struct state_api *api = data;
	struct state_question *x = open_question(api, r, &millrace__state_delete__descriptor);
	struct err e;
	if (x == NULL) {
		return;
	}
	const char *key = ((Millrace__StateDelete *)x->record)->key;
	if (check_key(key, &e) < 0 || kv_get_last(api->bus, BUCKET, key, on_to_delete, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* ---- api.state.list ---- */

static size_t room(const struct state_question *x)
{
	return bus_max_payload(x->api->bus) - REPLY_ROOM_BYTES;
}

static void on_page(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct state_question *x = data;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	struct arena a = {0};
	CLEANUP(buf_release) struct buf out = {0};
	Millrace__StatePage page = MILLRACE__STATE_PAGE__INIT;
	size_t found = pg_nrows(rows[0]);
	page.entries = arena_alloc(&a, (found + 1) * sizeof(Millrace__StateEntry *));
	for (size_t i = 0; i < found; i++) {
		Millrace__StateEntry *s = arena_alloc(&a, sizeof(*s));
		size_t len;
		millrace__state_entry__init(s);
		s->key = (char *)(uintptr_t)pg_get(rows[0], i, 0, NULL);
		s->version = (uint64_t)pg_get_int(rows[0], i, 1);
		s->updated_at = pg_get_time(rows[0], i, 2);
		s->value.data = (uint8_t *)(uintptr_t)pg_get(rows[0], i, 3, &len);
		s->value.len = len;
		page.entries[i] = s;
	}
	page.n_entries = MIN_OF(found, (size_t)x->limit);
	for (;;) { /* what does not fit comes with the next page */
		bool more = page.n_entries < found;
		page.next_cursor = more ? page.entries[page.n_entries - 1]->key
								: (char *)(uintptr_t)protobuf_c_empty_string;
		request_encode(x->protobuf, &page.base, &out);
		if (out.len <= room(x) || page.n_entries == 0) {
			break;
		}
		if (page.n_entries > 1) {
			page.n_entries /= 2;
		} else {
			page.entries[0]->value.len = 0;
			if (out.len <= room(x) + page.entries[0]->value.len) {
				break;
			}
		}
	}
	service_reply(x->request, x->protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
	arena_release(&a);
	close_question(x);
}

static void read_page(struct state_question *x)
{
	const Millrace__StateList *l = (const Millrace__StateList *)x->record;
	char limit[16];
	struct err e;
	snprintf(limit, sizeof(limit), "%u", x->limit + 1);
	struct pg_param p[] = {PG_ARG(l->prefix), PG_ARG(l->cursor), PG_ARG(l->with_value ? "t" : "f"),
						   PG_ARG(limit)};
	if (pg_query(x->api->pg,
				 "SELECT key, version, updated_at, CASE WHEN $3::bool THEN value END FROM "
				 "millrace.state_entries "
				 "WHERE NOT deleted AND key > $2::text AND key >= $1::text AND starts_with(key, "
				 "$1::text) "
				 "ORDER BY key LIMIT $4::int4",
				 p, ARRAY_LEN(p), QUERY_TIMEOUT_MS, on_page, x, &e) < 0) {
		refuse(x, &e);
	}
}

static void catch_up(struct state_question *x);

static void on_poll(struct timeout *t)
{
	catch_up(container_of(t, struct state_question, timeout));
}

static void on_caught_up(void *data, bool passed, const struct err *e)
{
	struct state_question *x = data;
	if (passed || e != NULL || clock_mono_ms() > x->until_mono_ms) {
		read_page(x); /* rather what is known than nothing */
	} else {
		timeout_start(&x->timeout, CATCH_UP_POLL_MS, on_poll);
	}
}

static void catch_up(struct state_question *x)
{
	struct err e;
	if (caught_up_look(&x->table, &e) < 0) {
		refuse(x, &e);
	}
}

static void on_bucket(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct state_question *x = data;
	struct audit_stream s;
	struct err why;
	(void)server_code;
	if (e != NULL || audit_stream_read(reply, &s, &why) < 0 || s.messages == 0) {
		read_page(x);
		return;
	}
	x->table = (struct caught_up){.bus = x->api->bus,
								  .stream = "KV_" BUCKET,
								  .consumer = "store",
								  .upto = s.last_seq,
								  .on_answer = on_caught_up,
								  .data = x};
	catch_up(x);
}

static void on_list(void *data, struct service_request *r)
{
	struct state_api *api = data;
	struct state_question *x = open_question(api, r, &millrace__state_list__descriptor);
	struct err e;
	if (x == NULL) {
		return;
	}
	const Millrace__StateList *l = (const Millrace__StateList *)x->record;
	if (l->limit > LIST_MAX) {
		err_set(&e, ERR_INVALID, "limit: at most %u", LIST_MAX);
		refuse(x, &e);
		return;
	}
	x->limit = l->limit != 0 ? l->limit : LIST_DEFAULT;
	x->until_mono_ms = clock_mono_ms() + CATCH_UP_MS;
	if (js_api(api->bus, "STREAM.INFO.KV_" BUCKET, NULL, on_bucket, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* ---- owner's side ---- */

void state_api_endpoints(struct state_api *api, struct service_endpoint ret[STATE_ENDPOINTS])
{
	ret[0] = (struct service_endpoint){"state-get", "api.state.get", NULL, on_get, api};
	ret[1] = (struct service_endpoint){"state-set", "api.state.set", NULL, on_set, api};
	ret[2] = (struct service_endpoint){"state-delete", "api.state.delete", NULL, on_delete, api};
	ret[3] = (struct service_endpoint){"state-list", "api.state.list", NULL, on_list, api};
}

void state_api_release(struct state_api *api)
{
	while (api->open != NULL) {
		close_question(api->open);
	}
}
