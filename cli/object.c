/*
 * The object store, as commands need it: one at a time, waiting. Well: bytes
 * go through a few chunks of memory, however many there are. Badly: the
 * broker says nothing for a while (5), there is no such object (3), what came
 * is not what was put (1, after the bytes, as they were written when they
 * came). Ctrl-C ends it, and a put that was half done is taken back.
 */
#include "cli/object.h"

#include <stdio.h>

#define CHUNK_DEADLINE_MS 15000

struct transfer {
	struct object_get *get;
	struct object_put *put;
	bool done;
	struct err e; /* code 0: it went well */
};

static void ended(struct transfer *t, const struct err *e)
{
	t->done = true;
	if (e)
		t->e = *e;
}

static int await(struct cli *c, struct transfer *t, struct err *e)
{
	int rc = cli_wait(c, &t->done, -1, e);

	object_get_cancel(&t->get);
	object_put_cancel(&t->put);
	if (rc)
		return rc;
	*e = t->e;
	return t->e.code;
}

/* ---- put ---- */

static void on_put(void *data, const struct object_info *info, const struct err *e)
{
	(void)info;
	ended(data, e);
}

int cli_object_put(struct cli *c, const char *name, const struct object_source *source,
				   struct err *e)
{
	struct transfer t = {0};

	if (object_put(c->bus, OBJECT_BUCKET, name, NULL, source, CHUNK_DEADLINE_MS, on_put, &t, &t.put,
				   e))
		return e->code;
	return await(c, &t, e);
}

/* ---- get ---- */

static void on_info(void *data, const struct object_info *info)
{
	const struct transfer *t = data;

	(void)info;
	object_get_go_on(t->get);
}

static void on_chunk(void *data, const void *bytes, size_t len)
{
	struct transfer *t = data;

	if (fwrite(bytes, 1, len, stdout) == len) {
		object_get_go_on(t->get);
		return;
	}
	object_get_cancel(&t->get);
	err_set(&t->e, ERR_IO, "stdout takes no more");
	t->done = true;
}

static void on_end(void *data, const struct err *e)
{
	ended(data, e);
}

int cli_object_print(struct cli *c, const char *ref, struct err *e)
{
	struct transfer t = {0};
	const struct object_get_events ev = {on_info, on_chunk, on_end, &t};
	struct object_ref r;

	if (object_ref_parse(ref, &r, e) || cli_connect(c, e) ||
		object_get(c->bus, r.bucket, r.name, CHUNK_DEADLINE_MS, &ev, &t.get, e))
		return e->code;
	return await(c, &t, e);
}
