/* `millrace doctor`, in its parts: each looks at one thing and adds findings. */
#pragma once

#include "cli/cli.h"
#include "common/lane_diagnose.h"

enum finding { FINDING_OK, FINDING_WARNING, FINDING_WRONG };

struct doctor {
	struct cli *cli;
	json_t *findings; /* {"state","check","detail","remedy"} */
	unsigned wrong, warnings;
	unsigned routers, stores, nodes, scalers, gateways; /* that answered $SRV.PING */
};

/* remedy may be NULL. */
void doctor_add(struct doctor *d, enum finding state, const char *check, const char *remedy,
				const char *fmt, ...) PRINTF_LIKE(5, 6);

/* The broker, JetStream, and whether everything declared is there and equal. False: no broker,
 * nothing else can be looked at. */
bool doctor_broker(struct doctor *d);
/* Which components answer. */
void doctor_components(struct doctor *d);
/* Lanes without a node, lanes that pile up, streams that nobody drains, error rates. */
void doctor_work(struct doctor *d);
/* Tasks that came back unspent and wait to be tried again. */
void doctor_deferred(struct doctor *d);
/* Tasks that wait for a node that they need. */
void doctor_direct(struct doctor *d);
/* Pools that have not the nodes that they should. */
void doctor_scaler(struct doctor *d);
/* The gateway at MILLRACE_HTTP, where that is set. */
void doctor_gateway(struct doctor *d);
/* PostgreSQL and its schema. */
void doctor_database(struct doctor *d);
