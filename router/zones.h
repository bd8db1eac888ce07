/* The system's tz database: zones by name, read at their first use and kept. */
#pragma once

#include "router/zone.h"

struct zones;

struct zones *zones_new(void);
void zones_free(struct zones **zs);

/*
 * "" and "UTC" need no file. *ret is borrowed until zones_forget. ERR_INVALID: that is no name of a
 * zone; ERR_NOT_FOUND: the system has no such zone (or no tz database; the words say where it
 * looked).
 */
MUST_CHECK int zones_get(struct zones *zs, const char *name, const struct zone **ret,
						 struct err *e);
/* All are read anew at their next use: the database may have been updated. */
void zones_forget(struct zones *zs);
