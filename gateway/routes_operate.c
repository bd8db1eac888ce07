/*
 * /api/v1, what operators look at and do. Each row is one question to a
 * component, in the words of proto/ (README there: subject, request, answer),
 * so this file is the list of what there is and nothing else.
 */
#include "gateway/pass.h"
#include "gateway/routes.h"

static const struct ask_param stats_params[] = {{"type", NULL, ASK_TEXT}, {0}};
static const struct ask_param predict_params[] = {
	{"type", NULL, ASK_TEXT}, {"requires", NULL, ASK_LIST}, {"priority", NULL, ASK_TEXT}, {0}};
static const struct ask_param performance_params[] = {
	{"name", NULL, ASK_TEXT}, {"pool", NULL, ASK_TEXT},    {"agents", NULL, ASK_BOOL},
	{"all", NULL, ASK_BOOL},  {"limit", NULL, ASK_NUMBER}, {0}};
static const struct ask_param history_params[] = {
	{"pool", NULL, ASK_TEXT},        {"action", NULL, ASK_TEXT},        {"limit", NULL, ASK_NUMBER},
	{"after", "after_at", ASK_TIME}, {"before", "before_at", ASK_TIME}, {0}};
static const struct ask_param dead_params[] = {{"id", NULL, ASK_TEXT},
											   {"type", NULL, ASK_TEXT},
											   {"fingerprint", NULL, ASK_TEXT},
											   {"limit", NULL, ASK_NUMBER},
											   {"cursor", NULL, ASK_TEXT},
											   {"after", "after_at", ASK_TIME},
											   {0}};
static const struct ask_param ticks_params[] = {{"cron", NULL, ASK_TEXT},
												{"tz", NULL, ASK_TEXT},
												{"after", "after_at", ASK_TIME},
												{"count", NULL, ASK_NUMBER},
												{0}};
static const struct ask_param state_params[] = {{"prefix", NULL, ASK_TEXT},
												{"limit", NULL, ASK_NUMBER},
												{"cursor", NULL, ASK_TEXT},
												{"with_value", NULL, ASK_BOOL},
												{0}};
static const struct ask_param version_params[] = {{"version", NULL, ASK_NUMBER}, {0}};
static const struct ask_param prefix_params[] = {{"prefix", NULL, ASK_TEXT}, {0}};

#define V1 "/api/v1"

const struct http_route operate_routes[] = {
	PASS("GET", V1 "/stats", SCOPE_READ, "api.task.stats", .query = stats_params),
	PASS("GET", V1 "/predict", SCOPE_READ, "api.scaler.predict", .query = predict_params),

	PASS("GET", V1 "/lanes/{name}", SCOPE_READ, "api.lane.get", "name"),
	PASS("POST", V1 "/lanes/{name}/pause", SCOPE_OPERATE, "api.lane.pause", "name", .body = true),
	PASS("POST", V1 "/lanes/{name}/resume", SCOPE_OPERATE, "api.lane.resume", "name", .body = true),
	PASS("POST", V1 "/lanes/{name}/purge", SCOPE_OPERATE, "api.lane.purge", "name", .body = true),
	PASS("PUT", V1 "/lanes/{name}/limits", SCOPE_OPERATE, "api.lane.limit", "name", .body = true),

	PASS("GET", V1 "/nodes/{name}", SCOPE_READ, "api.node.get", "name"),
	PASS("POST", V1 "/nodes/{name}/drain", SCOPE_OPERATE, "ctl.node.%s.drain"),
	PASS("POST", V1 "/nodes/{name}/undrain", SCOPE_OPERATE, "ctl.node.%s.undrain"),
	PASS("POST", V1 "/nodes/{name}/stop", SCOPE_OPERATE, "ctl.node.%s.stop"),
	PASS("GET", V1 "/performance", SCOPE_READ, "api.node.performance", .query = performance_params),

	PASS("GET", V1 "/pools", SCOPE_READ, "api.pool.list"),
	PASS("GET", V1 "/pools/{name}", SCOPE_READ, "api.pool.get", "name"),
	PASS("POST", V1 "/pools/{name}/scale", SCOPE_OPERATE, "api.pool.scale", "name", .body = true),
	PASS("POST", V1 "/pools/{name}/resume", SCOPE_OPERATE, "api.pool.resume", "name", .body = true),

	PASS("GET", V1 "/dead", SCOPE_READ, "api.dead.list", .query = dead_params),
	PASS("GET", V1 "/dead/groups", SCOPE_READ, "api.dead.groups", .query = dead_params),
	PASS("GET", V1 "/dead/{id}", SCOPE_READ, "api.dead.get", "id"),
	PASS("POST", V1 "/dead/replay", SCOPE_OPERATE, "api.dead.replay", .body = true),
	PASS("POST", V1 "/dead/discard", SCOPE_OPERATE, "api.dead.discard", .body = true),

	PASS("GET", V1 "/schedules", SCOPE_READ, "api.schedule.list"),
	PASS("POST", V1 "/schedules", SCOPE_OPERATE, "api.schedule.add", .body = true, .status = 201),
	PASS("GET", V1 "/schedules/{name}", SCOPE_READ, "api.schedule.get", "name"),
	PASS("DELETE", V1 "/schedules/{name}", SCOPE_OPERATE, "api.schedule.remove", "name"),
	PASS("POST", V1 "/schedules/{name}/pause", SCOPE_OPERATE, "api.schedule.pause", "name"),
	PASS("POST", V1 "/schedules/{name}/resume", SCOPE_OPERATE, "api.schedule.resume", "name"),
	PASS("POST", V1 "/schedules/{name}/run", SCOPE_OPERATE, "api.schedule.run", "name",
		 .status = 202),
	PASS("GET", V1 "/schedule-ticks", SCOPE_READ, "api.schedule.next", .query = ticks_params),

	PASS("GET", V1 "/scaler", SCOPE_READ, "api.scaler.status"),
	PASS("GET", V1 "/scaler/history", SCOPE_READ, "api.scaler.history", .query = history_params),
	PASS("GET", V1 "/heal", SCOPE_READ, "api.heal.status"),
	PASS("GET", V1 "/heal/history", SCOPE_READ, "api.heal.history", .query = history_params),
	PASS("POST", V1 "/heal", SCOPE_OPERATE, "api.heal.run", .body = true),
	PASS("GET", V1 "/audit", SCOPE_READ, "api.audit.get"),
	PASS("POST", V1 "/audit", SCOPE_OPERATE, "api.audit.run", .body = true, .status = 202),

	PASS("GET", V1 "/state", SCOPE_READ, "api.state.list", .query = state_params),
	PASS("GET", V1 "/state/{key...}", SCOPE_READ, "api.state.get", "key"),
	PASS("PUT", V1 "/state/{key...}", SCOPE_OPERATE, "api.state.set", "key", .body = true),
	PASS("DELETE", V1 "/state/{key...}", SCOPE_OPERATE, "api.state.delete", "key",
		 .query = version_params),
	PASS("GET", V1 "/locks", SCOPE_READ, "api.lock.list", .query = prefix_params),
	PASS("POST", V1 "/locks/{name}/acquire", SCOPE_OPERATE, "api.lock.acquire", "name",
		 .body = true),
	PASS("POST", V1 "/locks/{name}/renew", SCOPE_OPERATE, "api.lock.renew", "name", .body = true),
	PASS("POST", V1 "/locks/{name}/release", SCOPE_OPERATE, "api.lock.release", "name",
		 .body = true),
	{0},
};
