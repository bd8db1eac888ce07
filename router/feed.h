/*
 * A pull consumer that is asked again and again, as far as there is room.
 * Built on js_pull: one request under way; asked anew when it ends, with
 * patience where it ends badly.
 */
#pragma once

#include "router/router.h"
#include "common/jetstream.h"

struct feed;

struct feed_config {
	const char *stream, *consumer;
	unsigned batch;
	int64_t expires_ms; /* of a request that waits */
	size_t max_bytes;   /* of one request; 0: none */
	/* How many may come now; 0: none until feed_poke. */
	unsigned (*room)(void *data);
	void (*on_msg)(void *data, struct bus_msg **m, const struct js_meta *meta);
	/* The consumer had no (more) messages within expires. True: the feed was closed, or is not to
	 * ask on. NULL-able. */
	bool (*on_empty)(void *data);
	/*
	 * Nobody answered, or the consumer was deleted: with no request under way when that happened,
	 * the two look alike. Returns as above. NULL: asked again for ever.
	 */
	bool (*on_lost)(void *data);
	void *data;
};

MUST_CHECK int feed_open(struct router *r, const struct feed_config *c, struct feed **ret,
						 struct err *e);
/* Asks if nothing is asked and there is room. */
void feed_poke(struct feed *f);
/* Not from on_msg. */
void feed_close(struct feed **f);
