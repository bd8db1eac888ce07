/*
 * The supervisor: starts a private system in order, keeps it running, ends
 * it in order. One per directory; it lives exactly as long as dev_system_run.
 */
#pragma once

#include "cli/cli.h"

struct dev_options {
	const char *dir;        /* as given */
	unsigned nodes;
	unsigned slots;         /* of each node; 0: the node's default */
	const char *handlers;   /* a handlers file for all nodes, or NULL */
	bool bridge;            /* a node for handlers that are plain NATS subscribers, too */
	bool scaler;            /* starts further nodes when there is much to do */
	unsigned max_nodes;     /* of its pool `default`, those above included */
	const char *scaler_config; /* a file for it instead of that pool, or NULL */
	bool gateway;           /* HTTP and the dashboard */
	int http_port;          /* of the gateway: this one and no other; 0: any free one; -1: 8080 where it is free */
	const char **gateway_words; /* more for its command line, ended by NULL; or NULL; owned by the caller */
	unsigned load_per_s;    /* 0: no load */
};

/*
 * Runs until it is asked to end (SIGINT, SIGTERM, SIGHUP, `dev stop`). EXIT_OK then; EXIT_FAILED with a sentence on
 * stderr where the system could not be started. Tells NOTIFY_SOCKET when everything is ready.
 */
int dev_system_run(struct cli *c, const struct dev_options *o);
