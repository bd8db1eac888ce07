/* Between the files of `millrace dead …`. */
#pragma once

#include "cli/canary.h"
#include "cli/cli.h"
#include "common/token.h"

/* ---- which letters; dead.c ---- */

/* --type, --fingerprint, --all, --since as a DeadSelect (returns owned). ERR_INVALID names the
 * flag. */
MUST_CHECK int dead_selection(const struct cli *c, json_t **ret, struct err *e);
/*
 * Asks api.dead.<verb> page after page until its answers have no cursor, or each says so (not 0);
 * each borrows the answer and may change request. What the broker or router did not answer is asked
 * again for a while.
 */
MUST_CHECK int dead_pages(struct cli *c, const char *verb, json_t *request,
						  int (*each)(void *data, json_t *answer, json_t *request), void *data,
						  struct err *e);
/* One such answer. */
MUST_CHECK int dead_ask(struct cli *c, const char *verb, json_t *request, json_t **ret,
						struct err *e);
/* How many letters the selection has now. */
MUST_CHECK int dead_count(struct cli *c, const json_t *selection, uint64_t *ret, struct err *e);

/* ---- `dead replay`, `dead discard`; dead_work.c ---- */

int run_dead_replay(struct cli *c, int argc, char **argv);
int run_dead_discard(struct cli *c, int argc, char **argv);

/* ---- how replayed tasks end; dead_outcomes.c ---- */

struct outcomes;
MUST_CHECK int outcomes_open(struct cli *c, struct outcomes **ret, struct err *e);
void outcomes_close(struct outcomes **o);
/* item: of a DeadDone. Its end is counted in the tally from now on. */
void outcomes_await(struct outcomes *o, const json_t *item);
/* A new stage: nothing is counted yet. */
void outcomes_reset(struct outcomes *o);
struct canary_tally outcomes_tally(const struct outcomes *o);
/* A task that died of the failure it had died of, or else of another; "" while there is none. */
const char *outcomes_example(const struct outcomes *o);
/*
 * Waits until the verdict is not CANARY_WAIT, or fewer than few are still awaited. ERR_TIMEOUT
 * after timeout_ms, ERR_CLOSED after Ctrl-C.
 */
MUST_CHECK int outcomes_wait(struct outcomes *o, uint64_t few, int64_t timeout_ms,
							 enum canary_verdict *ret, struct err *e);
