/* A change of a lane's setting in the bucket `settings`, by compare-and-set. */
#pragma once

#include <jansson.h>

#include "router/router.h"

/*
 * Changes the setting (an object, empty where there was none) and returns true; false leaves it as
 * it is. It may be called several times, each time with what is there by then.
 */
typedef bool (*setting_edit)(void *data, json_t *setting);
/* setting: as it is now; borrowed. Exactly one of setting and e is given. */
typedef void (*setting_done)(void *data, const json_t *setting, const struct err *e);

/* Never calls back before it returns, and exactly once; not at all after the bus is closed. */
void setting_change(struct router *r, const char *lane, setting_edit edit, setting_done done,
					void *data);
/* At the end, behind the bus: frees what was under way. */
void setting_drop_all(struct router *r);
