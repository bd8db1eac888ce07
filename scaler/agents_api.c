/*
 * Who asks for agents: spawn, terminate, list, get. It stands alone between
 * the table and strangers' words; what can't be is told with the field at fault.
 */
#include "scaler/agents_internal.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/request.h"

#define HEARTBEAT_DEFAULT_S 30.0
#define IDLE_DEFAULT_S 300.0

static struct pool *pool_with_role(const struct scaler *s, const char *name, const char *role, struct err *e)
{
	struct pool *found = NULL;
	struct lane lane;

	if (lane_make(role, NULL, &lane, e)) {
		err_wrap(e, "role_type");
		return NULL;
	}
	for (size_t i = 0; i < s->npools && !found; i++) {
		struct pool *p = &s->pools[i];

		if (*name ? str_eq(p->config->name, name)
				  : p->config->agents && pool_config_serves(p->config, &lane))
			found = p;
	}
	if (!found)
		err_set(e, ERR_NOT_FOUND, *name ? "no pool '%s'; millrace pool list tells which there are"
										: "no pool of agents has the role '%s'",
				*name ? name : role);
	else if (!found->config->agents)
		err_set(e, ERR_INVALID, "pool %s is no pool of agents (its `agents:` is 0)", found->config->name);
	else if (found->config->types && !pool_config_serves(found->config, &lane))
		err_set(e, ERR_INVALID, "role_type: pool %s has no role '%s'", found->config->name, role);
	else
		return found;
	return NULL;
}

static void make_id(char out[TOKEN_MAX + 1], const char *role)
{
	uint8_t r[6];

	if (getentropy(r, sizeof(r)) != 0)
		abort();
	snprintf(out, TOKEN_MAX + 1, "%.40s-%02x%02x%02x%02x%02x%02x", role, r[0], r[1], r[2], r[3], r[4], r[5]);
}

static int check_spawn(const struct agents *a, const Millrace__AgentSpawn *w, struct pool **ret_pool,
					   struct err *e)
{
	if (!*w->role_type)
		return err_set(e, ERR_INVALID, "role_type: which role? as {\"role_type\":\"coder\"}");
	if ((*w->project_id && token_check("project_id", w->project_id, e)) ||
		(*w->agent_id && token_check("agent_id", w->agent_id, e)))
		return e->code;
	/* What a node takes (node/agent_entry.h); 0: the default. */
	if (w->heartbeat_interval != 0 && !(w->heartbeat_interval >= 0.1 && w->heartbeat_interval <= 3600))
		return err_set(e, ERR_INVALID, "heartbeat_interval: seconds, from 0.1 to 3600");
	if (isnan(w->max_idle_time) || w->max_idle_time > 31536000)
		return err_set(e, ERR_INVALID, "max_idle_time: seconds, at most a year; -1: never");
	*ret_pool = pool_with_role(a->scaler, w->pool_name, w->role_type, e);
	if (!*ret_pool)
		return e->code;
	unsigned most = (unsigned)(*ret_pool)->config->agents * (*ret_pool)->config->rule.max;
	if (agents_count(a, *ret_pool) >= most)
		return err_set(e, ERR_FULL, "pool %s is full: %u agents, %u processes of %u each", (*ret_pool)->config->name,
					   most, (*ret_pool)->config->rule.max, (unsigned)(*ret_pool)->config->agents);
	if (*w->agent_id && agents_find(a, w->agent_id))
		return err_set(e, ERR_EXISTS, "agent %s is there already", w->agent_id);
	if (HASH_COUNT(a->all) >= AGENTS_MAX)
		return err_set(e, ERR_FULL, "there are %d agents, the most", AGENTS_MAX);
	return 0;
}

/* What does not exist is the asker's mistake here, and a full pool is a matter of patience. */
static int spawn_code(const struct err *e)
{
	if (e->code == ERR_NOT_FOUND)
		return 404;
	if (e->code == ERR_FULL)
		return 429;
	return e->code == ERR_EXISTS ? 409 : request_code(e->code);
}

static void spawn(struct agents *a, struct pool *p, const Millrace__AgentSpawn *w, struct service_request *r)
{
	struct agent *x = xcalloc(1, sizeof(*x));
	struct err e = {0};

	x->agents = a;
	if (*w->agent_id)
		agents_copy(x->id, w->agent_id);
	else
		make_id(x->id, w->role_type);
	agents_copy(x->role, w->role_type);
	agents_copy(x->project, w->project_id);
	agents_copy(x->pool_name, p->config->name);
	x->heartbeat_ms = (int64_t)((w->heartbeat_interval > 0 ? w->heartbeat_interval : HEARTBEAT_DEFAULT_S) * 1000);
	x->max_idle_ms = w->max_idle_time < 0 ? 0
										  : (int64_t)((w->max_idle_time > 0 ? w->max_idle_time : IDLE_DEFAULT_S) * 1000);
	x->spawned_wall_ns = clock_wall_ns();
	x->spawning = r;
	x->listing = a->listing;
	HASH_ADD_STR(a->all, id, x);
	/* Without a node it waits for one: every tick looks again. */
	(void)agents_place(a, p, x, &e);
	if (!agents_put(a, x, &e)) {
		service_fail(r, 503, "agent %s: %s", x->id, e.text);
		agents_drop(x);
		return;
	}
	agents_note(a, x, "spawn", "it was asked for");
}

void agents_on_spawn(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct pool *p = NULL;
	struct err e;

	if (request_read(service_message(r), &millrace__agent_spawn__descriptor, &m, &e) ||
		check_spawn(s->agents, (const Millrace__AgentSpawn *)m, &p, &e))
		service_fail(r, spawn_code(&e), "%s", e.text);
	else
		spawn(s->agents, p, (const Millrace__AgentSpawn *)m, r);
	if (m)
		codec_free(m);
}

void agents_on_terminate(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct agent *x = NULL;
	struct err e;

	if (request_read_named(service_message(r), &millrace__agent_terminate__descriptor, "agent_id", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__AgentTerminate *w = (const Millrace__AgentTerminate *)m;
	x = agents_find_there(s->agents, w->agent_id);
	if (!x) {
		service_fail(r, 404, "no agent '%.64s'; millrace pool agents tells which there are", w->agent_id);
	} else {
		char why[120];
		snprintf(why, sizeof(why), "it was asked for%s%.60s", *w->by ? " by " : "", w->by);
		if (agents_terminate(s->agents, x, "terminate", why, r, &e))
			service_fail(r, 503, "%s", e.text);
	}
	codec_free(m);
}

void agents_on_list(void *data, struct service_request *r)
{
	struct scaler *s = data;
	const struct agents *a = s->agents;
	size_t n = HASH_COUNT(a->all);
	Millrace__AgentPage page = MILLRACE__AGENT_PAGE__INIT;

	Millrace__Agent *all = xcalloc(n ? n : 1, sizeof(*all)), **ptrs = xcalloc(n ? n : 1, sizeof(*ptrs));
	for (const struct agent *x = a->all; x; x = x->hh.next) {
		if (x->ending)
			continue;
		agents_describe(a, x, &all[page.n_agents]);
		ptrs[page.n_agents] = &all[page.n_agents];
		page.n_agents++;
	}
	page.agents = ptrs;
	request_answer(r, &page.base);
	free(all);
	free(ptrs);
}

void agents_on_get(void *data, struct service_request *r)
{
	struct scaler *s = data;
	ProtobufCMessage *m = NULL;
	struct agent *x;
	struct err e;

	if (request_read_named(service_message(r), &millrace__agent_get__descriptor, "agent_id", &m, &e)) {
		request_refuse(r, &e);
		return;
	}
	x = agents_find_there(s->agents, ((const Millrace__AgentGet *)m)->agent_id);
	if (x)
		agents_answer(s->agents, x, r);
	else
		service_fail(r, 404, "no agent '%.64s'", ((const Millrace__AgentGet *)m)->agent_id);
	codec_free(m);
}
