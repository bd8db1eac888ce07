/*
 * What a bridge takes on: types that no live native node serves, as the
 * bucket `nodes` tells. Their tasks become requests on handle.<type>, which
 * plain NATS subscribers answer.
 */
#pragma once

#include "node/node.h"

/* A native node not heard of for so long no longer counts. */
#define BRIDGE_NODE_LOST_MS 8000
/* Native nodes that start together with the bridge get so long to register. */
#define BRIDGE_GRACE_MS 2500
#define BRIDGE_NODES_MAX 10000

struct bridge;

/* on_change: what bridge_wants answers may have changed. */
MUST_CHECK int bridge_open(struct node *n, void (*on_change)(void *data), void *data,
						   struct bridge **ret, struct err *e);
void bridge_close(struct bridge **b);
bool bridge_wants(const struct bridge *b, const char *type);
