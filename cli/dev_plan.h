/*
 * What a private system consists of: its engines, its addresses, and the
 * command line of each component.
 */
#pragma once

#include "cli/dev_broker.h"
#include "cli/dev_component.h"
#include "cli/dev_postgres.h"
#include "cli/dev_system.h"

struct dev_plan {
	const struct dev_options *options;
	const char *dir;              /* absolute; borrowed */
	struct broker broker;
	struct postgres postgres;
	struct dev_ports ports;
	char *nats_url, *monitor_url, *database_url;
	char *http_url;               /* "": no gateway */
	char *env[4];                 /* what every component gets; ended by NULL */
	struct component *components; /* in the order in which they are shown */
	size_t n;
};

/*
 * Finds the engines, chooses ports, makes the database cluster where there is none (that takes a moment) and lists the
 * components. Release with plan_release, also after an error.
 */
MUST_CHECK int plan_make(struct dev_plan *p, const struct dev_options *o, const char *dir,
                         const char *notify_name, struct err *e);
void plan_release(struct dev_plan *p);

/* Another port for who could not have its own; addresses follow. Nothing for what listens on none. */
MUST_CHECK int plan_move(struct dev_plan *p, struct component *c, struct err *e);
