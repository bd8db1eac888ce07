/*
 * Single messages of DEAD. It stands alone as the edge to direct get, to the
 * deletion of a message and to the store's hint. What is gone is told as
 * such, not as a failure: two operators may have the same letter in hand.
 */
#include "router/dead_fetch.h"

#include <stdio.h>

#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "proto/api.pb-c.h"

#define FETCH_MS 3000
#define HINT_MS 1000
/* "message delete failed: no message found", "sequence … not found" */
#define JS_ERR_MSG_DELETE_FAILED 10057
#define JS_ERR_SEQUENCE_NOT_FOUND 10043

static void on_message(void *data, struct bus_msg **m, const struct err *failed)
{
	struct dead_call *c = data;
	struct letter_message lm = {0};
	struct letter l;
	struct err e = {0};

	if (failed) {
		e = *failed;
		if (failed->code == ERR_NOT_FOUND)
			err_set(&e, ERR_UNREACHABLE,
					"DEAD answers no direct get: is the broker set up (millrace setup)?");
	} else if (bus_msg_status(*m) == 404) {
		err_set(&e, ERR_NOT_FOUND, "there is no such dead letter any more");
	} else if (bus_msg_status(*m)) {
		err_set(&e, ERR_FAILED, "reading DEAD: %d %s", bus_msg_status(*m), bus_msg_status_text(*m));
	} else {
		const char *seq = bus_msg_header(*m, "Nats-Sequence"),
				   *subject = bus_msg_header(*m, "Nats-Subject"),
				   *stored = bus_msg_header(*m, "Nats-Time-Stamp");
		lm.subject = subject ? subject : "";
		lm.seq = seq ? strtoull(seq, NULL, 10) : 0;
		if (!stored || time_parse(stored, &lm.stored_wall_ns, NULL))
			lm.stored_wall_ns = 0;
		lm.headers = bus_msg_headers(*m, &lm.nheaders);
		lm.body_len = bus_msg_len(*m);
		letter_read(&lm, &l);
	}
	c->on_fetched(c->data, e.code ? NULL : m, &lm, &l, e.code ? &e : NULL);
}

int dead_fetch(struct router *r, uint64_t seq, struct dead_call *c, dead_on_fetched on_fetched,
			   void *data, struct err *e)
{
	char body[40];

	c->on_fetched = on_fetched;
	c->data = data;
	int len = snprintf(body, sizeof(body), "{\"seq\":%llu}", (unsigned long long)seq);
	struct bus_out out = {.subject = "$JS.API.DIRECT.GET.DEAD", .data = body, .len = (size_t)len};
	return bus_request(r->bus, &out, FETCH_MS, on_message, c, NULL, e);
}

static void on_task(void *data, struct bus_msg **m, const struct err *failed)
{
	struct dead_call *c = data;
	ProtobufCMessage *record = NULL;
	uint64_t seq = 0;
	struct err e;

	if (!failed && !bus_msg_header(*m, "Nats-Service-Error-Code") &&
		codec_unpack(&millrace__task__descriptor, bus_msg_data(*m), bus_msg_len(*m), &record, &e) ==
			0) {
		seq = ((const Millrace__Task *)record)->dead_seq;
		codec_free(record);
	}
	c->on_hint(c->data, seq);
}

int dead_hint(struct router *r, const char *task_id, struct dead_call *c, dead_on_hint on_hint,
			  void *data, struct err *e)
{
	Millrace__TaskGet get = MILLRACE__TASK_GET__INIT;
	CLEANUP(buf_release) struct buf body = {0};
	struct bus_header h = {"Content-Type", CONTENT_PROTOBUF};

	c->on_hint = on_hint;
	c->data = data;
	get.id = (char *)task_id;
	codec_pack(&get.base, &body);
	struct bus_out out = {.subject = "api.task.get",
						  .data = body.data,
						  .len = body.len,
						  .headers = &h,
						  .nheaders = 1};
	return bus_request(r->bus, &out, HINT_MS, on_task, c, NULL, e);
}

static void on_removed(void *data, const json_t *reply UNUSED, int server_code, const struct err *e)
{
	struct dead_call *c = data;
	bool gone = e && (e->code == ERR_NOT_FOUND || server_code == JS_ERR_SEQUENCE_NOT_FOUND ||
					  (server_code == JS_ERR_MSG_DELETE_FAILED &&
					   (strstr(e->text, "not found") || strstr(e->text, "no message"))));

	c->on_removed(c->data, gone ? NULL : e);
}

int dead_remove(struct router *r, uint64_t seq, struct dead_call *c, dead_on_removed removed,
				void *data, struct err *e)
{
	json_t *body = json_pack("{s:I, s:b}", "seq", (json_int_t)seq, "no_erase", 1);

	c->on_removed = removed;
	c->data = data;
	int rc = js_api(r->bus, "STREAM.MSG.DELETE.DEAD", body, on_removed, c, e);
	json_decref(body);
	return rc;
}
