/*
 * DIR/dev.json: what runs, written by the supervisor at every change, read
 * by `dev status`, `env`, `stop` and by whoever started it. It holds the
 * database's password and is readable by its owner alone.
 */
#pragma once

#include <jansson.h>

#include "cli/dev_component.h"
#include "common/err.h"

struct dev_facts {
	pid_t pid;
	const char *dir;
	const char *nats_url, *database_url;
	const char *monitor_url;
	const char *http_url; /* of the gateway; "": there is none */
	const char *control; /* where `dev stop NAME` speaks to */
	bool ready;
	const struct component *components;
	size_t n;
};

MUST_CHECK int record_save(const struct dev_facts *f, struct err *e);
/*
 * Returns owned; ERR_NOT_FOUND: no supervisor lives in dir, or it has nothing to tell yet (what one
 * before it left behind does not count).
 */
MUST_CHECK int record_load(const char *dir, json_t **ret, struct err *e);
void record_remove(const char *dir);

/* Ends the processes that a killed supervisor's record names and that live still. The caller holds the lock. */
void record_end_leftovers(const char *dir);

/* The record as `dev status` prints it for people. */
void record_print(const json_t *record, bool terminal);
