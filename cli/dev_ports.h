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

/* Remembered ports where they are free still, others otherwise; what changed is written back. */
MUST_CHECK int ports_load(const char *dir, struct dev_ports *ret, struct err *e);
/* Another port in the place of *which (one of ports'), since somebody else took it; written back. */
MUST_CHECK int ports_replace(const char *dir, struct dev_ports *ports, int *which, struct err *e);
