/* What is not to run here, or not to run on: the bucket `cancels`, seen from a node. */
#pragma once

#include "node/run.h"

/* Watches; calls on_known once all markers have been told for the first time. */
MUST_CHECK int cancel_watch(struct node *n, void (*on_known)(struct node *n), struct err *e);
void cancel_close(struct node *n);
/* Why a delivery is not to be begun; RUN_GOES_ON: it is. */
enum run_stop cancel_of(const struct run *r);
