/*
 * What the configuration says about types of tasks: the section `types:` of
 * the file. What it does not say is as for all types.
 */
#pragma once

#include "common/config.h"
#include "router/policy.h"

struct types;

/* file may be NULL. Errors name path and line. */
MUST_CHECK int types_read(const struct doc *file, const char *path, struct types **ret,
						  struct err *e);
void types_free(struct types **ts); /* NULL is fine */

/* Changes what is said for that type, and leaves the rest. */
void types_retry(const struct types *ts, const char *type, struct retry_rule *io);
/* 0: nothing is said. */
int64_t types_timeout_ns(const struct types *ts, const char *type);
