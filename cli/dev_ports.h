/*
 * Ports of a private system: free ones, chosen by the kernel the first time
 * and remembered in DIR/ports.json, so that an address stays the same from
 * one start to the next.
 */
#pragma once

#include "common/err.h"

struct dev_ports {
	int nats;
	int nats_monitor;
	int postgres;
	int http;
};

#define HTTP_PORT 8080 /* where people look for a gateway */

/*
 * Remembered ports where they are free still, others otherwise; what changed is written back.
 * http_port: > 0: this one or none (ERR_IO); 0: any; -1: HTTP_PORT where none is remembered and it is free.
 */
MUST_CHECK int ports_load(const char *dir, int http_port, struct dev_ports *ret, struct err *e);
/* Another port in the place of *which (one of ports'), since somebody else took it; written back. */
MUST_CHECK int ports_replace(const char *dir, struct dev_ports *ports, int *which, struct err *e);
