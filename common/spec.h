/*
 * A task spelled out on the bare subject `tasks`: JSON, a structured
 * CloudEvent, or a TaskSpec in protobuf. Pure.
 */
#pragma once

#include "common/submission.h"

/* What it says, in the terms of tasks.<type> and headers. Texts are kept in *kept of spec_read, or
 * are the body's. */
struct spec {
	const char *type;   /* NULL: not given */
	const char *msg_id; /* an id that need not fit a task's (a CloudEvent's) */
	const void *body;
	size_t body_len;
	struct bus_header *headers;
	size_t nheaders;
	size_t cap;
};

/* ERR_INVALID: a sentence with what is wrong and what would be right. */
MUST_CHECK int spec_read(const char *content_type, const void *body, size_t len, struct keep **kept,
						 struct spec *ret, struct err *e);

/* For the readers of the three forms. */
void spec_add_header(struct spec *s, struct keep **kept, const char *name, const char *value);
MUST_CHECK int spec_read_json(const char *text, size_t len, struct keep **kept, struct spec *ret,
							  struct err *e);
