/* What the broker does alone, to compare with: the same bodies through one stream, and through the bare hops. */
#pragma once

#include "cli/cli.h"

/* Publishes count bodies to a work-queue stream on file and takes them with pulls and acks; messages a second. */
MUST_CHECK int bench_broker_only(struct cli *c, size_t count, size_t size_bytes, double *ret_per_s, struct err *e);

/*
 * Runs the program bare_pipeline beside ours (tests/bench) on the broker of c. ERR_NOT_FOUND: it was not built.
 * Its words go to log_path.
 */
MUST_CHECK int bench_bare_pipeline(struct cli *c, size_t count, size_t size_bytes, const char *log_path,
                                   double *ret_per_s, struct err *e);
