/* The kinds of handlers, by the names that a configuration file calls them. */
#pragma once

#include "node/handler.h"

extern const struct handler_kind kind_echo, kind_sleep, kind_fail, kind_flaky; /* builtin.c */
extern const struct handler_kind kind_hash;    /* hash.c */
extern const struct handler_kind kind_stats;   /* stats_kind.c */
extern const struct handler_kind kind_exec;    /* exec.c */
extern const struct handler_kind kind_worker;  /* worker.c */
extern const struct handler_kind kind_service; /* service.c */
extern const struct handler_kind kind_http;    /* http.c */
