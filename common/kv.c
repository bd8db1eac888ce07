/*
 * Key-value buckets by their wire protocol (ADR-8): a put is a publish to
 * $KV.<bucket>.<key>, a compare-and-set one with the expected sequence in a
 * header, a get is a direct get of the subject's last message. Watches are
 * in kv_watch.c.
 */
#include <stdio.h>
#include <unistd.h>

#include "common/bus_packet.h"
#include "common/clock.h"

#define KV_DEADLINE_MS 5000

static bool key_ok(const char *key)
{
	if (!*key || *key == '.')
		return false;
	for (const char *p = key; *p; p++) {
		bool plain = (*p >= 'a' && *p <= 'z') || (*p >= 'A' && *p <= 'Z') || (*p >= '0' && *p <= '9');
		if (!plain && !strchr("-/_=.", *p))
			return false;
		if (*p == '.' && (p[1] == '.' || !p[1]))
			return false;
	}
	return true;
}

/* ---- put, delete ---- */

struct put_call {
	kv_on_put on_put;
	void *data;
};

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct put_call *c = data;

	if (c->on_put)
		c->on_put(c->data, ack ? ack->seq : 0, e);
	free(c);
}

static int put(struct bus *b, const char *bucket, const char *key, const void *value, size_t len,
               const struct bus_header *headers, size_t n, kv_on_put on_put, void *data, struct err *e)
{
	if (!key_ok(key))
		return err_set(e, ERR_INVALID, "not a key for a bucket: \"%.100s\"", key);
	CLEANUP(free_ptr) char *subject = xasprintf("$KV.%s.%s", bucket, key);
	struct put_call *c = xmalloc(sizeof(*c));
	*c = (struct put_call){on_put, data};
	int rc = js_publish_owned(b, &(struct bus_out){.subject = subject, .data = value, .len = len,
	                                         .headers = headers, .nheaders = n},
	                    KV_DEADLINE_MS, on_puback, c, free, e);
	if (rc)
		free(c);
	return rc;
}

/*
 * A compare-and-set whose acknowledgement was lost is sent again: the id makes the stream answer with what it did the
 * first time, not that somebody (we) was faster.
 */
struct expectation {
	char number[24], id[24];
	struct bus_header headers[3];
};

static void expect_revision(struct expectation *x, uint64_t revision)
{
	uint8_t r[8];

	if (getentropy(r, sizeof(r)) != 0)
		abort();
	snprintf(x->number, sizeof(x->number), "%llu", (unsigned long long)revision);
	snprintf(x->id, sizeof(x->id), "kv-%02x%02x%02x%02x%02x%02x%02x%02x", r[0], r[1], r[2], r[3], r[4], r[5], r[6],
	         r[7]);
	x->headers[0] = (struct bus_header){"Nats-Expected-Last-Subject-Sequence", x->number};
	x->headers[1] = (struct bus_header){"Nats-Msg-Id", x->id};
	x->headers[2] = (struct bus_header){"KV-Operation", "DEL"};
}

int kv_put(struct bus *b, const char *bucket, const char *key, const void *value, size_t len,
           uint64_t expect, kv_on_put on_put, void *data, struct err *e)
{
	struct expectation x;

	expect_revision(&x, expect);
	return put(b, bucket, key, value, len, x.headers, expect != KV_ANY_REVISION ? 2 : 0, on_put, data, e);
}

int kv_delete_at(struct bus *b, const char *bucket, const char *key, uint64_t expect, kv_on_put on_put, void *data,
                 struct err *e)
{
	struct expectation x;

	expect_revision(&x, expect);
	return put(b, bucket, key, NULL, 0, x.headers, ARRAY_LEN(x.headers), on_put, data, e);
}

int kv_delete(struct bus *b, const char *bucket, const char *key, kv_on_put on_put, void *data, struct err *e)
{
	struct bus_header h = {"KV-Operation", "DEL"};

	return put(b, bucket, key, NULL, 0, &h, 1, on_put, data, e);
}

/* ---- get ---- */

struct get_call {
	char *key;
	bool deleted_too;
	kv_on_get on_get;
	void *data;
};

static void get_free(void *data)
{
	struct get_call *c = data;

	free(c->key);
	free(c);
}

static void on_reply(void *data, struct bus_msg **m, const struct err *failed)
{
	struct get_call *c = data;
	struct err e = {0};
	struct kv_entry entry = {.key = c->key};

	if (failed) {
		e = *failed;
		if (failed->code == ERR_NOT_FOUND)
			err_set(&e, ERR_UNREACHABLE, "the bucket does not answer: is the broker set up (millrace setup)?");
	} else if (bus_msg_status(*m) == 404) {
		err_set(&e, ERR_NOT_FOUND, "no such key: %s", c->key);
	} else if (bus_msg_status(*m)) {
		err_set(&e, ERR_FAILED, "get of %s: %d %s", c->key, bus_msg_status(*m), bus_msg_status_text(*m));
	} else {
		const char *op = bus_msg_header(*m, "KV-Operation"), *seq = bus_msg_header(*m, "Nats-Sequence");
		const char *stored = bus_msg_header(*m, "Nats-Time-Stamp");
		struct err ignored;
		entry.value = bus_msg_data(*m);
		entry.len = bus_msg_len(*m);
		entry.revision = seq ? strtoull(seq, NULL, 10) : 0;
		if (stored && time_parse(stored, &entry.stored_wall_ns, &ignored))
			entry.stored_wall_ns = 0;
		entry.deleted = op != NULL;
		if (op && !c->deleted_too)
			err_set(&e, ERR_NOT_FOUND, "no such key: %s (deleted)", c->key);
	}
	c->on_get(c->data, e.code && !entry.deleted ? NULL : &entry, e.code ? &e : NULL);
	get_free(c);
}

static int get(struct bus *b, const char *bucket, const char *key, bool deleted_too, kv_on_get on_get, void *data,
               struct err *e)
{
	if (!key_ok(key))
		return err_set(e, ERR_INVALID, "not a key of a bucket: \"%.100s\"", key);
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.DIRECT.GET.KV_%s.$KV.%s.%s", bucket, bucket, key);
	struct get_call *c = xmalloc(sizeof(*c));
	*c = (struct get_call){.key = xstrdup(key), .deleted_too = deleted_too, .on_get = on_get, .data = data};
	int rc = bus_request_owned(b, &(struct bus_out){.subject = subject}, JS_API_TIMEOUT_MS, on_reply, c, get_free, e);
	if (rc)
		get_free(c);
	return rc;
}

int kv_get(struct bus *b, const char *bucket, const char *key, kv_on_get on_get, void *data, struct err *e)
{
	return get(b, bucket, key, false, on_get, data, e);
}

int kv_get_last(struct bus *b, const char *bucket, const char *key, kv_on_get on_get, void *data, struct err *e)
{
	return get(b, bucket, key, true, on_get, data, e);
}
