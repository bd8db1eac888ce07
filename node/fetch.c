/*
 * Between an object and the task that names it. A handler that takes files
 * gets one (spool.c bounds them), any other the bytes in memory, which count
 * among the node's payloads.
 *
 *   object's record ──▶ room on the disk ──▶ chunk ──written──▶ chunk … ──▶ digest right ──▶
 * on_done
 *
 * Well: as drawn; the next chunk is asked for when the last is written, so
 * one chunk is in memory, however large the object is. Badly: no such object,
 * or one that never fits here: permanent. Replaced meanwhile, other bytes than
 * were put, a disk that is full: the attempt failed, and another may do
 * better. The broker is away: it goes on when that is back; the task's time
 * goes on too, and ends it (fetch_free). A write that is under way then is
 * waited for: the fetch is freed behind it.
 */
#include "node/fetch.h"

#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"
#include "common/object.h"
#include "node/spool.h"

struct fetch {
	struct node *node;
	fetch_on_done on_done;
	void *data;
	struct object_ref ref;
	struct object_get *get;
	struct err bad; /* the reference is none */
	bool to_file, counted;
	bool writing; /* something of libuv or the bus still has f: it is freed behind that */
	bool freed;
	uint64_t len;
	char *content_type;
	/* into memory: */
	struct buf bytes;
	/* into a file: */
	struct spool_claim claim;
	int fd;
	uv_fs_t write;
	char *space;
	size_t space_len, space_done;
	uint64_t at;
};

static void write_on(struct fetch *f);

static void let_go(struct fetch *f)
{
	object_get_cancel(&f->get);
	if (f->counted)
		slots_forget_result(&f->node->slots, (size_t)f->len);
	f->counted = false;
	buf_release(&f->bytes);
	if (f->writing)
		return; /* on_written goes on from here */
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	free(TAKE(f->space));
	spool_release(&f->claim);
}

static void fail(struct fetch *f, const struct err *why, bool permanent)
{
	struct err e = *why;

	err_wrap(&e, "Task-Object");
	let_go(f);
	f->on_done(f->data, &e, permanent);
}

/* ---- what comes ---- */

static void on_written(uv_fs_t *r)
{
	struct fetch *f = r->data;
	ssize_t n = r->result;
	struct err e;

	uv_fs_req_cleanup(r);
	spool_io(f->claim.spool, -1);
	f->writing = false;
	if (f->freed) {
		let_go(f);
		free(f->content_type);
		free(f);
		return;
	}
	if (n <= 0) {
		err_set(&e, ERR_IO, "cannot write it to %s: %s", f->claim.path,
				n < 0 ? uv_strerror((int)n) : "nothing was written");
		fail(f, &e, false);
		return;
	}
	f->space_done += (size_t)n;
	f->at += (uint64_t)n;
	write_on(f);
}

static void write_on(struct fetch *f)
{
	uv_buf_t b = uv_buf_init(f->space + f->space_done, (unsigned)(f->space_len - f->space_done));
	struct err e;

	if (f->space_done == f->space_len) {
		object_get_go_on(f->get);
		return;
	}
	f->write.data = f;
	int rc = uv_fs_write(f->node->handler_context.loop, &f->write, f->fd, &b, 1, (int64_t)f->at,
						 on_written);
	f->writing = rc >= 0;
	spool_io(f->claim.spool, f->writing);
	if (rc < 0) {
		err_set(&e, ERR_IO, "cannot write it to %s: %s", f->claim.path, uv_strerror(rc));
		fail(f, &e, false);
	}
}

static void on_chunk(void *data, const void *bytes, size_t len)
{
	struct fetch *f = data;

	if (!f->to_file) {
		buf_add(&f->bytes, bytes, len);
		object_get_go_on(f->get);
		return;
	}
	free(f->space);
	f->space = xmemdup0(bytes, len);
	f->space_len = len;
	f->space_done = 0;
	write_on(f);
}

static void on_end(void *data, const struct err *e)
{
	struct fetch *f = data;

	if (e) {
		fail(f, e, e->code == ERR_NOT_FOUND || e->code == ERR_INVALID);
		return;
	}
	if (f->fd >= 0)
		close(f->fd);
	f->fd = -1;
	free(TAKE(f->space));
	f->on_done(f->data, NULL, false);
}

/* ---- where it goes ---- */

static void on_room(struct spool_claim *c)
{
	struct fetch *f = container_of(c, struct fetch, claim);
	struct err e;

	if (spool_create(c, &f->fd, &e))
		fail(f, &e, false);
	else
		object_get_go_on(f->get);
}

static void too_large(struct fetch *f, uint64_t most, const char *key)
{
	struct err e;

	err_set(&e, ERR_TOO_LARGE, "%s/%s has %llu bytes, over this node's limit of %llu (%s)",
			f->ref.bucket, f->ref.name, (unsigned long long)f->len, (unsigned long long)most, key);
	fail(f, &e, true);
}

static void on_info(void *data, const struct object_info *info)
{
	struct fetch *f = data;
	uint64_t in_memory = (uint64_t)f->node->config->object_bytes;

	f->len = info->size_bytes;
	f->content_type = info->content_type ? xstrdup(info->content_type) : NULL;
	if (!f->to_file && f->len > in_memory) {
		too_large(f, in_memory, "objects.bytes");
	} else if (!f->to_file) {
		f->counted = true;
		slots_hold(&f->node->slots, (size_t)f->len);
		buf_reserve(&f->bytes, (size_t)f->len + 1);
		f->bytes.data[0] = '\0';
		object_get_go_on(f->get);
	} else if (f->len > spool_max_bytes(f->node->spool)) {
		too_large(f, spool_max_bytes(f->node->spool), "objects.disk");
	} else {
		spool_claim(f->node->spool, &f->claim, f->len, on_room);
	}
}

/* ---- life ---- */

static void on_bad(void *data)
{
	struct fetch *f = data;

	f->writing = false;
	if (f->freed)
		free(f);
	else
		fail(f, &f->bad, true);
}

struct fetch *fetch_start(struct node *n, const char *ref, bool to_file, fetch_on_done on_done,
						  void *data)
{
	struct fetch *f = xcalloc(1, sizeof(*f));
	const struct object_get_events ev = {on_info, on_chunk, on_end, f};

	f->node = n;
	f->on_done = on_done;
	f->data = data;
	f->to_file = to_file;
	f->fd = -1;
	if (object_ref_parse(ref, &f->ref, &f->bad) ||
		object_get(n->bus, f->ref.bucket, f->ref.name, 0, &ev, &f->get, &f->bad)) {
		f->writing = true; /* freed behind on_bad */
		bus_defer(n->bus, on_bad, f);
	}
	return f;
}

const char *fetch_path(const struct fetch *f)
{
	return f->to_file ? f->claim.path : NULL;
}

const void *fetch_bytes(const struct fetch *f)
{
	return f->bytes.data ? f->bytes.data : "";
}

size_t fetch_len(const struct fetch *f)
{
	return (size_t)f->len;
}

const char *fetch_content_type(const struct fetch *f)
{
	return f->content_type;
}

void fetch_free(struct fetch **fp)
{
	struct fetch *f = TAKE(*fp);

	if (!f)
		return;
	f->freed = true;
	let_go(f);
	if (f->writing)
		return;
	free(f->content_type);
	free(f);
}
