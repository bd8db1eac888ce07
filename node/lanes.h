/*
 * Which lanes this node serves: those in the bucket `lanes` whose type it has
 * a handler for and whose capabilities it has; a bridge also those that no
 * native node serves. Tells the puller.
 */
#pragma once

#include "node/node.h"

/* Lanes of the bucket that are remembered; what is beyond is not served. */
#define LANES_KNOWN_MAX 20000

struct lanes;

/* Watches the buckets; they must exist. */
MUST_CHECK int lanes_open(struct node *n, struct lanes **ret, struct err *e);
void lanes_close(struct lanes **l);
/* The types that this node serves are others now. */
void lanes_review(struct lanes *l);
/* The handler for a lane that is served here, whether the bucket has it or not; else NULL. */
struct handler *lanes_handler(const struct lanes *l, const struct lane *lane);
/* All lanes of the bucket have been told once. */
bool lanes_known(const struct lanes *l);
