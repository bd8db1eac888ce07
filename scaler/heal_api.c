/*
 * api.heal.status and api.heal.run. Apart from heal.c, which knows nothing of
 * requests. Goes well: status is told at once, a run when its acts have ended.
 * Fails: no such check (400), a scaler that does not lead (409: who asks again
 * finds the one that does), too many runs (503).
 */
#include "common/request.h"
#include "scaler/heal.h"

struct question {
	struct service_request *request;
	bool protobuf;
};

void heal_on_status(void *data, struct service_request *r)
{
	Millrace__HealStatus *s = heal_status(data);

	request_answer(r, &s->base);
	codec_free(&s->base);
}

static void on_run(void *data, const Millrace__HealDone *done)
{
	struct question *q = data;

	if (done)
		request_answer_as(q->request, q->protobuf, &done->base);
	free(q);
}

void heal_on_run(void *data, struct service_request *r)
{
	struct question *q = xcalloc(1, sizeof(*q));
	ProtobufCMessage *record = NULL;
	struct err e;
	int rc = request_read_named(service_message(r), &millrace__heal_run__descriptor, "check",
								&record, &e);

	*q = (struct question){r, request_protobuf(service_message(r))};
	if (rc == 0) {
		const Millrace__HealRun *run = (const Millrace__HealRun *)record;
		rc = heal_run(data, run->check, run->by, on_run, q, &e);
	}
	codec_free(record);
	if (rc < 0) {
		request_refuse(r, &e);
		free(q);
	}
}
