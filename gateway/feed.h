/* What becomes of tasks, as it is stored: /events?feed=tasks. A hub for each filter that somebody listens with. */
#pragma once

#include "gateway/http.h"

struct gateway;

#define FEED_BATCH_MAX 100 /* tasks of one event; of further ones the number */
#define FEED_FILTERS_MAX 32

struct feeds;
struct feeds *feeds_new(struct gateway *g);
/*
 * Answers r. type: NULL or "": all. states: comma-separated names; NULL or "": all; one that is none: 400. More than
 * FEED_FILTERS_MAX filters at once: 429.
 */
void feeds_listen(struct feeds *fs, struct http_request *r, const char *type, const char *states,
				  const char *last_id);
size_t feeds_listeners(const struct feeds *fs);
void feeds_end(struct feeds *fs);
/* Before the bus closes, the server being closed. NULL is fine. */
void feeds_free(struct feeds **fs);
