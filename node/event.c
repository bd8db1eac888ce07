/*
 * How a node says things on events.*: protobuf with an id that a repetition
 * keeps, so that the broker's dedupe makes one of two.
 */
#include "node/event.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"

void event_id(struct node *n, char out[EVENT_ID_MAX])
{
	snprintf(out, EVENT_ID_MAX, "%s-%" PRIu64, n->instance, ++n->events);
}

static void on_ignored(void *data, const struct js_puback *ack, const struct err *e)
{
	(void)data;
	(void)ack;
	if (e)
		log_debug("event not stored", LOG_S("error", e->text));
}

int event_publish(struct node *n, const char *subject, const char id[EVENT_ID_MAX],
				  const void *data, size_t len, int64_t deadline_ms, js_on_puback on_puback,
				  void *arg, struct err *e)
{
	const struct bus_header h[] = {{H_MSG_ID, id}, {H_CONTENT_TYPE, CONTENT_PROTOBUF}};
	const struct bus_out out = {
		.subject = subject, .data = data, .len = len, .headers = h, .nheaders = ARRAY_LEN(h)};

	return js_publish(n->bus, &out, deadline_ms, on_puback ? on_puback : on_ignored, arg, e);
}
