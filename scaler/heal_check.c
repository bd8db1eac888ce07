/*
 * The thresholds. They stand alone so that each row of them is tested
 * without a machine that is ill.
 *
 * A host that is not ours cannot be cleaned from here: that is an alert and
 * nothing else. A node whose tasks fail is quarantined only where the rest of
 * its pool shows, by tasks that ended well, that the node is what is wrong,
 * and another node is left: else the tasks are bad, or the last one goes.
 */
#include "scaler/heal_check.h"

#include <stdarg.h>
#include <stdio.h>

static const char *const kind_names[HEAL_KINDS] = {
	"cpu", "memory", "disk", "heartbeat", "broker", "database", "node", "agent", "errors",
};
static const char *const action_names[HEAL_ACTIONS] = {
	"none",         "alert",          "clear_caches",
	"clean_temp",   "restart_broker", "restart_database",
	"restart_node", "remove_stale",   "quarantine",
};

const char *heal_kind_name(enum heal_kind k)
{
	return k < HEAL_KINDS ? kind_names[k] : "manual";
}

const char *heal_level_name(enum heal_level l)
{
	return l == HEAL_CRITICAL ? "critical" : l == HEAL_WARNING ? "warning" : "ok";
}

const char *heal_action_name(enum heal_action a)
{
	return a < HEAL_ACTIONS ? action_names[a] : "none";
}

enum heal_kind heal_kind_of(const char *name)
{
	unsigned k = 0;

	while (k < HEAL_KINDS && !str_eq(kind_names[k], name))
		k++;
	return (enum heal_kind)k;
}

enum heal_action heal_action_of(const char *name)
{
	unsigned a = 0;

	while (a < HEAL_ACTIONS && !str_eq(action_names[a], name))
		a++;
	return (enum heal_action)a;
}

struct findings {
	struct heal_finding *ret;
	size_t n, max;
	unsigned can;
};

static void PRINTF_LIKE(4, 5)
	add(struct findings *f, struct heal_finding x, const char *host, const char *fmt, ...)
{
	va_list args;

	if (f->n == f->max)
		return;
	snprintf(x.host, sizeof(x.host), "%s", host);
	va_start(args, fmt);
	vsnprintf(x.reason, sizeof(x.reason), fmt, args);
	va_end(args);
	x.actions = x.level == HEAL_OK ? 0 : x.actions & (f->can | HEAL_BIT(HEAL_ALERT));
	f->ret[f->n++] = x;
}

static double percent(uint64_t part, uint64_t of)
{
	return of > 0 ? 100.0 * (double)part / (double)of : 0;
}

/* ---- broker and database ---- */

static void check_service(struct findings *f, enum heal_kind kind, const struct heal_service *s,
						  double away_s)
{
	bool restart = s->known && !s->answers && s->silent_s >= away_s;
	struct heal_finding x = {.kind = kind, .value = s->silent_s, .limit = away_s};

	snprintf(x.subject, sizeof(x.subject), "%s", heal_kind_name(kind));
	x.actions = HEAL_BIT(HEAL_ALERT);
	if (!s->known) { /* only the database: it is asked through a store */
		x.level = HEAL_WARNING;
		snprintf(x.subject, sizeof(x.subject), "store");
		add(f, x, "", "no store answers, so nothing is known of the database");
		return;
	}
	if (s->answers) {
		x.value = 0;
		add(f, x, "", "it answers");
		return;
	}
	x.level = HEAL_CRITICAL;
	if (restart)
		x.actions |= HEAL_BIT(kind == HEAL_BROKER ? HEAL_RESTART_BROKER : HEAL_RESTART_DATABASE);
	add(f, x, "", "the %s has not answered for %.0f s", heal_kind_name(kind), s->silent_s);
}

/* ---- hosts ---- */

static void check_figure(struct findings *f, enum heal_kind kind, const struct heal_host *h,
						 double value, double limit)
{
	struct heal_finding x = {.kind = kind, .value = value, .limit = limit};

	if (value < 0)
		return;
	x.level = value <= limit ? HEAL_OK : kind == HEAL_CPU ? HEAL_WARNING : HEAL_CRITICAL;
	x.actions = HEAL_BIT(HEAL_ALERT);
	if (h->local && kind == HEAL_MEMORY)
		x.actions |= HEAL_BIT(HEAL_CLEAR_CACHES);
	if (h->local && kind == HEAL_DISK)
		x.actions |= HEAL_BIT(HEAL_CLEAN_TEMP) | HEAL_BIT(HEAL_CLEAR_CACHES);
	if (kind == HEAL_DISK)
		snprintf(x.subject, sizeof(x.subject), "%s", h->disk_path);
	add(f, x, h->name, "%s of %s%s%s is %.1f %%, the limit %.0f %%%s", heal_kind_name(kind),
		h->name, x.subject[0] ? ", " : "", x.subject, value, limit,
		x.level != HEAL_OK && !h->local ? "; no scaler that leads runs there to clean it" : "");
}

/* ---- nodes ---- */

static bool judged(const struct heal_node *n, const struct heal_limits *l)
{
	return n->done >= l->tasks && n->done > 0;
}

static bool fails(const struct heal_node *n, const struct heal_limits *l)
{
	return judged(n, l) && percent(n->failed, n->done) >= l->unhealthy;
}

/* Whether others of its pool that serve the same do well, and one that does is left. */
static bool others_fine(const struct heal_view *v, const struct heal_limits *l,
						const struct heal_node *ill)
{
	uint64_t done = 0, failed = 0;
	unsigned left = 0;

	for (size_t i = 0; i < v->nnodes; i++) {
		const struct heal_node *n = &v->nodes[i];
		if (n == ill || !n->ready || n->types != ill->types || !str_eq(n->pool, ill->pool))
			continue;
		done += n->done;
		failed += n->failed;
		left += !fails(n, l) && n->heartbeat_age_s <= l->heartbeat_s;
	}
	return left > 0 && done >= l->tasks && done > 0 && percent(failed, done) < l->unhealthy;
}

static void check_failures(struct findings *f, const struct heal_view *v,
						   const struct heal_limits *l, const struct heal_node *n)
{
	struct heal_finding x = {.kind = HEAL_NODE, .level = HEAL_WARNING, .limit = l->unhealthy};
	bool alone;

	if (!n->ready || !fails(n, l))
		return;
	snprintf(x.subject, sizeof(x.subject), "%s", n->name);
	x.value = percent(n->failed, n->done);
	alone = others_fine(v, l, n);
	x.level = alone ? HEAL_CRITICAL : HEAL_WARNING;
	x.actions = HEAL_BIT(HEAL_ALERT) | (alone ? HEAL_BIT(HEAL_QUARANTINE) : 0);
	add(f, x, n->host, "%llu of %llu tasks failed on %s%s", (unsigned long long)n->failed,
		(unsigned long long)n->done, n->name,
		alone ? ", while the rest of its pool does well"
			  : "; it stays, as nothing shows that the rest of its pool does better");
}

static void check_restarts(struct findings *f, const struct heal_limits *l,
						   const struct heal_node *n)
{
	struct heal_finding x = {.kind = HEAL_NODE, .level = HEAL_WARNING};

	if (l->restarts == 0 || n->restarts < l->restarts)
		return;
	snprintf(x.subject, sizeof(x.subject), "%s (restarts)", n->name);
	x.value = n->restarts;
	x.limit = l->restarts;
	x.actions = HEAL_BIT(HEAL_ALERT);
	add(f, x, n->host, "node %s was started %u times within the window", n->name, n->restarts);
}

static void check_agents(struct findings *f, const struct heal_node *n)
{
	struct heal_finding x = {.kind = HEAL_AGENT, .level = HEAL_WARNING};

	if (n->agents_backoff == 0)
		return;
	snprintf(x.subject, sizeof(x.subject), "%s", n->name);
	x.value = n->agents_backoff;
	x.actions = HEAL_BIT(HEAL_ALERT);
	add(f, x, n->host, "%u of %u agents on %s crash and wait to be started again",
		n->agents_backoff, n->agents, n->name);
}

static void check_heartbeat(struct findings *f, const struct heal_limits *l,
							const struct heal_node *n)
{
	struct heal_finding x = {.kind = HEAL_HEARTBEAT, .level = HEAL_CRITICAL};
	bool restart = n->scaled && (l->can & HEAL_BIT(HEAL_RESTART_NODE));

	if (n->heartbeat_age_s <= l->heartbeat_s)
		return;
	snprintf(x.subject, sizeof(x.subject), "%s", n->name);
	x.value = n->heartbeat_age_s;
	x.limit = l->heartbeat_s;
	x.actions = HEAL_BIT(HEAL_ALERT) | HEAL_BIT(restart ? HEAL_RESTART_NODE : HEAL_REMOVE_STALE);
	add(f, x, n->host, "node %s has said nothing for %.0f s", n->name, n->heartbeat_age_s);
}

static void check_errors(struct findings *f, const struct heal_view *v, const struct heal_limits *l)
{
	struct heal_finding x = {.kind = HEAL_ERRORS, .limit = l->failure_rate};
	uint64_t done = 0, failed = 0;

	for (size_t i = 0; i < v->nnodes; i++) {
		done += v->nodes[i].done;
		failed += v->nodes[i].failed;
	}
	x.value = percent(failed, done);
	if (done >= l->tasks && done > 0 && x.value >= l->failure_rate)
		x.level = HEAL_WARNING;
	x.actions = HEAL_BIT(HEAL_ALERT);
	add(f, x, "", "%llu of %llu tasks failed", (unsigned long long)failed,
		(unsigned long long)done);
}

size_t heal_check(const struct heal_view *v, const struct heal_limits *l, unsigned kinds,
				  struct heal_finding *ret, size_t max)
{
	struct findings f = {.ret = ret, .max = max, .can = l->can};

	if (kinds & HEAL_BIT(HEAL_BROKER))
		check_service(&f, HEAL_BROKER, &v->broker, l->away_s);
	if (kinds & HEAL_BIT(HEAL_DATABASE))
		check_service(&f, HEAL_DATABASE, &v->database, l->away_s);
	if (kinds & HEAL_BIT(HEAL_ERRORS))
		check_errors(&f, v, l);
	for (size_t i = 0; i < v->nhosts; i++) {
		const struct heal_host *h = &v->hosts[i];
		if (kinds & HEAL_BIT(HEAL_CPU))
			check_figure(&f, HEAL_CPU, h, h->cpu, l->cpu);
		if (kinds & HEAL_BIT(HEAL_MEMORY))
			check_figure(&f, HEAL_MEMORY, h, h->memory, l->memory);
		if (kinds & HEAL_BIT(HEAL_DISK))
			check_figure(&f, HEAL_DISK, h, h->disk, l->disk);
	}
	for (size_t i = 0; i < v->nnodes; i++) {
		const struct heal_node *n = &v->nodes[i];
		if (kinds & HEAL_BIT(HEAL_HEARTBEAT))
			check_heartbeat(&f, l, n);
		if (kinds & HEAL_BIT(HEAL_NODE)) {
			check_failures(&f, v, l, n);
			check_restarts(&f, l, n);
		}
		if (kinds & HEAL_BIT(HEAL_AGENT))
			check_agents(&f, n);
	}
	return f.n;
}
