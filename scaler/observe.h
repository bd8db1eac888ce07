/*
 * What there is to do, lane by lane: one STREAM.LIST on work.> a look (256 lanes a page), and for lanes that hold
 * anything their consumers' counts. Which lanes are paused comes from the bucket `settings`.
 */
#pragma once

#include <uthash.h>

#include "common/bus.h"
#include "common/token.h"
#include "scaler/lag.h"

#define OBSERVE_LANES_MAX 4096

struct observed_lane {
	struct lane lane;
	struct lag lag;
	struct lag_state state;
	uint64_t by_class[CLASS_COUNT]; /* that wait */
	bool paused;
	unsigned look;                  /* the last in which it was there */
	UT_hash_handle hh;
};

struct observe;
struct observe *observe_new(struct bus *bus);
MUST_CHECK int observe_watch(struct observe *o, struct err *e);
bool observe_known(const struct observe *o); /* the settings were told whole */
/*
 * Looks; on_done runs once, with ok false where the broker did not answer (what is known stays as it was). A look that is still
 * under way is not begun again: false.
 */
bool observe_look(struct observe *o, void (*on_done)(void *data, bool ok), void *data);
/* NULL: none. Then ->hh.next. */
const struct observed_lane *observe_first(const struct observe *o);
const struct observed_lane *observe_find(const struct observe *o, const char *lane);
/* By the bucket `settings`, whether the lane is there or not. */
bool observe_paused(const struct observe *o, const char *lane);
void observe_stop(struct observe *o); /* before the bus closes */
void observe_free(struct observe **o);
