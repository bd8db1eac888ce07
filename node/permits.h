/*
 * The limits of one served lane that all of its nodes share: rate,
 * concurrency, concurrency per key (`Task-Project`). What this node may take
 * of it is held in the bucket `limits` (permit_book.h); the puller asks the
 * broker for no more than that, so that a limit costs no bouncing. Only a key
 * is known no sooner than its task is here: where there is no place for it,
 * a few wait here, and the rest goes back for later, no attempt spent.
 */
#pragma once

#include "common/lane_setting.h"
#include "node/run.h"

#define PERMITS_BEAT_MS 2000
/* A holder that did not show itself for so long has lost its places; its tasks moved by then. */
#define PERMITS_DEAD_MS 8000

struct permits;

/* Of all, which is the puller's list; limits nothing yet. It stays there, also when its lane goes. */
struct permits *permits_get(struct permits **all, struct node *n, const char *lane);
/* Before the bus closes. */
void permits_close_all(struct permits *all);
/* Nothing may be under way any more: behind the bus. */
void permits_free_all(struct permits **all);
/* What is set now; nothing set: it limits nothing. running: of the lane on this node. */
void permits_set(struct permits *pm, const struct lane_setting *set, unsigned running);
/* It limits something. */
bool permits_active(const struct permits *pm);

/*
 * Before each plan: running and asked for as they stand, and how many more could be begun here now.
 * Returns how many of these may be asked for; more is fetched, and the puller called, when there is.
 */
unsigned permits_plan(struct permits *pm, unsigned running, unsigned asked, unsigned wanted);
/* Asks whether anything waits; tells the puller (puller_found). Costs no token. idle: at once. */
void permits_look(struct permits *pm, bool idle);
/* A delivery came. False: there is no place for it (it was asked for before the limit). */
bool permits_take(struct permits *pm, unsigned running);
/* Before a run is started. False: it waits here and is started later, or it went back. */
bool permits_enter(struct permits *pm, struct run *r);
/* It runs already, whatever the limit. */
void permits_enter_running(struct permits *pm, struct run *r);
/* A run ended, in whatever way. */
void permits_leave(struct permits *pm, struct run *r);
