/*
 * What healing can do, done beside the loop. Whether it may is decided before
 * (heal.c): what is asked for here is done.
 */
#pragma once

#include "common/bus.h"
#include "common/roster.h"
#include "scaler/heal_check.h"
#include "scaler/heal_config.h"

struct heal_actions;

struct heal_hooks {
	struct roster *roster; /* borrowed */
	/*
	 * Starts a new process in place of that node, which a scaler started and which says nothing. 0: it is under way,
	 * and the scaler's own history tells on. NULL: there are no means for it.
	 */
	int (*restart_node)(void *data, const char *node, struct err *e);
	/* Drains a node that a scaler started, for good: whether it is one of those. Others are asked by ctl.node.*. Or NULL. */
	bool (*quarantine)(void *data, const char *node, const char *why);
	void *data;
};

/* The argument is borrowed for its life. ERR_INVALID: a command that is none. */
MUST_CHECK int heal_actions_new(const struct heal_config *c, bool drop_page_cache, struct bus *bus,
								const struct heal_hooks *hooks, struct heal_actions **ret,
								struct err *e);
/* HEAL_BIT of those that there are means for. */
unsigned heal_actions_can(const struct heal_actions *a);

/* reason: a sentence, borrowed; ok or not. */
typedef void (*heal_on_done)(void *data, bool ok, const char *reason, int64_t took_ms);
/*
 * Does it about f (borrowed for the call), then on_done, once, never before this returned. json: the event that an
 * alert's command reads. Restarts run one at a time, and so do alerts' commands; the others at once. Over
 * HEAL_ACTIONS_MAX under way it fails at once, with that reason.
 */
#define HEAL_ACTIONS_MAX 256u
void heal_actions_run(struct heal_actions *a, enum heal_action action, const struct heal_finding *f,
					  const char *json, heal_on_done on_done, void *data);
/* No on_done runs after it; before bus_close. Commands that run go on by themselves. */
void heal_actions_stop(struct heal_actions *a);
/* After bus_close. NULL is fine. */
void heal_actions_free(struct heal_actions **a);
