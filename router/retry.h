/*
 * What holds for a task that is tried again: its rule, its place on the lane,
 * the nodes that it had better not meet.
 */
#pragma once

#include "router/router.h"
#include "common/submission.h"

/* The task's headers win over what is configured for its type, that over retry.*. */
struct retry_rule retry_rule_of(const struct router *r, const struct submission *s);
/* What is configured for its type and its publisher did not say: the timeout. */
void retry_complete(const struct router *r, struct submission *s);

/*
 * The class that it waits in: one above its own priority once an attempt was
 * spent, so that it does not wait behind all that came since.
 */
enum task_class retry_class(const struct submission *s);

/*
 * node (NULL-able) failed it: s->avoid becomes those that did, as far as another that is live
 * serves the lane; none where node is the only one. Kept with the submission.
 */
void retry_avoid(const struct router *r, struct submission *s, const char *node);
/*
 * Came back untried. Where the node that it was placed on could not begin it, it goes to whoever pulls:
 * placed once more it might meet that node again, and again.
 */
void retry_returned(struct submission *s, const char *reason);
