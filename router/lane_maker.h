/* Makes one lane at the broker: its stream, its three consumers, its key in `lanes`. */
#pragma once

#include "common/bus.h"
#include "common/token.h"

struct lane_templates;

/* Reads the declared stream and consumer of a lane. */
MUST_CHECK int lane_templates_new(struct lane_templates **ret, struct err *e);
void lane_templates_free(struct lane_templates **t);
/* Messages that a lane may hold where nothing else is set. */
uint64_t lane_templates_limit(const struct lane_templates *t);
/* How many servers are to keep each lane that is made from here on. */
void lane_templates_replicas(struct lane_templates *t, int64_t n);

/* e NULL: it is there, with all three consumers, and `lanes` says so. */
typedef void (*on_lane_made)(void *data, const struct err *e);
/* What is there already is left as it is. limit: messages that it may hold; 0: as declared. */
MUST_CHECK int lane_maker_start(struct bus *bus, const struct lane_templates *t,
								const struct lane *lane, uint64_t limit, on_lane_made on_made,
								void *data, struct err *e);
