/*
 * Reading an object: its record, then chunk by chunk, each asked for when the
 * taker has done with the one before. Direct gets, not a consumer: nothing is
 * made at the broker, nothing has to be acknowledged, and a reader that goes
 * away leaves nothing behind.
 *
 *   LOOKING ──record──▶ PAUSED ──go on──▶ ASKING ──chunk──▶ PAUSED … ──all──▶ on_end
 *      │ ▲                                 │ ▲
 *      └─┴── silence: RETRY_MS, again ─────┴─┘
 *
 * Well: the digest of what came is the record's. Badly: the broker is away:
 * asked again until the patience is over. A chunk is not there: the object
 * was replaced or removed meanwhile (the name's newest bytes are another
 * read). Other bytes than were put, or more: that is said, and the taker
 * throws away what it has.
 */
#include <jansson.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "common/base64.h"
#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/object.h"

#define ANSWER_MS 5000
#define RETRY_MS 500
#define DIGEST_PREFIX "SHA-256="

struct object_get {
	struct bus *bus;
	struct object_get **owner;
	struct object_get_events ev;
	char *bucket, *name;
	struct object_info info;
	struct object_look *look;
	struct bus_call *call;
	struct timeout timeout;
	EVP_MD_CTX *digest;
	uint64_t next_seq; /* the next chunk's is not below it */
	uint64_t got_chunks, got_bytes;
	int64_t patience_ms, told_ms; /* when the broker last said something */
	bool looked;
};

static void look(struct object_get *g);
static void ask(struct object_get *g);

static void get_free(struct object_get *g)
{
	if (g->owner)
		*g->owner = NULL;
	object_look_cancel(&g->look);
	bus_call_cancel(&g->call);
	timeout_stop(&g->timeout);
	EVP_MD_CTX_free(g->digest);
	object_info_release(&g->info);
	free(g->bucket);
	free(g->name);
	free(g);
}

void object_get_cancel(struct object_get **owner)
{
	struct object_get *g = TAKE(*owner);

	if (!g)
		return;
	g->owner = NULL;
	get_free(g);
}

static void end(struct object_get *g, const struct err *e)
{
	struct object_get_events ev = g->ev;

	get_free(g);
	ev.on_end(ev.data, e);
}

static void fail(struct object_get *g, int code, const char *words)
{
	struct err e;

	err_set(&e, code, "object %s/%s: %s", g->bucket, g->name, words);
	end(g, &e);
}

/* ---- silence ---- */

static void on_retry(struct timeout *t)
{
	struct object_get *g = container_of(t, struct object_get, timeout);

	if (g->looked)
		ask(g);
	else
		look(g);
}

/* A 2.9 broker says nothing of a bucket that is not there; then it is asked for the stream. */
static void on_stream_told(void *data, struct bus_msg **m, const struct err *e)
{
	struct object_get *g = data;
	json_error_t je;
	json_t *j = e ? NULL : json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, &je);
	json_int_t code = json_integer_value(json_object_get(json_object_get(j, "error"), "err_code"));

	json_decref(j);
	if (code == JS_ERR_STREAM_NOT_FOUND)
		fail(g, ERR_NOT_FOUND, "there is no such bucket");
	else
		timeout_start(&g->timeout, RETRY_MS, on_retry);
}

static void ask_for_stream(struct object_get *g)
{
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.STREAM.INFO.OBJ_%s", g->bucket);
	struct err e;

	if (bus_request(g->bus, &(struct bus_out){.subject = subject}, ANSWER_MS, on_stream_told, g,
					&g->call, &e))
		timeout_start(&g->timeout, RETRY_MS, on_retry);
}

static void again(struct object_get *g, const struct err *why)
{
	bool passes = why->code == ERR_TIMEOUT || why->code == ERR_UNREACHABLE;

	if (!passes || (g->patience_ms && clock_mono_ms() - g->told_ms >= g->patience_ms))
		end(g, why);
	else if (why->code == ERR_TIMEOUT && !g->looked)
		ask_for_stream(g);
	else
		timeout_start(&g->timeout, RETRY_MS, on_retry);
}

/* ---- the end ---- */

static bool digest_is(EVP_MD_CTX *made, const char *told)
{
	unsigned char mine[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	CLEANUP(buf_release) struct buf theirs = {0};
	const char *coded = told + sizeof(DIGEST_PREFIX) - 1;

	return EVP_DigestFinal_ex(made, mine, &n) == 1 &&
		   base64_decode(coded, strlen(coded), &theirs, NULL) == 0 && theirs.len == n &&
		   memcmp(theirs.data, mine, n) == 0;
}

static void finish(struct object_get *g)
{
	if (g->got_bytes != g->info.size_bytes)
		fail(g, ERR_PROTOCOL, "its bytes are not those that were put: some are missing");
	else if (strncmp(g->info.digest, DIGEST_PREFIX, sizeof(DIGEST_PREFIX) - 1) != 0)
		fail(g, ERR_PROTOCOL, "it has no SHA-256 to check its bytes by");
	else if (!digest_is(g->digest, g->info.digest))
		fail(g, ERR_PROTOCOL, "its bytes are not those that were put: the SHA-256 differs");
	else
		end(g, NULL);
}

/* ---- chunks ---- */

static void take_chunk(struct object_get *g, const struct bus_msg *m)
{
	const char *seq = bus_msg_header(m, "Nats-Sequence");
	size_t len = bus_msg_len(m);

	if (bus_msg_status(m) == 404) {
		fail(g, ERR_CONFLICT, "it was replaced or removed while it was read");
		return;
	}
	if (bus_msg_status(m) || !seq) {
		fail(g, ERR_FAILED, bus_msg_status(m) ? bus_msg_status_text(m) : "a chunk has no sequence");
		return;
	}
	g->next_seq = strtoull(seq, NULL, 10) + 1;
	g->got_chunks++;
	g->got_bytes += len;
	if (g->got_bytes > g->info.size_bytes) {
		fail(g, ERR_PROTOCOL, "it has more bytes than its record tells");
		return;
	}
	EVP_DigestUpdate(g->digest, bus_msg_data(m), len);
	g->ev.on_chunk(g->ev.data, bus_msg_data(m), len);
}

static void on_answer(void *data, struct bus_msg **m, const struct err *e)
{
	struct object_get *g = data;

	if (e) {
		again(g, e);
		return;
	}
	g->told_ms = clock_mono_ms();
	take_chunk(g, *m);
}

static void ask(struct object_get *g)
{
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.DIRECT.GET.OBJ_%s", g->bucket);
	CLEANUP(free_ptr)
	char *body = xasprintf("{\"seq\":%llu,\"next_by_subj\":\"$O.%s.C.%s\"}",
						   (unsigned long long)g->next_seq, g->bucket, g->info.nuid);
	struct err e;

	if (bus_request(g->bus,
					&(struct bus_out){.subject = subject, .data = body, .len = strlen(body)},
					ANSWER_MS, on_answer, g, &g->call, &e))
		timeout_start(&g->timeout, RETRY_MS, on_retry);
}

static void on_end_due(struct timeout *t)
{
	finish(container_of(t, struct object_get, timeout));
}

void object_get_go_on(struct object_get *g)
{
	g->told_ms = clock_mono_ms(); /* what the taker took its time for is not the broker's silence */
	if (g->got_chunks < g->info.chunks)
		ask(g);
	else
		timeout_start(&g->timeout, 0, on_end_due); /* never from within a callback of its own */
}

/* ---- the record ---- */

static void on_info(void *data, const struct object_info *info, const struct err *e)
{
	struct object_get *g = data;

	if (e) {
		again(g, e);
		return;
	}
	g->told_ms = clock_mono_ms();
	if (info->link) {
		fail(g, ERR_INVALID, "it is a link to another; name that one");
		return;
	}
	g->looked = true;
	g->info = (struct object_info){
		.bucket = xstrdup(info->bucket),
		.name = xstrdup(info->name),
		.nuid = xstrdup(info->nuid),
		.digest = xstrdup(info->digest),
		.content_type = info->content_type ? xstrdup(info->content_type) : NULL,
		.size_bytes = info->size_bytes,
		.chunks = info->chunks,
		.stored_wall_ns = info->stored_wall_ns,
	};
	g->ev.on_info(g->ev.data, &g->info);
}

static void look(struct object_get *g)
{
	struct err e;

	if (object_look(g->bus, g->bucket, g->name, on_info, g, &g->look, &e))
		timeout_start(&g->timeout, RETRY_MS, on_retry);
}

int object_get(struct bus *b, const char *bucket, const char *name, int64_t patience_ms,
			   const struct object_get_events *ev, struct object_get **ret, struct err *e)
{
	struct object_get *g = xcalloc(1, sizeof(*g));

	(void)e;
	g->bus = b;
	g->ev = *ev;
	g->bucket = xstrdup(bucket);
	g->name = xstrdup(name);
	g->next_seq = 1;
	g->patience_ms = patience_ms;
	g->told_ms = clock_mono_ms();
	g->digest = EVP_MD_CTX_new();
	if (!g->digest || EVP_DigestInit_ex(g->digest, EVP_sha256(), NULL) != 1) {
		get_free(g);
		return err_set(e, ERR_FAILED, "libcrypto refuses to compute a SHA-256");
	}
	timeout_init(&g->timeout, bus_timeouts(b));
	g->owner = ret;
	*ret = g;
	look(g);
	return 0;
}
