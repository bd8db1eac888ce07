/* Whether a consumer is through with what its stream had up to a moment. */
#pragma once

#include "common/jetstream.h"

/* e: the broker did not say. */
typedef void (*caught_up_fn)(void *data, bool passed, const struct err *e);

struct caught_up {
	struct bus *bus;
	const char *stream, *consumer;
	uint64_t upto;    /* the stream's last sequence of the moment */
	uint64_t waiting; /* what the consumer says of itself, later messages included; for people */
	caught_up_fn on_answer;
	void *data;
};
/* One look: on_answer is called once, unless this fails. Embedded; it has to stay until then. */
MUST_CHECK int caught_up_look(struct caught_up *c, struct err *e);
