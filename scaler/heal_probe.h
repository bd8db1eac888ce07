/* What is asked and measured for health: the broker, the database, this host. */
#pragma once

#include "common/bus.h"
#include "scaler/heal_check.h"

struct heal_probe;
/* disks: NULL-terminated directories, borrowed. */
struct heal_probe *heal_probe_new(struct bus *bus, char *const *disks);
/* Asks broker and database, unless an answer is still awaited. */
void heal_probe_ask(struct heal_probe *p);
/* Measures this host; disks on a thread, since one that hangs must not stop us. */
void heal_probe_measure(struct heal_probe *p);
bool heal_probe_measuring(const struct heal_probe *p); /* a disk is still looked at */
/* As known now. */
struct heal_service heal_probe_broker(const struct heal_probe *p);
struct heal_service heal_probe_database(const struct heal_probe *p);
const struct heal_host *heal_probe_host(const struct heal_probe *p);
/* Before bus_close; then free, after it. */
void heal_probe_stop(struct heal_probe *p);
void heal_probe_free(struct heal_probe **p); /* NULL is fine */
