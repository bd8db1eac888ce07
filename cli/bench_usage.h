/*
 * What each component of a private system has used so far: processor time
 * of its whole process tree and resident memory, from /proc.
 */
#pragma once

#include <jansson.h>

#include "common/base.h"

#define USAGE_MAX 8

struct usage_one {
	char name[16];    /* "broker", "postgresql", "router", "store", "node" (all nodes together) */
	double cpu_us;
	double rss_mib;   /* of postgresql the proportional share: its processes have their buffers in common */
};
struct usage {
	struct usage_one one[USAGE_MAX];
	size_t n;
};

/* components: of the record of `millrace dev`. Without it (a system elsewhere) n is 0. */
void usage_take(const json_t *components, struct usage *ret);

/* {name: (after - before) / tasks}, rounded to 0.1 µs. Returns owned. */
json_t *usage_cpu_json(const struct usage *before, const struct usage *after, double tasks);
/* {name: MiB}. Returns owned. */
json_t *usage_rss_json(const struct usage *u);
