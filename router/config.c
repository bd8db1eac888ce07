/* The router's configuration: one table. What each key means stands in its help. */
#include "router/config.h"

#include "common/token.h"
#include "router/balance_rules.h"

static const struct config_key keys[] = {
	BUS_CONFIG_KEYS(struct router_config, nats),
	DAEMON_CONFIG_KEYS(struct router_config, daemon),
	{"tasks.default_type", CONFIG_STRING, offsetof(struct router_config, default_type), "default",
	 "type of a task on `tasks` that names none; empty: such a task is a dead letter"},
	{"tasks.body_max", CONFIG_SIZE, offsetof(struct router_config, body_max_bytes), "1MiB",
	 "largest body of a task", NULL, 1, 64 << 20},
	{"record.body_max", CONFIG_SIZE, offsetof(struct router_config, record_body_max_bytes), "1MiB",
	 "largest body that is kept with the task's row", NULL, 0, 64 << 20},
	{"inbox.batch", CONFIG_INT, offsetof(struct router_config, batch), "1000",
	 "most tasks asked for at once", NULL, 1, 10000},
	{"inbox.in_flight", CONFIG_INT, offsetof(struct router_config, in_flight), "8192",
	 "most tasks between TASKS and their lanes", NULL, 16, 20000},
	{"inbox.bytes", CONFIG_SIZE, offsetof(struct router_config, in_flight_bytes), "64MiB",
	 "most bytes of them", NULL, 4 << 20, INT64_C(16) << 30},
	{"lanes.max", CONFIG_INT, offsetof(struct router_config, lanes_max), "2000",
	 "most lanes; the first task of one more is a dead letter", NULL, 1, 100000},
	{"delay.hold", CONFIG_INT, offsetof(struct router_config, hold_max), "10000",
	 "most delayed tasks held in memory until their second", NULL, 1, 20000},
	{"run.max", CONFIG_INT, offsetof(struct router_config, run_max), "4096",
	 "most requests on run.<type> that wait for their result", NULL, 1, 20000},
	{"run.wait", CONFIG_DURATION, offsetof(struct router_config, run_wait_ns), "4s",
	 "how long such a request waits where it has no Task-Wait"},
	{"retry.attempts", CONFIG_INT, offsetof(struct router_config, attempts), "4",
	 "attempts of a task that does not say, the first included", NULL, 1, 1000},
	{"retry.base", CONFIG_DURATION, offsetof(struct router_config, backoff_base_ns), "1s",
	 "wait after the first failure; doubles after each further one"},
	{"retry.max", CONFIG_DURATION, offsetof(struct router_config, backoff_max_ns), "60s",
	 "longest such wait"},
	{"shed.low", CONFIG_INT, offsetof(struct router_config, shed_low), "80",
	 "TASKS, EVENTS or DELAYED so full (percent): low submissions are refused", NULL, 1, 101},
	{"shed.normal", CONFIG_INT, offsetof(struct router_config, shed_normal), "90",
	 "so full: normal ones too; 101 in either is never", NULL, 1, 101},
	{"schedule.max", CONFIG_INT, offsetof(struct router_config, schedules_max), "10000",
	 "most schedules; one more is refused", NULL, 1, 1000000},
	{"schedule.catch_up_max", CONFIG_INT, offsetof(struct router_config, catch_up_max), "100",
	 "most missed ticks of a schedule that are made up for (--catch-up all)", NULL, 1, 1000},
	{"breaker.failures", CONFIG_INT, offsetof(struct router_config, breaker_failures), "100",
	 "failures of one fingerprint on a lane, without a success, that pause it; 0: never", NULL, 0,
	 1000000},
	{"breaker.window", CONFIG_DURATION, offsetof(struct router_config, breaker_window_ns), "60s",
	 "within which they are counted"},
	{"breaker.pause", CONFIG_DURATION, offsetof(struct router_config, breaker_pause_ns), "10s",
	 "how long the lane is paused; doubles each time the failure is back"},
	{"breaker.pause_max", CONFIG_DURATION, offsetof(struct router_config, breaker_pause_max_ns),
	 "10m", "longest such pause"},
	{"breaker.probes", CONFIG_INT, offsetof(struct router_config, breaker_probes), "3",
	 "tasks at once on the lane after a pause, until one succeeds", NULL, 1, 1000},
	{"balance.default", CONFIG_STRING, offsetof(struct router_config, balance_default), "pull",
	 "who chooses the node: pull (the nodes themselves, by being free), or by the router: "
	 "round-robin, weighted, random, least-loaded, capability-match"},
	{"balance.lanes", CONFIG_STRING, offsetof(struct router_config, balance_lanes), "",
	 "the same for types or lanes: echo=round-robin,resize--gpu=weighted"},
	{"balance.max_load", CONFIG_INT, offsetof(struct router_config, balance_max_load), "90",
	 "percent of slots, processors or memory above which a node is given nothing", NULL, 1, 100},
	{"balance.projects", CONFIG_BOOL, offsetof(struct router_config, balance_projects), "true",
	 "tasks of one Task-Project to one node, as long as it has a free slot"},
	{"direct.wait", CONFIG_DURATION, offsetof(struct router_config, direct_wait_ns), "5m",
	 "how long a task waits for a node that it needs and that is not there; then it is dead"},
	{0},
};

static const struct config_key *const tables[] = {keys, NULL};

const struct config_program router_program = {
	.name = "millrace-router",
	.summary =
		"Takes submitted tasks from TASKS and puts each on the lane of its type and requirements.",
	.usage = "[options]",
	.tables = tables,
	.sections = "types",
};

int router_config_check(const struct router_config *c, struct err *e)
{
	if (c->default_type && *c->default_type &&
		token_check("tasks.default_type", c->default_type, e))
		return e->code;
	if (c->shed_normal < c->shed_low)
		return err_set(e, ERR_INVALID,
					   "shed.normal (%lld) should not be less than shed.low (%lld): low tasks are "
					   "refused first",
					   (long long)c->shed_normal, (long long)c->shed_low);
	struct balance_rules *rules = NULL;
	int rc = balance_rules_read(c->balance_default, c->balance_lanes, &rules, e);
	balance_rules_free(&rules);
	return rc;
}
