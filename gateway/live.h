/* The picture of the whole system that the page shows: kept while somebody looks, told as a snapshot and what changed since. */
#pragma once

#include "gateway/hub.h"
#include "gateway/sampler.h"

#define LIVE_POINTS_MAX 600 /* seconds of history */

struct live;
struct live *live_new(struct gateway *g);
/* Answers r with the stream. */
void live_listen(struct live *l, struct http_request *r, const char *last_id);
/* fn runs once the picture is there, which takes at most three seconds; not before this returned. */
void live_when_known(struct live *l, void (*fn)(void *data), void *data);
/* From then on, for a while: api.node.performance too. */
void live_want_performance(struct live *l);
/* The snapshot as /events gives it; owned. */
json_t *live_snapshot(const struct live *l);
/* Pieces of it, borrowed. */
const json_t *live_health(const struct live *l);
const json_t *live_overview(const struct live *l);
const struct sampler *live_sampler(const struct live *l);
size_t live_listeners(const struct live *l);
/* The broker came (why NULL) or went. */
void live_broker(struct live *l, const char *why);
/* Ends the streams. */
void live_end(struct live *l);
/* Before the bus closes, the server being closed; then free. NULL is fine for both. */
void live_stop(struct live *l);
void live_free(struct live **l);
