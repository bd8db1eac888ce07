/*
 * The files of this folder, embedded at build time, so that a binary alone
 * can set up a broker and the router can make lanes as declared here.
 */
#pragma once

#include <stddef.h>

struct declared {
	const char *path; /* "streams/TASKS.json", "consumers/TASKS/router.json", "kv/nodes.json", "server.conf" */
	const char *text; /* NUL-terminated */
	size_t len;
};

extern const struct declared declared_files[];
extern const size_t declared_count;

/* NULL: no such file. "streams/lane.json" and "consumers/lane.json" are templates for lanes. */
const struct declared *declared_find(const char *path);
