/*
 * Who was spawned, and where. It stands alone as the one that writes the
 * bucket. Well: a spawn finds a process with room (scaler/placement.h), or one
 * more is started, and its entry is put with that node's name; the node reads
 * it and starts the agent. Badly: a node that is gone for NODE_GONE_MS loses its
 * agents to others (one that comes back under its name keeps them); a put that
 * lost against somebody else is settled by what the bucket says; without room
 * an entry waits without a node, up to what the pool may ever hold.
 */
#include "scaler/agents_internal.h"

#include <math.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/request.h"
#include "scaler/journal.h"
#include "scaler/lead.h"
#include "scaler/placement.h"
#include "scaler/steer.h"

#define BUCKET "agents"

/* ---- the table ---- */

struct agent *agents_find(const struct agents *a, const char *id)
{
	struct agent *x;

	HASH_FIND_STR(a->all, id, x);
	return x;
}

void agents_drop(struct agent *x)
{
	HASH_DEL(x->agents->all, x);
	free(x);
}

void agents_copy(char *out, const char *text)
{
	snprintf(out, TOKEN_MAX + 1, "%s", text ? text : "");
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct agents *a = data;
	ProtobufCMessage *m = NULL;
	struct agent *x;
	struct err e;

	if (!entry->key) {
		a->told = true;
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key)))
		return;
	x = agents_find(a, entry->key);
	if (entry->deleted) {
		if (x && !x->spawning)
			agents_drop(x);
		return;
	}
	if (codec_from_json_text(&millrace__agent__descriptor, entry->value, entry->len, CODEC_LENIENT, &m,
							 &e)) {
		log_debug("an agent's entry can't be read, ignored", LOG_S("agent", entry->key),
				  LOG_S("why", e.text));
		return;
	}
	const Millrace__Agent *v = (const Millrace__Agent *)m;
	if (!x && HASH_COUNT(a->all) < AGENTS_MAX) {
		x = xcalloc(1, sizeof(*x));
		x->agents = a;
		agents_copy(x->id, entry->key);
		HASH_ADD_STR(a->all, id, x);
	}
	if (x && entry->revision >= x->revision) {
		agents_copy(x->role, v->role_type);
		agents_copy(x->project, v->project_id);
		agents_copy(x->pool_name, v->pool_name);
		agents_copy(x->node, v->node);
		x->heartbeat_ms = v->heartbeat_interval_ms;
		x->max_idle_ms = v->max_idle_ms;
		x->spawned_wall_ns = v->spawned_at;
		x->placements = v->placements;
		x->revision = entry->revision;
	}
	codec_free(m);
}

const Millrace__AgentStatus *agents_status(const struct agents *a, const struct agent *x)
{
	const struct node_entry *n = *x->node ? roster_find(a->scaler->roster, x->node) : NULL;

	for (size_t i = 0; n && i < n->status->n_agents; i++) {
		if (str_eq(n->status->agents[i]->agent_id, x->id))
			return n->status->agents[i];
	}
	return NULL;
}

void agents_describe(const struct agents *a, const struct agent *x, Millrace__Agent *out)
{
	millrace__agent__init(out);
	out->agent_id = (char *)(uintptr_t)x->id;
	out->role_type = (char *)(uintptr_t)x->role;
	out->project_id = (char *)(uintptr_t)x->project;
	out->pool_name = (char *)(uintptr_t)x->pool_name;
	out->node = (char *)(uintptr_t)x->node;
	out->heartbeat_interval_ms = x->heartbeat_ms;
	out->max_idle_ms = x->max_idle_ms;
	out->spawned_at = x->spawned_wall_ns;
	out->placements = x->placements;
	/* Only read, to be packed. */
	out->status = (Millrace__AgentStatus *)(uintptr_t)(a ? agents_status(a, x) : NULL);
}

unsigned agents_count(const struct agents *a, const struct pool *p)
{
	unsigned n = 0;

	for (const struct agent *x = a->all; x; x = x->hh.next)
		n += str_eq(x->pool_name, p->config->name);
	return n;
}

unsigned agents_on(const struct agents *a, const char *node)
{
	unsigned n = 0;

	for (const struct agent *x = a->all; x; x = x->hh.next)
		n += str_eq(x->node, node);
	return n;
}

unsigned agents_nodes_needed(const struct agents *a, const struct pool *p)
{
	unsigned each = (unsigned)MAX_OF(p->config->agents, 1);

	return MIN_OF((agents_count(a, p) + each - 1) / each, p->config->rule.max);
}

unsigned agents_nodes_wanted(const struct agents *a, const struct pool *p)
{
	double each = (double)p->config->agents * p->config->rule.full;
	unsigned wanted = (unsigned)ceil((double)agents_count(a, p) / MAX_OF(each, 1.0));

	return MIN_OF(MAX_OF(wanted, p->config->rule.min), p->config->rule.max);
}

/* ---- writing ---- */

void agents_note(struct agents *a, const struct agent *x, const char *action, const char *why)
{
	struct scaler *s = a->scaler;

	journal_note(s->journal, lead_epoch(s->lead), action, x->pool_name, x->node, x->id, "%s", why);
}

void agents_answer(const struct agents *a, const struct agent *x, struct service_request *r)
{
	Millrace__Agent out;

	agents_describe(a, x, &out);
	request_answer(r, &out.base);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct agent *x = data;
	struct service_request *waiting = TAKE(x->spawning);

	x->writing = false;
	if (!e) {
		x->revision = revision;
		if (waiting)
			agents_answer(x->agents, x, waiting);
		return;
	}
	if (!waiting) {
		log_debug("an agent's entry was not written; the bucket says what holds", LOG_S("agent", x->id),
				  LOG_S("why", e->text));
		return;
	}
	if (e->code == ERR_CONFLICT)
		service_fail(waiting, 409, "agent %s is there already", x->id);
	else
		service_fail(waiting, 503, "agent %s: %s", x->id, e->text);
	if (!x->revision)
		agents_drop(x);
}

bool agents_put(struct agents *a, struct agent *x, struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Agent out;

	agents_describe(NULL, x, &out);
	codec_to_json_text(&out.base, 0, &text);
	x->writing = kv_put(a->scaler->bus, BUCKET, x->id, text.data, text.len, x->revision, on_put, x, e) == 0;
	return x->writing;
}

int agents_terminate(struct agents *a, struct agent *x, const char *action, const char *why, struct err *e)
{
	if (kv_delete(a->scaler->bus, BUCKET, x->id, NULL, NULL, e))
		return e->code;
	agents_note(a, x, action, why);
	if (x->writing)
		x->revision = 0; /* its put is under way; the deletion comes behind it, and the watch drops it */
	else
		agents_drop(x);
	return 0;
}

/* ---- life ---- */

struct agents *agents_new(struct scaler *s)
{
	struct agents *a = xcalloc(1, sizeof(*a));

	a->scaler = s;
	return a;
}

int agents_watch(struct agents *a, struct err *e)
{
	return kv_watch(a->scaler->bus, BUCKET, ">", on_entry, a, &a->watch, e);
}

bool agents_known(const struct agents *a)
{
	return a->told;
}

void agents_stop(struct agents *a)
{
	if (a)
		kv_watch_stop(&a->watch);
}

void agents_free(struct agents **pa)
{
	struct agents *a = TAKE(*pa);
	struct agent *x, *tmp;

	if (!a)
		return;
	HASH_ITER (hh, a->all, x, tmp)
		agents_drop(x);
	free(a);
}
