/* A task's result, or its body, as bytes. */
#pragma once

#include "gateway/gateway.h"

/*
 * Answers r with the bytes of member key ("result", "body") of a task as the store tells it, wherever they
 * lie. Never as something that a browser would run in our name.
 */
void result_reply(struct gateway *g, struct http_request *r, const json_t *task, const char *key);
