/* Where a request says it comes from, and whom it thinks it asks: rules for names in Host and Origin. Pure. */
#pragma once

#include "common/base.h"

/*
 * Whether a Host header names us: a loopback name or address, the host of http.listen, or one of the
 * comma-separated list (may be NULL). A page of a stranger whose name was made to point at this machine (DNS
 * rebinding) has the stranger's name there.
 */
bool origin_host_ok(const char *host, const char *listen, const char *list);
bool origin_host_is_loopback(const char *host);
/* Whether an Origin header is the page that this very host serves. */
bool origin_is_host(const char *origin, const char *host);
