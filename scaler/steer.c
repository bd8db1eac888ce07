/*
 * The acts. It stands alone between decisions and the world. Well: a node that
 * is started is heard of within a second or two; one that is drained becomes
 * empty, is told to stop, and goes (steer_follow.c). Badly: a request that nobody
 * answers is repeated at the next tick; a node that dies is replaced by the next decision.
 */
#include "scaler/steer_internal.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/proc.h"
#include "common/section.h"
#include "scaler/journal.h"
#include "scaler/lead.h"
#include "scaler/node_command.h"
#include "scaler/processes.h"

#define ASK_TIMEOUT_MS 2000
#define TOLD_MS 10000 /* what a node was told it says itself by then; else somebody told it otherwise */
#define NODES_SHOWN_MAX 10000

/* ---- members ---- */

struct member *steer_member(const struct steer *st, const char *name)
{
	struct member *m;

	HASH_FIND_STR(st->members, name, m);
	return m;
}

static struct member *get(struct steer *st, const char *name, struct pool *p)
{
	struct member *m = steer_member(st, name);

	if (!m) {
		m = xcalloc(1, sizeof(*m));
		m->steer = st;
		snprintf(m->name, sizeof(m->name), "%s", name);
		m->since_ms = clock_mono_ms();
		HASH_ADD_STR(st->members, name, m);
	}
	m->pool = p;
	return m;
}

void steer_member_drop(struct member *m)
{
	bus_call_cancel(&m->call);
	HASH_DEL(m->steer->members, m);
	free(m);
}

const struct process *steer_process(const struct steer *st, const char *name)
{
	return processes_find(st->scaler->processes, name);
}

/*
 * "ready", "draining", "lost" by what it says; "" where it says nothing, or is known to be dead: what was heard under its
 * name before it was started are another's last words.
 */
const char *steer_state(const struct node_entry *n, const struct member *m)
{
	if (!n || (m && (m->dead || n->seen_mono_ms < m->started_ms)))
		return "";
	return node_state(n, clock_mono_ms());
}

/* The same, where what it was told a moment ago is what it does. */
static const char *state_told(const struct node_entry *n, struct member *m, int64_t now_ms)
{
	const char *state = steer_state(n, m);

	if (str_eq(state, "ready")) {
		m->undrain_ms = 0;
		if (m->drain_ms && !m->call && now_ms - m->drain_ms > TOLD_MS)
			m->drain_ms = 0;
		return m->drain_ms ? "draining" : state;
	}
	return str_eq(state, "draining") && m->undrain_ms && now_ms - m->undrain_ms < TOLD_MS ? "ready" : state;
}

bool steer_starting(const struct steer *st, const char *node)
{
	const struct member *m = steer_member(st, node);

	return m && m->started_ms && !m->dead;
}

bool steer_present(const struct steer *st, const char *node)
{
	const struct member *m = steer_member(st, node);

	if (m && (m->dead || m->drain_ms || m->stop_ms))
		return false;
	if (m && m->started_ms)
		return true;
	return str_eq(steer_state(roster_find(st->scaler->roster, node), m), "ready");
}

unsigned steer_starting_count(const struct steer *st, const struct pool *p)
{
	unsigned n = 0;

	for (const struct member *m = st->members; m; m = m->hh.next)
		n += m->pool == p && m->started_ms && !m->dead;
	return n;
}

void steer_each_starting(const struct steer *st, const struct pool *p,
						 void (*each)(void *data, const char *node), void *data)
{
	for (const struct member *m = st->members; m; m = m->hh.next) {
		if (m->pool == p && m->started_ms && !m->dead)
			each(data, m->name);
	}
}

/* ---- what there is ---- */

static void count(struct pool *p, const struct node_entry *n, const char *state)
{
	const Millrace__NodeStatus *s = n->status;

	if (str_eq(state, "ready")) {
		p->view.ready++;
		p->view.used += s->used;
		p->slots += s->slots;
	} else if (str_eq(state, "draining")) {
		p->view.draining++;
	}
}

void steer_view(struct steer *st, struct pool *p, double now_s)
{
	struct scaler *s = st->scaler;
	int64_t now_ms = clock_mono_ms();

	p->view.now_s = now_s;
	p->view.ready = p->view.draining = p->view.used = 0;
	p->slots = 0;
	for (const struct node_entry *n = roster_first(s->roster); n; n = n->hh.next) {
		if (!str_eq(n->status->pool, p->config->name) || n->status->bridge)
			continue;
		struct member *m = get(st, n->name, p);
		const char *state = state_told(n, m, now_ms);

		count(p, n, state);
		if (*state)
			m->started_ms = 0;
		if (str_eq(state, "ready")) {
			if (!m->was_ready) {
				m->was_ready = true;
				m->since_ms = now_ms;
			}
			if (now_ms - m->since_ms > RESTART_YOUNG_MS && n->status->scaled)
				restart_grown(&p->restart);
		}
	}
	p->view.starting = steer_starting_count(st, p);
}

/* ---- acts ---- */

void steer_note(struct steer *st, const struct pool *p, const char *action, const char *node,
				 const char *why)
{
	struct scaler *s = st->scaler;

	journal_note(s->journal, lead_epoch(s->lead), action, p ? p->config->name : NULL, node, NULL,
				 "%s", why);
}

static void on_answer(void *data, struct bus_msg **reply, const struct err *e)
{
	struct member *m = data;

	(void)reply;
	m->call = NULL;
	if (!e)
		return;
	/* It is asked again at the next tick, if it still is wanted then. */
	log_debug("a node does not answer", LOG_S("node", m->name), LOG_S("why", e->text));
	if (m->stop_ms)
		m->stop_ms = 0;
	else
		m->drain_ms = m->undrain_ms;
	m->undrain_ms = 0;
}

/* A node died; where that was one too many, nothing is started for a while. */
void steer_died(struct steer *st, struct pool *p, int64_t lived_ms, bool ready)
{
	struct scaler *s = st->scaler;

	if (restart_died(&p->restart, lived_ms, ready, p->decision.target, clock_mono_ms()))
		journal_note(s->journal, lead_epoch(s->lead), "suspend", p->config->name, NULL, NULL,
					 "%u deaths of its nodes in a row were soon after their start: none is started for %d minutes "
					 "(millrace pool resume %s); their logs are in %s/log",
					 p->restart.young, RESTART_SUSPEND_MS / 60000, p->config->name, s->config.dir);
}

/* The epoch lets a node refuse a leader of the past. */
bool steer_ask(struct member *m, const char *verb)
{
	struct scaler *s = m->steer->scaler;
	CLEANUP(free_ptr) char *subject = xasprintf("ctl.node.%s.%s", m->name, verb);
	char epoch[32];
	struct bus_header h = {"Scaler-Epoch", epoch};
	struct bus_out out = {.subject = subject, .data = "", .headers = &h, .nheaders = 1};
	struct err e;

	if (m->call || !lead_holds(s->lead))
		return false;
	snprintf(epoch, sizeof(epoch), "%llu", (unsigned long long)lead_epoch(s->lead));
	return bus_request(s->bus, &out, ASK_TIMEOUT_MS, on_answer, m, &m->call, &e) == 0;
}

static void on_command(void *data, const char *node, bool starting, const struct err *e)
{
	struct steer *st = data;
	struct member *m = steer_member(st, node);
	char why[300];

	if (!e || !m)
		return;
	snprintf(why, sizeof(why), "the %s command failed: %.200s", starting ? "start" : "stop", e->text);
	steer_note(st, m->pool, "crash", m->name, why);
	if (starting) {
		m->dead = true;
		m->started_ms = 0;
		steer_died(st, m->pool, 0, false);
	} else {
		m->stop_ms = 0; /* again at the next tick */
	}
}

void steer_command(struct member *m, bool starting)
{
	struct steer *st = m->steer;
	struct err e;

	if (node_command_run(st->scaler, m->pool, m->name, starting, on_command, st, &e))
		on_command(st, m->name, starting, &e);
}

/* Its name is not anybody's: no process here has it, nobody says it, or who said it is known to be gone. */
static bool name_is_free(struct steer *st, const char *name)
{
	const struct node_entry *n = roster_find(st->scaler->roster, name);
	const struct member *m = steer_member(st, name);

	if (steer_process(st, name) || (m && m->started_ms && !m->dead))
		return false;
	if (!n || (m && m->dead))
		return true;
	return str_eq(node_state(n, clock_mono_ms()), "lost") && str_eq(n->status->host, st->host) &&
		   n->status->pid > 1 && kill((pid_t)n->status->pid, 0) != 0;
}

static void free_name(struct steer *st, const struct pool *p, char out[TOKEN_MAX + 1])
{
	for (unsigned i = 1; i <= NODES_SHOWN_MAX; i++) {
		snprintf(out, TOKEN_MAX + 1, "%.56s-%u", p->config->name, i);
		if (name_is_free(st, out))
			return;
	}
}

static int start_process(struct steer *st, struct pool *p, const char *name, struct err *e)
{
	struct scaler *s = st->scaler;
	CLEANUP(strings_free) char **argv = node_command_argv(s, p, name);
	CLEANUP(strings_free) char **env = node_command_env(s, p, name);

	return processes_start(s->processes, p->config->name, name, (const char *const *)(uintptr_t)argv,
						   (const char *const *)(uintptr_t)env, s->config.tied, p->config->rule.max,
						   (unsigned)s->config.nodes_max, e);
}

const char *steer_start(struct steer *st, struct pool *p, const char *why, struct err *e)
{
	struct scaler *s = st->scaler;
	char name[TOKEN_MAX + 1];
	struct member *m;

	if (!lead_holds(s->lead)) {
		err_set(e, ERR_UNREACHABLE, "no scaler leads here");
		return NULL;
	}
	if (!restart_allows(&p->restart, clock_mono_ms())) {
		err_set(e, ERR_FULL, "pool %s: its nodes die soon after their start; their logs, in %s/log, tell why",
				p->config->name, s->config.dir);
		return NULL;
	}
	free_name(st, p, name);
	if (p->config->driver == DRIVER_ADVISE) {
		err_set(e, ERR_FULL, "pool %s only advises: somebody else starts its nodes", p->config->name);
		return NULL;
	}
	if (p->config->driver == DRIVER_PROCESS && start_process(st, p, name, e)) {
		if (e->code != ERR_FULL)
			steer_died(st, p, 0, false);
		return NULL;
	}
	m = get(st, name, p);
	m->dead = m->was_ready = m->barred = false;
	m->drain_ms = m->stop_ms = m->undrain_ms = m->empty_ms = 0;
	m->started_ms = m->since_ms = clock_mono_ms();
	steer_note(st, p, "start", name, why);
	if (p->config->driver == DRIVER_EXEC)
		steer_command(m, true);
	return m->name;
}

static void drain(struct member *m, const char *why)
{
	if (!steer_ask(m, "drain"))
		return;
	m->drain_ms = clock_mono_ms();
	steer_note(m->steer, m->pool, "drain", m->name, why);
}

void steer_drain(struct steer *st, const char *node, const char *why)
{
	struct member *m = steer_member(st, node);

	if (m && !m->drain_ms && !m->dead)
		drain(m, why);
}

bool steer_bar(struct steer *st, const char *node, const char *why)
{
	const struct node_entry *n = roster_find(st->scaler->roster, node);
	struct member *m = steer_member(st, node);

	if (!m || m->dead || !n || !n->status->scaled)
		return false;
	m->barred = true;
	steer_drain(st, node, why);
	return true;
}

/* ---- more ---- */

/* One that is on its way out comes back sooner than a new one starts. */
static unsigned undrain(struct steer *st, struct pool *p, unsigned wanted)
{
	unsigned done = 0;

	for (struct member *m = st->members; m && done < wanted; m = m->hh.next) {
		const struct node_entry *n = roster_find(st->scaler->roster, m->name);

		if (m->pool != p || !m->drain_ms || m->stop_ms || m->call || m->barred ||
			!str_eq(steer_state(n, m), "draining") || !steer_ask(m, "undrain"))
			continue;
		m->drain_ms = m->empty_ms = 0;
		m->undrain_ms = clock_mono_ms();
		steer_note(st, p, "undrain", m->name, p->decision.text);
		done++;
	}
	return done;
}

static void more(struct steer *st, struct pool *p, unsigned wanted)
{
	struct err e;

	for (unsigned n = undrain(st, p, wanted); n < wanted; n++) {
		if (!steer_start(st, p, p->decision.text, &e)) {
			log_debug("no node started", LOG_S("pool", p->config->name), LOG_S("why", e.text));
			return;
		}
	}
}

/* ---- fewer ---- */

static void fewer(struct steer *st, struct pool *p, unsigned spare)
{
	unsigned n = 0, cap = HASH_COUNT(st->members);
	struct policy_node *nodes = xcalloc(cap ? cap : 1, sizeof(*nodes));
	struct member **members = xcalloc(cap ? cap : 1, sizeof(*members));

	for (struct member *m = st->members; m; m = m->hh.next) {
		const struct node_entry *e = roster_find(st->scaler->roster, m->name);

		if (m->pool != p || m->drain_ms || !str_eq(steer_state(e, m), "ready"))
			continue;
		members[n] = m;
		nodes[n++] = (struct policy_node){
			.used = e->status->used,
			.slots = e->status->slots,
			.agents = (unsigned)e->status->n_agents,
			.cpu_percent = e->status->cpu_percent,
			.memory_percent = e->status->memory_percent,
			.age_s = (double)(clock_mono_ms() - m->since_ms) / 1000,
			.ours = e->status->scaled,
		};
	}
	for (; spare > 0; spare--) {
		int victim = policy_victim(nodes, n);

		if (victim < 0)
			break;
		drain(members[victim], p->decision.text);
		nodes[victim].ours = false;
	}
	free(nodes);
	free(members);
}

/* ---- both ---- */

void steer_pool(struct steer *st, struct pool *p)
{
	unsigned have = p->view.ready + p->view.starting;

	if (!lead_holds(st->scaler->lead))
		return;
	steer_follow(st, p);
	if (p->config->driver == DRIVER_ADVISE)
		return;
	if (p->decision.target > have)
		more(st, p, p->decision.target - have);
	else if (p->decision.target < have)
		fewer(st, p, have - p->decision.target);
}

/* ---- what processes do ---- */

void steer_ended(struct steer *st, const char *node, const char *pool, int64_t lived_ms, const char *how,
				 bool well, bool expected)
{
	struct pool *p = scaler_pool(st->scaler, pool);
	char why[200];
	struct err e;

	if (!p)
		return;
	struct member *m = get(st, node, p);
	bool ready = m->was_ready;
	m->dead = true;
	m->started_ms = m->drain_ms = m->stop_ms = m->undrain_ms = 0;
	if (!lead_holds(st->scaler->lead))
		return;
	/* Everybody shall know at once, not when the key has run out. */
	if (roster_find(st->scaler->roster, node) &&
		kv_delete(st->scaler->bus, "nodes", node, NULL, NULL, &e))
		log_debug("key not deleted; it runs out by itself", LOG_S("node", node));
	if (expected || well) {
		steer_note(st, p, "gone", node, expected ? "it was told to stop" : "it ended by itself");
		return;
	}
	snprintf(why, sizeof(why), "it ended with %s after %.1f s", *how ? how : "something that nobody saw",
			 (double)lived_ms / 1000);
	steer_note(st, p, "crash", node, why);
	steer_died(st, p, lived_ms, ready);
	scaler_poke(st->scaler);
}

void steer_adopted(struct steer *st, const char *node, const char *pool)
{
	struct pool *p = scaler_pool(st->scaler, pool);
	struct member *m;

	if (!p)
		return; /* the tick ends it */
	m = get(st, node, p);
	m->dead = false;
	if (!roster_find(st->scaler->roster, node))
		m->started_ms = clock_mono_ms();
	steer_note(st, p, "adopt", node, "it was running already");
}

bool steer_stopping(const struct steer *st, const char *node)
{
	const struct member *m = steer_member(st, node);

	return m && m->stop_ms;
}

/* ---- life ---- */

struct steer *steer_new(struct scaler *s)
{
	struct steer *st = xcalloc(1, sizeof(*st));

	st->scaler = s;
	if (gethostname(st->host, sizeof(st->host) - 1))
		st->host[0] = '\0';
	return st;
}

void steer_free(struct steer **pst)
{
	struct steer *st = TAKE(*pst);
	struct member *m, *tmp;

	if (!st)
		return;
	HASH_ITER (hh, st->members, m, tmp)
		steer_member_drop(m);
	free(st);
}
