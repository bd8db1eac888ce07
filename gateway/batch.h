/* Many tasks in one request. */
#pragma once

#include "gateway/gateway.h"

/*
 * Takes over r. text: a JSON list of specs, or (ndjson) one a line. Each is accepted or refused by itself; the answer
 * tells of each, in order, once all accepted ones are durable. Borrowed until then: it is r's, or kept by the caller.
 */
void batch_submit(struct gateway *g, struct http_request *r, const char *text, size_t len,
				  bool ndjson);
