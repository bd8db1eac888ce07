/*
 * api.heal.status and api.heal.run. Apart from heal.c, which knows nothing of
 * requests. Goes well: status is told at once, a run when its acts have ended.
 * Fails: no such check (400), a scaler that does not lead (503: who asks again
 * finds the one that does), too many runs (503).
 */
#include "common/codec.h"
#include "scaler/heal.h"

struct question {
	struct service_request *request;
	bool protobuf;
};

static bool wants_protobuf(struct service_request *r)
{
	const char *type = bus_msg_header(service_message(r), "Content-Type");

	return type && strcasestr(type, "protobuf");
}

static void answer(struct service_request *r, bool protobuf, const ProtobufCMessage *record)
{
	CLEANUP(buf_release) struct buf out = {0};

	if (protobuf)
		codec_pack(record, &out);
	else
		codec_to_json_text(record, CODEC_ALL, &out);
	service_reply(r, protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, out.data, out.len);
}

void heal_on_status(void *data, struct service_request *r)
{
	Millrace__HealStatus *s = heal_status(data);

	answer(r, wants_protobuf(r), &s->base);
	codec_free(&s->base);
}

static void refuse(struct service_request *r, const struct err *e)
{
	service_fail(r, e->code == ERR_INVALID || e->code == ERR_TOO_LARGE ? 400 : 503, "%s", e->text);
}

static void on_run(void *data, const Millrace__HealDone *done, const struct err *e)
{
	struct question *q = data;

	if (e)
		refuse(q->request, e);
	else
		answer(q->request, q->protobuf, &done->base);
	free(q);
}

static int read_request(struct bus_msg *m, ProtobufCMessage **ret, struct err *e)
{
	const ProtobufCMessageDescriptor *d = &millrace__heal_run__descriptor;
	const char *type = bus_msg_header(m, "Content-Type");

	if (bus_msg_len(m) == 0 && (!type || !strcasestr(type, "protobuf")))
		return codec_from_json_text(d, "{}", 2, 0, ret, e);
	return codec_decode(d, type, bus_msg_data(m), bus_msg_len(m), ret, e);
}

void heal_on_run(void *data, struct service_request *r)
{
	struct question *q = xcalloc(1, sizeof(*q));
	ProtobufCMessage *record = NULL;
	struct err e;
	int rc;

	*q = (struct question){r, wants_protobuf(r)};
	rc = read_request(service_message(r), &record, &e);
	if (rc == 0) {
		const Millrace__HealRun *run = (const Millrace__HealRun *)record;
		rc = heal_run(data, run->check, run->by, on_run, q, &e);
	}
	codec_free(record);
	if (rc < 0) {
		refuse(r, &e);
		free(q);
	}
}
