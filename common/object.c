/*
 * Looking an object up, and removing it. Reading its bytes and putting them
 * are machines of their own (object_get.c, object_put.c).
 *
 * Well: one direct get of the name's record. Badly: no record, or one that
 * says deleted: not found; nobody answers: the bucket is not there. Removing
 * writes the record that it is gone first, then drops the chunks, so that
 * nobody finds a name without its bytes; where the second fails, chunks that
 * nobody names are left, and that is said.
 */
#include "common/object.h"

#include "common/bus_packet.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/object_internal.h"

/* ---- look ---- */

struct object_look {
	struct object_look **owner;
	char *bucket, *name;
	object_on_info on_info; /* NULL: cancelled */
	void *data;
	void (*drop)(void *data); /* where the bus closes first; or NULL */
};

static void look_free(void *data)
{
	struct object_look *l = data;

	if (l->owner)
		*l->owner = NULL;
	free(l->bucket);
	free(l->name);
	free(l);
}

static int read_reply(const struct object_look *l, const struct bus_msg *m, struct object_info *ret,
					  struct err *e)
{
	const char *stored = bus_msg_header(m, "Nats-Time-Stamp");
	int64_t stored_wall_ns = 0;

	if (bus_msg_status(m) == 404)
		return err_set(e, ERR_NOT_FOUND, "there is no object %s/%s", l->bucket, l->name);
	if (bus_msg_status(m))
		return err_set(e, ERR_FAILED, "%d %s", bus_msg_status(m), bus_msg_status_text(m));
	if (object_info_read(bus_msg_data(m), bus_msg_len(m), ret, e))
		return e->code;
	if (stored && time_parse(stored, &stored_wall_ns, NULL))
		stored_wall_ns = 0;
	ret->stored_wall_ns = stored_wall_ns;
	if (!ret->deleted)
		return 0;
	object_info_release(ret);
	return err_set(e, ERR_NOT_FOUND, "there is no object %s/%s any more", l->bucket, l->name);
}

static void look_drop(void *data)
{
	struct object_look *l = data;

	if (l->drop)
		l->drop(l->data);
	look_free(l);
}

static void on_reply(void *data, struct bus_msg **m, const struct err *failed)
{
	struct object_look *l = data;
	struct object_info info = {0};
	struct err e = {0};

	if (!l->on_info) {
		look_free(l);
		return;
	}
	if (failed && failed->code == ERR_NOT_FOUND)
		err_set(&e, ERR_NOT_FOUND, "there is no bucket %s for objects (millrace setup makes %s)",
				l->bucket, OBJECT_BUCKET);
	else if (failed)
		e = *failed;
	else if (read_reply(l, *m, &info, &e) && e.code != ERR_NOT_FOUND)
		err_wrap(&e, "object %s/%s", l->bucket, l->name);
	if (l->owner)
		*TAKE(l->owner) = NULL;
	l->on_info(l->data, e.code ? NULL : &info, e.code ? &e : NULL);
	object_info_release(&info);
	look_free(l);
}

static int look(struct bus *b, const char *bucket, const char *name, object_on_info on_info,
				void *data, void (*drop)(void *), struct object_look **ret, struct err *e)
{
	CLEANUP(free_ptr) char *of = object_info_subject(bucket, name);
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.DIRECT.GET.OBJ_%s.%s", bucket, of);
	struct object_look *l = xcalloc(1, sizeof(*l));

	*l = (struct object_look){.bucket = xstrdup(bucket),
							  .name = xstrdup(name),
							  .on_info = on_info,
							  .data = data,
							  .drop = drop};
	int rc = bus_request_owned(b, &(struct bus_out){.subject = subject}, JS_API_TIMEOUT_MS,
							   on_reply, l, look_drop, e);
	if (rc) {
		look_free(l);
		return rc;
	}
	if (ret) {
		l->owner = ret;
		*ret = l;
	}
	return 0;
}

int object_look(struct bus *b, const char *bucket, const char *name, object_on_info on_info,
				void *data, struct object_look **ret, struct err *e)
{
	return look(b, bucket, name, on_info, data, NULL, ret, e);
}

void object_look_cancel(struct object_look **owner)
{
	struct object_look *l = TAKE(*owner);

	if (!l)
		return;
	l->owner = NULL; /* its answer frees it */
	l->on_info = NULL;
}

/* ---- dropping ---- */

static void on_purged(void *data, const json_t *reply, int server_code, const struct err *e)
{
	(void)data;
	(void)reply;
	(void)server_code;
	if (e)
		log_debug("chunks that nobody names stay in their bucket", LOG_S("error", e->text));
}

void object_drop_subject(struct bus *b, const char *bucket, const char *subject)
{
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.PURGE.OBJ_%s", bucket);
	json_t *body = json_pack("{s:s}", "filter", subject);
	struct err e;

	if (js_api(b, verb, body, on_purged, NULL, &e))
		on_purged(NULL, NULL, 0, &e);
	json_decref(body);
}

void object_drop_chunks(struct bus *b, const char *bucket, const char *nuid)
{
	CLEANUP(free_ptr) char *subject = xasprintf("$O.%s.C.%s", bucket, nuid);

	object_drop_subject(b, bucket, subject);
}

int object_write_info(struct bus *b, const struct object_info *info, int64_t deadline_ms,
					  js_on_puback on_puback, void *data, void (*drop)(void *), struct err *e)
{
	CLEANUP(free_ptr) char *subject = object_info_subject(info->bucket, info->name);
	CLEANUP(buf_release) struct buf text = {0};
	/* An id, as a repeat after the bucket's next put of this name must not bring this one back. */
	CLEANUP(free_ptr)
	char *id = xasprintf("%s-%s", info->nuid, info->deleted ? "gone" : "meta");
	const struct bus_header h[] = {{"Nats-Rollup", "sub"}, {"Nats-Msg-Id", id}};

	object_info_write(info, &text);
	return js_publish_owned(b,
							&(struct bus_out){.subject = subject,
											  .data = text.data,
											  .len = text.len,
											  .headers = h,
											  .nheaders = ARRAY_LEN(h)},
							deadline_ms, on_puback, data, drop, e);
}

/* ---- delete ---- */

struct removal {
	struct bus *bus;
	bool forget;
	char *nuid, *bucket, *name;
	object_on_done on_done;
	void *data;
};

static void removal_free(void *data)
{
	struct removal *r = data;

	free(r->nuid);
	free(r->bucket);
	free(r->name);
	free(r);
}

static void removed(struct removal *r, const struct err *e)
{
	r->on_done(r->data, e);
	removal_free(r);
}

static void on_marked(void *data, const struct js_puback *ack, const struct err *e)
{
	struct removal *r = data;

	(void)ack;
	if (!e) {
		object_drop_chunks(r->bus, r->bucket, r->nuid);
		if (r->forget) {
			CLEANUP(free_ptr) char *subject = object_info_subject(r->bucket, r->name);
			object_drop_subject(r->bus, r->bucket, subject);
		}
	}
	removed(r, e);
}

static void on_found(void *data, const struct object_info *info, const struct err *failed)
{
	struct removal *r = data;
	struct err e;

	if (failed) {
		removed(r, failed);
		return;
	}
	r->nuid = xstrdup(info->nuid);
	struct object_info gone = {.bucket = r->bucket,
							   .name = r->name,
							   .nuid = r->nuid,
							   .stored_wall_ns = clock_wall_ns(),
							   .deleted = true};
	if (object_write_info(r->bus, &gone, JS_API_TIMEOUT_MS, on_marked, r, removal_free, &e))
		removed(r, &e);
}

int object_delete(struct bus *b, const char *bucket, const char *name, bool forget,
				  object_on_done on_done, void *data, struct err *e)
{
	struct removal *r = xcalloc(1, sizeof(*r));

	*r = (struct removal){.bus = b,
						  .forget = forget,
						  .bucket = xstrdup(bucket),
						  .name = xstrdup(name),
						  .on_done = on_done,
						  .data = data};
	int rc = look(b, bucket, name, on_found, r, removal_free, NULL, e);
	if (rc)
		removal_free(r);
	return rc;
}
