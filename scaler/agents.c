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

struct agent *agents_find_there(const struct agents *a, const char *id)
{
	struct agent *x = agents_find(a, id);

	return x && !x->ending ? x : NULL;
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

/* Those that were not told again were deleted while we did not hear. */
static void on_told(struct agents *a)
{
	struct agent *x, *tmp;

	a->told = true;
	HASH_ITER (hh, a->all, x, tmp) {
		if (x->listing != a->listing && !x->under_way)
			agents_drop(x);
	}
	a->listing++;
}

static void on_deletion(struct agent *x, uint64_t revision)
{
	/* What is under way settles it: its answer comes to x. */
	if (x->under_way)
		x->gone_revision = revision;
	else if (revision > x->revision)
		agents_drop(x);
}

static void take(struct agent *x, const Millrace__Agent *v, uint64_t revision)
{
	x->listing = x->agents->listing;
	x->stored = true;
	if (revision < x->revision)
		return;
	agents_copy(x->role, v->role_type);
	agents_copy(x->project, v->project_id);
	agents_copy(x->pool_name, v->pool_name);
	agents_copy(x->node, v->node);
	x->heartbeat_ms = v->heartbeat_interval_ms;
	x->max_idle_ms = v->max_idle_ms;
	x->spawned_wall_ns = v->spawned_at;
	x->placements = v->placements;
	x->revision = revision;
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct agents *a = data;
	ProtobufCMessage *m = NULL;
	struct agent *x;
	struct err e;

	if (!entry->key) {
		on_told(a);
		return;
	}
	if (!token_ok(entry->key, strlen(entry->key)))
		return;
	x = agents_find(a, entry->key);
	if (entry->deleted) {
		if (x)
			on_deletion(x, entry->revision);
		return;
	}
	if (codec_from_json_text(&millrace__agent__descriptor, entry->value, entry->len, CODEC_LENIENT,
							 &m, &e)) {
		log_debug("an agent's entry can't be read, ignored", LOG_S("agent", entry->key),
				  LOG_S("why", e.text));
		return;
	}
	if (!x && HASH_COUNT(a->all) < AGENTS_MAX) {
		x = xcalloc(1, sizeof(*x));
		x->agents = a;
		agents_copy(x->id, entry->key);
		HASH_ADD_STR(a->all, id, x);
	}
	if (x)
		take(x, (const Millrace__Agent *)m, entry->revision);
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
		n += !x->ending && str_eq(x->pool_name, p->config->name);
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

static bool put_over(struct agents *a, struct agent *x, uint64_t expected, struct err *e);

/* When nothing is under way any more: it was deleted meanwhile, or never got there. */
static void settle(struct agent *x)
{
	if (!x->under_way && (!x->stored || x->gone_revision > x->revision))
		agents_drop(x);
}

/* Whoever asked for it is told. */
static void not_spawned(struct agent *x, const struct err *e)
{
	struct service_request *waiting = TAKE(x->spawning);

	if (waiting && e->code == ERR_CONFLICT)
		service_fail(waiting, 409, "agent %s is there already", x->id);
	else if (waiting)
		service_fail(waiting, 503, "agent %s: %s", x->id, e->text);
}

/* An agent of that id was there: over its deletion the new one is put. */
static void on_last(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct agent *x = data;
	struct err why;

	x->under_way--;
	if (e)
		why = *e;
	else if (!entry->deleted)
		err_set(&why, ERR_CONFLICT, "it is there already");
	else if (put_over(x->agents, x, entry->revision, &why))
		return;
	not_spawned(x, &why);
	settle(x);
}

static bool try_again(struct agent *x, const struct err *e)
{
	struct err ignored;

	if (e->code != ERR_CONFLICT || x->stored || x->again ||
		kv_get_last(x->agents->scaler->bus, BUCKET, x->id, on_last, x, &ignored))
		return false;
	x->again = true;
	x->under_way++;
	return true;
}

static void was_put(struct agent *x, uint64_t revision)
{
	struct service_request *waiting = TAKE(x->spawning);

	x->stored = true;
	x->revision = MAX_OF(x->revision, revision);
	if (waiting)
		agents_answer(x->agents, x, waiting);
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct agent *x = data;

	x->under_way--;
	if (e && !x->stored) {
		if (!try_again(x, e))
			not_spawned(x, e);
	} else if (!e) {
		was_put(x, revision);
	} else if (x->spawning) {
		/* The bucket told it meanwhile: as ours, unless another was faster. */
		if (e->code == ERR_CONFLICT)
			not_spawned(x, e);
		else
			was_put(x, x->revision);
	} else {
		log_debug("an agent's entry was not written; the bucket says what holds",
				  LOG_S("agent", x->id), LOG_S("why", e->text));
		/* Nothing newer was told: it is not where we meant to put it, and the next tick places it. */
		if (e->code != ERR_CONFLICT && x->revision == x->expected)
			x->node[0] = '\0';
	}
	settle(x);
}

static bool put_over(struct agents *a, struct agent *x, uint64_t expected, struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	Millrace__Agent out;

	agents_describe(NULL, x, &out);
	codec_to_json_text(&out.base, 0, &text);
	if (kv_put(a->scaler->bus, BUCKET, x->id, text.data, text.len, expected, on_put, x, e))
		return false;
	x->expected = expected;
	x->under_way++;
	return true;
}

bool agents_put(struct agents *a, struct agent *x, struct err *e)
{
	return put_over(a, x, x->revision, e);
}

static void on_deleted(void *data, uint64_t revision, const struct err *e)
{
	struct agent *x = data;
	struct service_request *waiting = TAKE(x->terminating);

	x->under_way--;
	if (e) {
		log_warn("an agent's entry was not deleted; it stays", LOG_S("agent", x->id),
				 LOG_S("why", e->text));
		x->ending = false;
		if (waiting)
			service_fail(waiting, 503, "agent %s: %s", x->id, e->text);
	} else {
		x->gone_revision = MAX_OF(x->gone_revision, revision);
		if (waiting)
			service_reply(waiting, CONTENT_JSON, "{\"ok\":true}", 11);
	}
	settle(x);
}

int agents_terminate(struct agents *a, struct agent *x, const char *action, const char *why,
					 struct service_request *r, struct err *e)
{
	/* A put that is under way goes before it, on the same connection. */
	if (kv_delete(a->scaler->bus, BUCKET, x->id, on_deleted, x, e))
		return e->code;
	x->under_way++;
	x->ending = true;
	x->terminating = r;
	agents_note(a, x, action, why);
	return 0;
}

/* ---- life ---- */

struct agents *agents_new(struct scaler *s)
{
	struct agents *a = xcalloc(1, sizeof(*a));

	a->scaler = s;
	a->listing = 1;
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

void agents_lead(struct agents *a)
{
	for (struct agent *x = a->all; x; x = x->hh.next)
		x->absent_ms = 0;
}

void agents_forget_askers(struct agents *a)
{
	for (struct agent *x = a ? a->all : NULL; x; x = x->hh.next)
		x->spawning = x->terminating = NULL;
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
