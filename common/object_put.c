/*
 * Putting an object: chunks with PubAcks, at most WINDOW of them under way,
 * then the record that names them, then the chunks of the one that it
 * replaces go. Until the record is there nobody finds the new one.
 *
 *   LOOKING ──▶ CHUNKS ──all acknowledged, in order──▶ RECORD ──▶ on_put
 *     (for what is replaced)
 *
 * The order of the chunks is the order of their sequences, and one that was
 * lost with a connection and repeated would come behind its successors. So
 * the PubAcks' sequences are looked at: where they do not ascend, all begins
 * anew under another nuid. Badly: refused (the bucket is full), or silence
 * until the deadline: what was put is dropped, and on_put says why.
 *
 * What is under way holds a reference, so that a put that is cancelled goes
 * when the last of it has come back.
 */
#include <openssl/evp.h>
#include <stdio.h>

#include "common/base64.h"
#include "common/codec.h"
#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/object_internal.h"

#define WINDOW 8u
#define TRIES_MAX 3u

struct object_put {
	struct bus *bus;
	struct object_put **owner;
	object_on_info on_put;
	void *data;
	struct object_source source;
	int64_t deadline_ms;
	struct object_info info; /* of the new one */
	char *replaced;          /* nuid of the one before, or NULL */
	struct object_look *look;
	EVP_MD_CTX *digest;
	uint64_t sent, acked;  /* chunks */
	uint64_t seqs[WINDOW]; /* of acknowledged ones from acked on; 0: not yet */
	uint64_t last_seq;
	unsigned tries;
	unsigned attempt; /* answers to an earlier one do not count */
	unsigned refs;
	bool reading, restart, ended;
	uv_fs_t read;
	char *space; /* what is read of fd */
};

/* One chunk under way. */
struct chunk {
	struct object_put *put;
	uint64_t n;
	unsigned attempt;
};

static void pump(struct object_put *p);

static void unref(struct object_put *p)
{
	if (--p->refs > 0)
		return;
	EVP_MD_CTX_free(p->digest);
	object_info_release(&p->info);
	free(p->replaced);
	free(p->space);
	free(p);
}

static void drop_ref(void *data)
{
	unref(data);
}

static void drop_chunk(void *data)
{
	struct chunk *c = data;

	unref(c->put);
	free(c);
}

/* Nobody is told anything any more. */
static void leave(struct object_put *p, bool drop_chunks)
{
	if (p->ended)
		return;
	p->ended = true;
	if (p->owner)
		*TAKE(p->owner) = NULL;
	object_look_cancel(&p->look);
	if (drop_chunks && p->sent)
		object_drop_chunks(p->bus, p->info.bucket, p->info.nuid);
	unref(p);
}

static void fail(struct object_put *p, const struct err *why)
{
	struct err e = *why;

	if (p->ended)
		return;
	err_wrap(&e, "object %s/%s", p->info.bucket, p->info.name);
	object_on_info on_put = p->on_put;
	void *data = p->data;
	leave(p, true);
	on_put(data, NULL, &e);
}

void object_put_cancel(struct object_put **owner)
{
	struct object_put *p = TAKE(*owner);

	if (!p)
		return;
	p->owner = NULL;
	leave(p, true);
}

/* ---- the record ---- */

static void on_record(void *data, const struct js_puback *ack, const struct err *e)
{
	struct object_put *p = data;

	(void)ack;
	if (!p->ended && e) {
		fail(p, e);
	} else if (!p->ended) {
		object_on_info on_put = p->on_put;
		void *whose = p->data;
		if (p->replaced)
			object_drop_chunks(p->bus, p->info.bucket, p->replaced);
		leave(p, false);
		on_put(whose, &p->info, NULL); /* lent: the record's own reference still holds it */
	}
	unref(p);
}

static void write_record(struct object_put *p)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	CLEANUP(buf_release) struct buf coded = {0};
	unsigned n = 0;
	struct err e;

	if (EVP_DigestFinal_ex(p->digest, digest, &n) != 1) {
		err_set(&e, ERR_FAILED, "libcrypto refuses to compute a SHA-256");
		fail(p, &e);
		return;
	}
	base64url_encode(digest, n, &coded);
	free(p->info.digest);
	p->info.digest = xasprintf("SHA-256=%s", coded.data);
	p->info.chunks = p->sent;
	p->info.size_bytes = p->source.len_bytes;
	p->info.stored_wall_ns = clock_wall_ns();
	p->refs++;
	if (object_write_info(p->bus, &p->info, p->deadline_ms, on_record, p, drop_ref, &e)) {
		fail(p, &e);
		unref(p);
	}
}

/* ---- chunks ---- */

static int begin(struct object_put *p, struct err *e)
{
	char nuid[OBJECT_NUID_LEN + 1];

	object_nuid(nuid);
	free(p->info.nuid);
	p->info.nuid = xstrdup(nuid);
	p->sent = p->acked = p->last_seq = 0;
	memset(p->seqs, 0, sizeof(p->seqs));
	p->attempt++;
	p->restart = false;
	if (EVP_DigestInit_ex(p->digest, EVP_sha256(), NULL) != 1)
		return err_set(e, ERR_FAILED, "libcrypto refuses to compute a SHA-256");
	return 0;
}

static uint64_t chunks_of(const struct object_put *p)
{
	return (p->source.len_bytes + OBJECT_CHUNK_BYTES - 1) / OBJECT_CHUNK_BYTES;
}

static void anew(struct object_put *p)
{
	struct err e;

	if (p->reading) {
		p->restart = true;
		return;
	}
	object_drop_chunks(p->bus, p->info.bucket, p->info.nuid);
	if (++p->tries >= TRIES_MAX) {
		err_set(&e, ERR_UNREACHABLE, "the connection broke again and again while it was put");
		fail(p, &e);
	} else if (begin(p, &e)) {
		fail(p, &e);
	} else {
		log_debug("an object's chunks came out of order; it is put anew",
				  LOG_S("name", p->info.name));
		pump(p);
	}
}

static void on_acked(struct object_put *p, uint64_t n, uint64_t seq)
{
	p->seqs[n % WINDOW] = seq;
	while (p->acked < p->sent && p->seqs[p->acked % WINDOW]) {
		uint64_t next = p->seqs[p->acked % WINDOW];
		if (next <= p->last_seq) {
			anew(p);
			return;
		}
		p->last_seq = next;
		p->seqs[p->acked % WINDOW] = 0;
		p->acked++;
	}
	pump(p);
}

static void on_chunk(void *data, const struct js_puback *ack, const struct err *e)
{
	struct chunk c = *(struct chunk *)data;
	struct object_put *p = c.put;

	free(data);
	if (!p->ended && c.attempt == p->attempt && !p->restart) {
		if (e)
			fail(p, e);
		else
			on_acked(p, c.n, ack->seq);
	}
	unref(p);
}

static void send_chunk(struct object_put *p, const void *bytes, size_t len)
{
	struct chunk *c = xcalloc(1, sizeof(*c));
	CLEANUP(free_ptr) char *subject = xasprintf("$O.%s.C.%s", p->info.bucket, p->info.nuid);
	CLEANUP(free_ptr)
	char *id = xasprintf("%s-%llu", p->info.nuid, (unsigned long long)p->sent);
	const struct bus_header h = {"Nats-Msg-Id", id};
	struct err e;

	*c = (struct chunk){p, p->sent, p->attempt};
	EVP_DigestUpdate(p->digest, bytes, len);
	p->refs++;
	p->sent++;
	if (js_publish_owned(
			p->bus,
			&(struct bus_out){
				.subject = subject, .data = bytes, .len = len, .headers = &h, .nheaders = 1},
			p->deadline_ms, on_chunk, c, drop_chunk, &e)) {
		fail(p, &e);
		drop_chunk(c);
	}
}

static size_t next_len(const struct object_put *p)
{
	uint64_t left = p->source.len_bytes - p->sent * OBJECT_CHUNK_BYTES;

	return (size_t)MIN_OF(left, (uint64_t)OBJECT_CHUNK_BYTES);
}

static void on_read(uv_fs_t *r)
{
	struct object_put *p = r->data;
	ssize_t n = r->result;
	struct err e;

	uv_fs_req_cleanup(r);
	p->reading = false;
	if (p->ended) {
		/* nobody waits */
	} else if (p->restart) {
		anew(p);
	} else if (n < 0) {
		err_set(&e, ERR_IO, "the file can't be read: %s", uv_strerror((int)n));
		fail(p, &e);
	} else if ((size_t)n != next_len(p)) {
		err_set(&e, ERR_IO, "the file became shorter while it was put");
		fail(p, &e);
	} else {
		send_chunk(p, p->space, (size_t)n);
		pump(p);
	}
	unref(p);
}

static void read_chunk(struct object_put *p)
{
	uv_buf_t b = uv_buf_init(p->space, (unsigned)next_len(p));
	struct err e;

	p->read.data = p;
	p->reading = true;
	p->refs++;
	int rc = uv_fs_read(bus_loop(p->bus), &p->read, p->source.fd, &b, 1,
						(int64_t)(p->sent * OBJECT_CHUNK_BYTES), on_read);
	if (rc < 0) {
		p->reading = false;
		err_set(&e, ERR_IO, "the file can't be read: %s", uv_strerror(rc));
		fail(p, &e);
		unref(p);
	}
}

static void pump(struct object_put *p)
{
	uint64_t chunks = chunks_of(p);

	p->refs++; /* a failure within would end it under us */
	while (!p->ended && !p->reading && p->sent < chunks && p->sent < p->acked + WINDOW) {
		if (p->source.data)
			send_chunk(p, (const char *)p->source.data + p->sent * OBJECT_CHUNK_BYTES, next_len(p));
		else
			read_chunk(p);
	}
	if (!p->ended && p->acked == chunks)
		write_record(p);
	unref(p);
}

/* ---- the beginning ---- */

static void on_replaced(void *data, const struct object_info *info, const struct err *e)
{
	struct object_put *p = data;

	if (e && e->code != ERR_NOT_FOUND) {
		fail(p, e);
		return;
	}
	if (info)
		p->replaced = xstrdup(info->nuid);
	pump(p);
}

int object_put(struct bus *b, const char *bucket, const char *name, const char *content_type,
			   const struct object_source *source, int64_t deadline_ms, object_on_info on_put,
			   void *data, struct object_put **ret, struct err *e)
{
	struct object_put *p;

	if (!utf8_ok(name, strlen(name)))
		return err_set(e, ERR_INVALID, "an object's name must be UTF-8");
	p = xcalloc(1, sizeof(*p));
	p->bus = b;
	p->refs = 1;
	p->on_put = on_put;
	p->data = data;
	p->source = *source;
	p->deadline_ms = deadline_ms;
	p->info.bucket = xstrdup(bucket);
	p->info.name = xstrdup(name);
	if (content_type && utf8_ok(content_type, strlen(content_type)))
		p->info.content_type = xstrdup(content_type);
	p->digest = EVP_MD_CTX_new();
	if (!source->data)
		p->space = xmalloc(OBJECT_CHUNK_BYTES);
	int rc = p->digest ? begin(p, e) : err_set(e, ERR_FAILED, "libcrypto has no memory");
	if (!rc)
		rc = object_look(b, bucket, name, on_replaced, p, &p->look, e);
	if (rc) {
		unref(p);
		return rc;
	}
	if (ret) {
		p->owner = ret;
		*ret = p;
	}
	return 0;
}
