/*
 * The wiring. In order: the connection; when it is there, a look at what the
 * broker has (setup.h); the watches on `lanes`, `settings` and `nodes`; when
 * all of them were told whole, the inbox, events.act, DELAYED and the service
 * open, and the router is ready. It drains by asking for nothing more and
 * ending when nothing is in flight; what is held for a later second, or came
 * too late, is delivered again to somebody else.
 */
#include "router/router.h"

#include <stdio.h>
#include <unistd.h>

#include "common/cancels.h"
#include "common/clock.h"
#include "common/log.h"
#include "common/service.h"
#include "router/act.h"
#include "router/advisories.h"
#include "router/balance_rules.h"
#include "router/breaker.h"
#include "router/cancel.h"
#include "router/dead.h"
#include "router/dead_desk.h"
#include "router/delay.h"
#include "router/direct.h"
#include "router/directory.h"
#include "router/inbox.h"
#include "router/lane_control.h"
#include "router/lanes.h"
#include "router/place.h"
#include "router/purge.h"
#include "router/query.h"
#include "router/record.h"
#include "router/run.h"
#include "router/same_node.h"
#include "router/schedule_api.h"
#include "router/schedules.h"
#include "router/setting.h"
#include "router/setup.h"
#include "router/shed.h"
#include "router/transit.h"
#include "router/wake.h"

/* ---- what all ask for ---- */

bool router_may_take(const struct router *r)
{
	return bus_is_up(r->bus) && setup_complete(r->setup) && !r->draining &&
		   !hold_active(&r->events_full) && !hold_active(&r->delayed_full) &&
		   !hold_active(&r->dead_full);
}

static void maybe_drained(struct router *r)
{
	if (r->draining && r->in_flight == 0)
		daemon_stopped(&r->daemon);
}

static void on_poke(void *data)
{
	struct router *r = data;

	r->poked = false;
	if (!r->opened)
		return;
	inbox_poke(r->inbox);
	act_poke(r->act);
	delay_poke(r->delay);
	purge_poke_all(r);
	advisories_poke(r->advisories);
	direct_poke(r->direct);
	maybe_drained(r);
}

void router_poke(struct router *r)
{
	if (r->poked || !r->opened)
		return;
	r->poked = true;
	bus_defer(r->bus, on_poke, r);
}

static void on_room(void *data)
{
	router_poke(data);
}

/* ---- the broker ---- */

static void on_up(void *data)
{
	struct router *r = data;

	log_info("connected", LOG_S("url", bus_url(r->bus)));
	setup_look(r->setup);
	lanes_poke(r->lanes);
	if (r->opened)
		delay_begin(r->delay); /* what came due while the broker was away */
}

static void on_down(void *data UNUSED, const struct err *why)
{
	log_warn("broker away; taking no tasks until it is back", LOG_S("why", why->text));
}

static void on_async_error(void *data UNUSED, const struct err *e)
{
	log_warn("the broker refused something", LOG_S("why", e->text));
}

/* ---- open ---- */

static void on_run(void *data, struct service_request *req)
{
	run_on_request(data, req);
}

static int open_service(struct router *r, struct err *e)
{
	static const struct service_endpoint endpoints[] = {
		{"run", "run.*", "router", on_run},
		{"lane-list", "api.lane.list", NULL, query_on_lane_list},
		{"lane-get", "api.lane.get", NULL, query_on_lane_get},
		{"lane-pause", "api.lane.pause", NULL, lane_control_on_pause},
		{"lane-resume", "api.lane.resume", NULL, lane_control_on_resume},
		{"lane-limit", "api.lane.limit", NULL, lane_control_on_limit},
		{"lane-purge", "api.lane.purge", NULL, lane_control_on_purge},
		{"node-list", "api.node.list", NULL, query_on_node_list},
		{"node-get", "api.node.get", NULL, query_on_node_get},
		{"schedule-add", "api.schedule.add", NULL, schedule_on_add},
		{"schedule-list", "api.schedule.list", NULL, schedule_on_list},
		{"schedule-get", "api.schedule.get", NULL, schedule_on_get},
		{"schedule-remove", "api.schedule.remove", NULL, schedule_on_remove},
		{"schedule-pause", "api.schedule.pause", NULL, schedule_on_pause},
		{"schedule-resume", "api.schedule.resume", NULL, schedule_on_resume},
		{"schedule-run", "api.schedule.run", NULL, schedule_on_run},
		{"schedule-next", "api.schedule.next", NULL, schedule_on_next},
		{"dead-list", "api.dead.list", NULL, dead_on_list},
		{"dead-groups", "api.dead.groups", NULL, dead_on_groups},
		{"dead-get", "api.dead.get", NULL, dead_on_get},
		{"dead-replay", "api.dead.replay", NULL, dead_on_replay},
		{"dead-discard", "api.dead.discard", NULL, dead_on_discard},
	};

	return service_open(r->bus, "millrace-router",
						"puts tasks on their lanes; runs them as requests", NULL, endpoints,
						ARRAY_LEN(endpoints), r, &r->service, e);
}

static int open_all(struct router *r, struct err *e)
{
	int rc = open_service(r, e);

	if (rc == 0)
		rc = act_open(r, &r->act, e);
	if (rc == 0)
		rc = inbox_open(r, &r->inbox, e);
	if (rc == 0)
		rc = advisories_open(r, &r->advisories, e);
	if (rc == 0) {
		delay_begin(r->delay);
		shed_begin(r->shed);
		lanes_go_on(r->lanes);
		schedules_begin(r->schedules);
		direct_begin(r->direct);
	}
	return rc;
}

void router_learned(struct router *r)
{
	struct err e;

	if (r->opened || r->draining || !setup_complete(r->setup) || !lanes_known(r->lanes) ||
		!roster_known(r->roster) || !cancels_known(r->cancels))
		return;
	r->opened = true;
	if (open_all(r, &e)) {
		log_error("cannot begin", LOG_S("why", e.text));
		daemon_stop(&r->daemon);
		return;
	}
	daemon_ready(&r->daemon);
}

static void on_told(void *data)
{
	router_learned(data);
}

/* ---- start and end ---- */

static void set_rules(struct router *r)
{
	const struct router_config *c = &r->config;

	r->rules = (struct decode_rules){
		.default_type = c->default_type && *c->default_type ? c->default_type : NULL,
		.body_max_bytes = (size_t)c->body_max_bytes,
	};
	r->retry = RETRY_RULE_DEFAULT;
	r->retry.attempts = (unsigned)c->attempts;
	r->retry.base_ns = c->backoff_base_ns;
	r->retry.max_ns = MAX_OF(c->backoff_max_ns, c->backoff_base_ns);
}

int router_start(struct router *r, struct err *e)
{
	struct bus_events events = {on_up, on_down, on_async_error, r};
	int rc = bus_open(&r->daemon.loop, &r->config.nats, "millrace-router", &events, &r->bus, e);

	if (rc)
		return err_wrap(e, "connecting");
	random_name(r->instance);
	set_rules(r);
	stats_init(&r->stats);
	r->timeouts = timeouts_new(&r->daemon.loop);
	hold_init(&r->events_full, "EVENTS", r->timeouts, on_room, r);
	hold_init(&r->delayed_full, "DELAYED", r->timeouts, on_room, r);
	hold_init(&r->dead_full, "DEAD", r->timeouts, on_room, r);
	transit_keep_alive(r);
	r->setup = setup_new(r);
	r->wake = wake_new(r);
	r->record = record_new(r);
	r->delay = delay_new(r);
	r->run = run_new(r);
	r->roster = roster_new(r->timeouts, &(struct roster_events){.on_told = on_told, .data = r});
	r->query = query_new(r);
	r->shed = shed_new(r);
	r->schedules = schedules_new(r);
	r->dead_desk = dead_desk_new(r);
	r->breakers = breakers_new(r);
	r->place = place_new(r);
	r->direct = direct_new(r);
	r->same_node = same_node_new(r);
	rc = balance_rules_read(r->config.balance_default, r->config.balance_lanes, &r->balance_rules,
							e);
	if (rc == 0)
		rc = lanes_new(r, &r->lanes, e);
	if (rc == 0)
		rc = lanes_watch(r->lanes, e);
	if (rc == 0)
		rc = roster_watch(r->roster, r->bus, e);
	if (rc == 0)
		rc = schedules_watch(r->schedules, e);
	if (rc == 0)
		rc = breakers_open(r->breakers, e);
	if (rc == 0)
		rc = cancel_watch(r, e);
	return rc;
}

void router_drain(struct router *r)
{
	if (r->draining)
		return;
	r->draining = true;
	log_info("draining", LOG_I("in_flight", r->in_flight));
	run_answer_all(r->run);
	maybe_drained(r);
}

/* First what may still start something, then the connection, then what its last callbacks could
 * have met. */
void router_release(struct router *r)
{
	if (!r->bus)
		return;
	r->opened = false;
	service_close(&r->service);
	run_free(&r->run);
	timeouts_free(TAKE(r->timeouts));
	inbox_free(&r->inbox);
	act_free(&r->act);
	advisories_free(&r->advisories);
	delay_free(&r->delay);
	dead_desk_stop(r->dead_desk);
	breakers_stop(r->breakers);
	lanes_stop(r->lanes);
	roster_stop(r->roster);
	schedules_stop(r->schedules);
	cancels_close(&r->cancels);
	direct_stop(r->direct);
	bus_close(&r->bus);
	transit_drop_all(r);
	lane_control_drop_all(r);
	setting_drop_all(r);
	shed_free(&r->shed);
	wake_free(&r->wake);
	record_free(&r->record);
	query_free(&r->query);
	schedule_api_drop_all(r);
	schedules_free(&r->schedules);
	dead_desk_free(&r->dead_desk);
	breakers_free(&r->breakers);
	setup_free(&r->setup);
	roster_free(&r->roster);
	lanes_free(&r->lanes);
	place_free(&r->place);
	direct_free(&r->direct);
	same_node_free(&r->same_node);
	balance_rules_free(&r->balance_rules);
	header_list_release(&r->headers);
}
