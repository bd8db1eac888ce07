/*
 * Adds up what many processes count. It stands alone because two things are
 * easily got wrong and are tested here: a component that starts again begins
 * at 0 (its new id makes it a new one: nothing is counted twice, nothing
 * becomes negative), and one that answers late must not make the sum fall.
 *
 * Goes well: each round's growth, of each process by itself, is added to
 * totals that only grow; rates and percentiles are differences of these
 * totals. Badly: a process whose first answer we see may have counted for
 * days: that first answer is where it begins, and adds nothing.
 */
#include "cli/top_rates.h"

#include <math.h>
#include <stdio.h>

#include "cli/prom_text.h"

#define LOOKS 64 /* kept; more than a window has */

struct told {
	double count[TOP_COUNTS];
	struct top_histogram wait, run;
};

struct source {
	char id[64];
	enum top_role role; /* TOP_ROLES: somebody else */
	struct told now, before;
	bool known; /* before is set */
	bool answered;
	unsigned silent;
	double database_up, shed_level, store_lag;
};

struct look {
	int64_t at_ms;
	struct told total;
};

struct top_rates {
	struct source *sources;
	size_t n;
	struct told total;
	struct look looks[LOOKS]; /* the newest at (first + n - 1) % LOOKS */
	size_t first, nlooks;
	unsigned components[TOP_ROLES];
	double database_up, shed_level, store_lag;
};

struct top_rates *top_rates_new(void)
{
	struct top_rates *r = xcalloc(1, sizeof(*r));

	r->database_up = r->shed_level = r->store_lag = NAN;
	return r;
}

void top_rates_free(struct top_rates *r)
{
	if (r)
		free(r->sources);
	free(r);
}

/* ---- an answer ---- */

static enum top_role role_of(const char *service)
{
	static const char *const names[TOP_ROLES] = {
		[TOP_ROUTER] = "router",   [TOP_STORE] = "store",
		[TOP_NODE] = "node",       [TOP_SCALER] = "scaler",
		[TOP_GATEWAY] = "gateway",
	};

	for (size_t i = 0; i < TOP_ROLES; i++) {
		if (str_eq(service, names[i]))
			return (enum top_role)i;
	}
	return TOP_ROLES;
}

static struct source *source_of(struct top_rates *r, const char *service, const char *id)
{
	for (size_t i = 0; i < r->n; i++) {
		if (str_eq(r->sources[i].id, id))
			return &r->sources[i];
	}
	r->sources = xreallocarray(r->sources, r->n + 1, sizeof(*r->sources));
	struct source *s = &r->sources[r->n++];
	*s = (struct source){.role = role_of(service)};
	snprintf(s->id, sizeof(s->id), "%s", id);
	return s;
}

/* Buckets come cumulated, ascending, a series after the other: n holds sums of cumulated ones until `part`. */
static void add_bucket(struct top_histogram *h, double upto_s, double n)
{
	size_t i = 0;

	while (i < h->buckets && h->upto_s[i] < upto_s)
		i++;
	if (i == h->buckets || h->upto_s[i] > upto_s) {
		if (h->buckets == TOP_BUCKETS)
			return;
		for (size_t k = h->buckets; k > i; k--) {
			h->upto_s[k] = h->upto_s[k - 1];
			h->n[k] = h->n[k - 1];
		}
		h->buckets++;
		h->upto_s[i] = upto_s;
		h->n[i] = 0;
	}
	h->n[i] += n;
}

static void part(struct top_histogram *h)
{
	for (size_t i = h->buckets; i-- > 1;)
		h->n[i] = MAX_OF(h->n[i] - h->n[i - 1], 0.0);
}

static double bound_of(const struct prom_sample *s)
{
	size_t len;
	const char *le = prom_label(s, "le", &len);
	char text[32];

	if (!le || len >= sizeof(text))
		return NAN;
	memcpy(text, le, len);
	text[len] = '\0';
	return strtod(text, NULL);
}

static bool outcome_is(const struct prom_sample *s, const char *outcome)
{
	size_t len;
	const char *v = prom_label(s, "outcome", &len);

	return v && strlen(outcome) == len && memcmp(v, outcome, len) == 0;
}

static void take(struct source *s, const struct prom_sample *p)
{
	static const struct {
		const char *name;
		enum top_count count;
		const char *outcome;
	} counters[] = {
		{"millrace_router_tasks_received_total", TOP_SUBMITTED, NULL},
		{"millrace_router_tasks_retried_total", TOP_RETRIED, NULL},
		{"millrace_router_tasks_dead_total", TOP_DEAD, NULL},
		{"millrace_node_wait_seconds_count", TOP_STARTED, NULL},
		{"millrace_node_tasks_total", TOP_COMPLETED, "completed"},
		{"millrace_node_tasks_total", TOP_FAILED, "failed"},
	};

	if (p->name_len < 9 || memcmp(p->name, "millrace_", 9) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
		if (prom_is(p, counters[i].name) &&
			(!counters[i].outcome || outcome_is(p, counters[i].outcome)))
			s->now.count[counters[i].count] += p->value;
	}
	if (prom_is(p, "millrace_node_wait_seconds_bucket"))
		add_bucket(&s->now.wait, bound_of(p), p->value);
	else if (prom_is(p, "millrace_node_task_seconds_bucket"))
		add_bucket(&s->now.run, bound_of(p), p->value);
	else if (prom_is(p, "millrace_store_database_up"))
		s->database_up = p->value;
	else if (prom_is(p, "millrace_router_shed_level"))
		s->shed_level = p->value;
	else if (prom_is(p, "millrace_store_lag_messages"))
		s->store_lag = p->value;
}

void top_rates_answer(struct top_rates *r, const char *service, const char *id, const char *text,
					  size_t len)
{
	struct source *s = source_of(r, service ? service : "", id ? id : "");
	struct prom_sample p;
	const char *at = text;

	/* The same one's answer of this round replaces the one before; those without an id are added up. */
	if (id || !s->answered)
		s->now = (struct told){0};
	s->database_up = s->shed_level = s->store_lag = NAN;
	s->answered = true;
	while (prom_next(&at, text + len, &p))
		take(s, &p);
	part(&s->now.wait);
	part(&s->now.run);
}

/* ---- the end of a round ---- */

static double growth(double before, double now)
{
	return MAX_OF(now - before, 0.0);
}

static void grow_histogram(struct top_histogram *total, const struct top_histogram *before,
						   const struct top_histogram *now)
{
	for (size_t i = 0; i < now->buckets; i++) {
		double had = 0;

		for (size_t k = 0; k < before->buckets; k++)
			had = before->upto_s[k] == now->upto_s[i] ? before->n[k] : had;
		add_bucket(total, now->upto_s[i], growth(had, now->n[i]));
	}
}

static void grow(struct told *total, const struct source *s)
{
	for (size_t i = 0; i < TOP_COUNTS; i++)
		total->count[i] += growth(s->before.count[i], s->now.count[i]);
	grow_histogram(&total->wait, &s->before.wait, &s->now.wait);
	grow_histogram(&total->run, &s->before.run, &s->now.run);
}

static double least(double a, double b)
{
	return isnan(a) || b < a ? b : a;
}

static double most(double a, double b)
{
	return isnan(a) || b > a ? b : a;
}

static void fold(struct top_rates *r, struct source *s)
{
	if (s->known)
		grow(&r->total, s);
	s->before = s->now;
	s->known = true;
	s->silent = 0;
	if (s->role < TOP_ROLES)
		r->components[s->role]++;
	r->database_up = least(r->database_up, s->database_up);
	r->shed_level = most(r->shed_level, s->shed_level);
	r->store_lag = most(r->store_lag, s->store_lag);
}

void top_rates_look(struct top_rates *r, int64_t now_ms)
{
	memset(r->components, 0, sizeof(r->components));
	r->database_up = r->shed_level = r->store_lag = NAN;
	for (size_t i = 0; i < r->n;) {
		struct source *s = &r->sources[i];

		if (s->answered)
			fold(r, s);
		else if (++s->silent >= TOP_SILENT_ROUNDS) {
			*s = r->sources[--r->n];
			continue;
		}
		s->answered = false;
		i++;
	}
	if (r->nlooks == LOOKS) {
		r->first = (r->first + 1) % LOOKS;
		r->nlooks--;
	}
	r->looks[(r->first + r->nlooks++) % LOOKS] = (struct look){.at_ms = now_ms, .total = r->total};
}

/* ---- what it comes to ---- */

static const struct look *look_at(const struct top_rates *r, size_t back)
{
	return back < r->nlooks ? &r->looks[(r->first + r->nlooks - 1 - back) % LOOKS] : NULL;
}

double top_rate(const struct top_rates *r, enum top_count c)
{
	const struct look *now = look_at(r, 0), *before = look_at(r, 1);

	if (!before || now->at_ms <= before->at_ms)
		return NAN;
	return (now->total.count[c] - before->total.count[c]) * 1000 /
		   (double)(now->at_ms - before->at_ms);
}

/* What was observed since the window's begin. */
static struct top_histogram window(const struct top_rates *r, bool wait)
{
	const struct look *now = look_at(r, 0), *begin = now;
	struct top_histogram grown = {0};

	for (size_t back = 1; now && look_at(r, back); back++) {
		begin = look_at(r, back);
		if (now->at_ms - begin->at_ms >= TOP_WINDOW_MS)
			break;
	}
	if (now)
		grow_histogram(&grown, wait ? &begin->total.wait : &begin->total.run,
					   wait ? &now->total.wait : &now->total.run);
	return grown;
}

static double sum(const struct top_histogram *h)
{
	double n = 0;

	for (size_t i = 0; i < h->buckets; i++)
		n += h->n[i];
	return n;
}

static double percentile_ms(const struct top_histogram *h, double fraction)
{
	double want = sum(h) * fraction, below = 0;

	if (sum(h) <= 0)
		return NAN;
	for (size_t i = 0; i < h->buckets; i++) {
		double from = i ? h->upto_s[i - 1] : 0;

		if (h->n[i] <= 0 || below + h->n[i] < want) {
			below += h->n[i];
			continue;
		}
		if (isinf(h->upto_s[i]))
			return from * 1000;
		return (from + (h->upto_s[i] - from) * (want - below) / h->n[i]) * 1000;
	}
	return NAN;
}

double top_wait_ms(const struct top_rates *r, double fraction)
{
	struct top_histogram h = window(r, true);

	return percentile_ms(&h, fraction);
}

double top_run_ms(const struct top_rates *r, double fraction)
{
	struct top_histogram h = window(r, false);

	return percentile_ms(&h, fraction);
}

double top_wait_within(const struct top_rates *r, double seconds)
{
	struct top_histogram h = window(r, true);
	double all = sum(&h), within = 0;

	for (size_t i = 0; i < h.buckets && h.upto_s[i] <= seconds * 1.000001; i++)
		within += h.n[i];
	return all > 0 ? within / all : NAN;
}

unsigned top_components(const struct top_rates *r, enum top_role role)
{
	return r->components[role];
}

double top_database_up(const struct top_rates *r)
{
	return r->database_up;
}

double top_shed_level(const struct top_rates *r)
{
	return r->shed_level;
}

double top_store_lag(const struct top_rates *r)
{
	return r->store_lag;
}
