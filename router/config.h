/* What can be configured in a router: one table, with defaults. */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/daemon.h"

struct router_config {
	struct bus_config nats;
	struct daemon_config daemon;
	char *default_type;
	int64_t body_max_bytes;
	int64_t record_body_max_bytes;
	int64_t batch;
	int64_t in_flight;
	int64_t in_flight_bytes;
	int64_t lanes_max;
	int64_t hold_max;
	int64_t run_max;
	int64_t run_wait_ns;
	int64_t attempts;
	int64_t backoff_base_ns;
	int64_t backoff_max_ns;
	int64_t shed_low, shed_normal; /* percent */
	int64_t schedules_max;
	int64_t catch_up_max;
	int64_t breaker_failures;
	int64_t breaker_window_ns;
	int64_t breaker_pause_ns;
	int64_t breaker_pause_max_ns;
	int64_t breaker_probes;
	char *balance_default;
	char *balance_lanes;
	int64_t balance_max_load; /* percent */
	bool balance_projects;
	int64_t direct_wait_ns;
};

extern const struct config_program router_program;

/* What the table can't say: whether the default type may be a type. */
MUST_CHECK int router_config_check(const struct router_config *c, struct err *e);
