#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/daemon.h"
#include "gateway/access.h"
#include "gateway/http.h"

struct gateway_config {
	struct bus_config nats;
	struct daemon_config daemon;
	struct http_config http;
	struct access_config access;
	int64_t ask_timeout_ns;
	int64_t streams_max; /* of /events */
	int64_t sla_target_ns, sla_window_ns;
	char *default_type; /* of a task that names none */
};

extern const struct config_program gateway_program;
/* What the table cannot check. */
MUST_CHECK int gateway_config_check(const struct gateway_config *c, struct err *e);
