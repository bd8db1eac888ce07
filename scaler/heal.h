/*
 * Self-healing: looks at hosts, nodes, broker and database, and does what the
 * illness asks for, within its permissions. Everything that is done, denied
 * or well again is an event in the history.
 *
 * Only the scaler that leads acts. One exception: while the broker, and so the
 * lease, is away, the one that led last may restart the broker.
 */
#pragma once

#include "common/service.h"
#include "proto/scale.pb-c.h"
#include "scaler/heal_actions.h"
#include "scaler/heal_config.h"

struct heal;

/* name: this scaler's. c, hooks and bus are borrowed for its life. ERR_INVALID: a permission or a command that is none. */
MUST_CHECK int heal_new(const struct heal_config *c, struct bus *bus,
						const struct heal_hooks *hooks, const char *name, struct heal **ret,
						struct err *e);
/* Whether this scaler leads, and since which epoch; repeats are fine. */
void heal_lead(struct heal *h, bool leading, uint64_t epoch);
bool heal_leads(const struct heal *h);

/* What every check says, and what is permitted. Returns owned (codec_free). */
Millrace__HealStatus *heal_status(const struct heal *h);

/* All events of the run, the last of them its own; borrowed. NULL: we lead no more, or stop; it is the service's to answer. */
typedef void (*heal_on_run_done)(void *data, const Millrace__HealDone *done);
/*
 * Looks now and acts at once. check: "" or "all" for all. ERR_INVALID: no such check; ERR_CONFLICT: we do not lead;
 * ERR_FULL: too many such runs. on_done, once, never before this returned, when all acts have ended.
 */
MUST_CHECK int heal_run(struct heal *h, const char *check, const char *by, heal_on_run_done on_done,
						void *data, struct err *e);

/* Endpoints api.heal.status and api.heal.run; data: the struct heal. For the scaler that leads. */
void heal_on_status(void *data, struct service_request *r);
void heal_on_run(void *data, struct service_request *r);

/* Events that wait for the broker. */
size_t heal_waiting(const struct heal *h);

/* No callback after it; just before service_close and bus_close. */
void heal_stop(struct heal *h);
/* After bus_close. NULL is fine. */
void heal_free(struct heal **h);
