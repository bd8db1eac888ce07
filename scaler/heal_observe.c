/*
 * From the roster to figures. It stands alone because rates need a memory: a
 * node tells what it did since its start, and health asks what went wrong
 * lately. A node that is started anew begins at nought: what its former
 * process did within the window still counts, and the start does.
 */
#include "scaler/heal_observe.h"

#include <stdio.h>

struct seen {
	char name[TOKEN_MAX + 1];
	struct heal_window window;
	uint64_t last[2]; /* what it told last */
	bool present;
	UT_hash_handle hh;
};

struct heal_observer {
	int64_t window_ms;
	struct seen *seen; /* one a node of the roster */
	struct heal_node *nodes;
	size_t nodes_cap;
	struct heal_host *hosts;
	int64_t *heard; /* of hosts: the newest word of a node there */
	size_t nhosts, hosts_cap;
};

/* ---- the window ---- */

void heal_window_put(struct heal_window *w, const char *instance, uint64_t done, uint64_t failed,
					 int64_t now_ms, int64_t window_ms, uint64_t ret[2], unsigned *ret_restarts)
{
	const uint64_t now[2] = {done, failed};
	bool first = w->turned_mono_ms == 0;

	if (first) {
		memset(w, 0, sizeof(*w));
		memcpy(w->base, now, sizeof(now));
		memcpy(w->next, now, sizeof(now));
		w->turned_mono_ms = now_ms;
	} else if (strncmp(w->instance, instance, sizeof(w->instance) - 1) != 0) {
		memset(w->base, 0, sizeof(w->base));
		memset(w->next, 0, sizeof(w->next));
		w->restarts++;
		w->restarts_next++;
	}
	snprintf(w->instance, sizeof(w->instance), "%s", instance);
	if (now_ms - w->turned_mono_ms >= window_ms) {
		memcpy(w->base, w->next, sizeof(w->base));
		memcpy(w->before, w->before_next, sizeof(w->before));
		memcpy(w->next, now, sizeof(now));
		memset(w->before_next, 0, sizeof(w->before_next));
		w->restarts = w->restarts_next;
		w->restarts_next = 0;
		w->turned_mono_ms = now_ms;
	}
	for (int i = 0; i < 2; i++)
		ret[i] = w->before[i] + (now[i] >= w->base[i] ? now[i] - w->base[i] : 0);
	*ret_restarts = w->restarts;
}

/* Its process ended: what it did within the window is kept, as its counters go. */
static void keep_former(struct seen *s)
{
	struct heal_window *w = &s->window;

	for (int i = 0; i < 2; i++) {
		w->before[i] += s->last[i] >= w->base[i] ? s->last[i] - w->base[i] : 0;
		w->before_next[i] += s->last[i] >= w->next[i] ? s->last[i] - w->next[i] : 0;
	}
}

/* ---- nodes ---- */

static struct seen *seen_of(struct heal_observer *o, const char *name)
{
	struct seen *s;

	HASH_FIND_STR(o->seen, name, s);
	if (!s) {
		s = xcalloc(1, sizeof(*s));
		snprintf(s->name, sizeof(s->name), "%s", name);
		HASH_ADD_STR(o->seen, name, s);
	}
	s->present = true;
	return s;
}

/* In any order the same. */
static uint64_t types_of(const Millrace__NodeStatus *t)
{
	uint64_t sum = 0;

	for (size_t i = 0; i < t->n_types; i++) {
		uint64_t h = 14695981039346656037u; /* FNV-1a */
		for (const char *p = t->types[i]; *p; p++)
			h = (h ^ (unsigned char)*p) * 1099511628211u;
		sum += h;
	}
	return sum;
}

static void add_node(struct heal_observer *o, const struct node_entry *e, int64_t now_ms,
					 struct heal_node *n)
{
	const Millrace__NodeStatus *t = e->status;
	struct seen *s = seen_of(o, e->name);
	uint64_t told[2] = {t->completed + t->failed, t->failed}, ended[2];
	int64_t heard_ms = MAX_OF(e->seen_mono_ms, e->excused_mono_ms);

	if (s->window.turned_mono_ms != 0 &&
		strncmp(s->window.instance, t->instance, sizeof(s->window.instance) - 1) != 0)
		keep_former(s);
	heal_window_put(&s->window, t->instance, told[0], told[1], now_ms, o->window_ms, ended,
					&n->restarts);
	memcpy(s->last, told, sizeof(told));
	n->done = ended[0];
	n->failed = ended[1];
	snprintf(n->name, sizeof(n->name), "%s", e->name);
	snprintf(n->pool, sizeof(n->pool), "%s", t->pool);
	snprintf(n->host, sizeof(n->host), "%s", t->host);
	n->ready = str_eq(node_state(e, now_ms), "ready");
	n->scaled = t->scaled;
	n->types = types_of(t);
	/* One that has said that it ends is expected to be silent. */
	n->heartbeat_age_s = t->state == MILLRACE__NODE_STATE__NODE_STATE_STOPPED
							 ? 0
							 : (double)MAX_OF(now_ms - heard_ms, 0) / 1000.0;
	n->agents = (unsigned)t->n_agents;
	for (size_t i = 0; i < t->n_agents; i++)
		n->agents_backoff += str_eq(t->agents[i]->state, "backoff");
}

/* ---- hosts ---- */

static void add_host(struct heal_observer *o, const struct node_entry *e,
					 const struct heal_host *local)
{
	const Millrace__NodeStatus *t = e->status;
	size_t i = 0;

	if (!t->host[0] || str_eq(t->host, local->name))
		return;
	while (i < o->nhosts && strncmp(o->hosts[i].name, t->host, sizeof(o->hosts[i].name) - 1) != 0)
		i++;
	if (i == o->nhosts) {
		if (o->nhosts == o->hosts_cap) {
			o->hosts_cap = o->hosts_cap ? o->hosts_cap * 2 : 8;
			o->hosts = xreallocarray(o->hosts, o->hosts_cap, sizeof(*o->hosts));
			o->heard = xreallocarray(o->heard, o->hosts_cap, sizeof(*o->heard));
		}
		o->heard[o->nhosts++] = INT64_MIN;
	}
	if (e->seen_mono_ms <= o->heard[i])
		return;
	o->heard[i] = e->seen_mono_ms;
	o->hosts[i] = (struct heal_host){.cpu = t->cpu_percent,
									 .memory = t->memory_percent,
									 .disk = t->disk_percent > 0 ? t->disk_percent : -1};
	snprintf(o->hosts[i].name, sizeof(o->hosts[i].name), "%s", t->host);
}

static void reserve(struct heal_observer *o, const struct roster *r)
{
	size_t n = 0;

	for (const struct node_entry *e = roster_first(r); e; e = e->hh.next)
		n++;
	if (n > o->nodes_cap) {
		o->nodes_cap = n * 2;
		o->nodes = xreallocarray(o->nodes, o->nodes_cap, sizeof(*o->nodes));
	}
	if (o->hosts_cap == 0) {
		o->hosts_cap = 8;
		o->hosts = xcalloc(o->hosts_cap, sizeof(*o->hosts));
		o->heard = xcalloc(o->hosts_cap, sizeof(*o->heard));
	}
}

void heal_observe(struct heal_observer *o, const struct roster *r, const struct heal_host *local,
				  int64_t now_ms, struct heal_view *v)
{
	struct seen *s, *tmp;
	size_t n = 0;

	reserve(o, r);
	o->hosts[0] = *local;
	o->heard[0] = INT64_MAX;
	o->nhosts = 1;
	for (const struct node_entry *e = roster_first(r); e; e = e->hh.next) {
		memset(&o->nodes[n], 0, sizeof(o->nodes[n]));
		add_node(o, e, now_ms, &o->nodes[n++]);
		if (!str_eq(node_state(e, now_ms), "lost"))
			add_host(o, e, local);
	}
	HASH_ITER (hh, o->seen, s, tmp) {
		if (!s->present) {
			HASH_DEL(o->seen, s);
			free(s);
			continue;
		}
		s->present = false;
	}
	v->nodes = o->nodes;
	v->nnodes = n;
	v->hosts = o->hosts;
	v->nhosts = o->nhosts;
}

struct heal_observer *heal_observer_new(int64_t window_ms)
{
	struct heal_observer *o = xcalloc(1, sizeof(*o));

	o->window_ms = window_ms;
	return o;
}

void heal_observer_free(struct heal_observer **po)
{
	struct heal_observer *o = TAKE(*po);
	struct seen *s, *tmp;

	if (!o)
		return;
	HASH_ITER (hh, o->seen, s, tmp) {
		HASH_DEL(o->seen, s);
		free(s);
	}
	free(o->nodes);
	free(o->hosts);
	free(o->heard);
	free(o);
}
