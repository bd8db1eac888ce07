/*
 * The live tap of results: a core publish, after the outcome is durable. It
 * fails only where nobody could do anything about it (the broker just left,
 * a reply subject that is none); the record is in the store.
 */
#include "node/result.h"

#include <stdio.h>

#include "common/log.h"

#define SUBJECT_MAX (sizeof("results..") + TOKEN_MAX + TASK_ID_MAX)

static void tell(const struct run *r, struct bus_out *out, const char *subject)
{
	struct err e;

	out->subject = subject;
	if (bus_publish(r->node->bus, out, &e))
		log_debug("result not told", LOG_S("task", r->task.id), LOG_S("error", e.text));
}

void result_tell(const struct run *r)
{
	const char *content_type = r->content_type ? r->content_type
							   : r->borrowed   ? r->task.content_type
											   : NULL;
	struct bus_header h[9] = {{H_TASK_ID, r->task.id},
							  {"Task-State", "completed"},
							  {"Task-Node", r->node->config->name},
							  {"Task-Lane", r->lane->lane.name}};
	char bytes[24];
	struct bus_out out = {
		.data = r->data ? r->data : "", .len = r->len, .headers = h, .nheaders = 4};
	char subject[SUBJECT_MAX];

	if (r->stop == RUN_CANCELLED) {
		h[1].value = "cancelled";
		h[out.nheaders++] = (struct bus_header){"Nats-Service-Error-Code", "409"};
		h[out.nheaders++] = (struct bus_header){"Nats-Service-Error", r->error};
	}
	if (content_type)
		h[out.nheaders++] = (struct bus_header){H_CONTENT_TYPE, content_type};
	if (r->result_object) {
		snprintf(bytes, sizeof(bytes), "%llu", (unsigned long long)r->result_bytes);
		h[out.nheaders++] = (struct bus_header){H_RESULT_OBJECT, r->result_object};
		h[out.nheaders++] = (struct bus_header){H_RESULT_BYTES, bytes};
	}
	snprintf(subject, sizeof(subject), "results.%s.%s", r->lane->lane.type, r->task.id);
	tell(r, &out, subject);
	if (r->task.reply_to)
		tell(r, &out, r->task.reply_to);
}
