/*
 * Adds up what many processes count. It stands alone because two things are
 * easily got wrong and are tested here: a component that starts again begins
 * at 0 (a counter that fell counts from there: nothing is counted twice, nothing
 * becomes negative), and one that answers late must not make the sum fall.
 *
 * Goes well: each round's growth, of each process by itself, is added to
 * totals that only grow; rates and percentiles are differences of these
 * totals. Badly: a process whose first answer we see may have counted for
 * days: that first answer is where it begins, and adds nothing.
 */
#include "common/rates.h"

#include <math.h>
#include <stdio.h>

#include "common/prom_text.h"

#define WAIT "millrace_node_wait_seconds"
#define RUN "millrace_node_task_seconds"

enum gauge { DATABASE_UP, SHED_LEVEL, STORE_LAG, DRIFT, GAUGES };

struct told {
	double count[RATES_COUNTS];
	struct rates_histogram wait, run;
	double gauges[GAUGES]; /* NaN: it has none */
};

struct source {
	char id[RATES_ID_MAX + 1];
	enum rates_role role; /* RATES_ROLES: somebody else */
	struct told coming;   /* an answer in several parts, so far */
	unsigned parts;       /* of it */
	struct told now, before;
	bool known; /* before is set */
	bool answered;
	unsigned silent;
};

struct look {
	int64_t at_ms;
	struct told total;
};

struct rates {
	struct source *sources;
	size_t n;
	struct told total;
	struct look looks[RATES_LOOKS]; /* the newest at (first + nlooks - 1) % RATES_LOOKS */
	size_t first, nlooks;
	unsigned components[RATES_ROLES];
	double gauges[GAUGES];
};

static void forget_gauges(struct rates *r)
{
	for (size_t i = 0; i < GAUGES; i++)
		r->gauges[i] = NAN;
}

struct rates *rates_new(void)
{
	struct rates *r = xcalloc(1, sizeof(*r));

	forget_gauges(r);
	return r;
}

void rates_free(struct rates *r)
{
	if (r)
		free(r->sources);
	free(r);
}

/* ---- an answer ---- */

static enum rates_role role_of(const char *component)
{
	static const char *const names[RATES_ROLES] = {
		[RATES_ROUTER] = "router", [RATES_STORE] = "store",     [RATES_NODE] = "node",
		[RATES_SCALER] = "scaler", [RATES_GATEWAY] = "gateway",
	};

	for (size_t i = 0; i < RATES_ROLES; i++) {
		if (str_eq(component, names[i]))
			return (enum rates_role)i;
	}
	return RATES_ROLES;
}

static struct source *source_of(struct rates *r, const char *component, const char *id)
{
	enum rates_role role = role_of(component);

	for (size_t i = 0; i < r->n; i++) {
		if (r->sources[i].role == role && str_eq(r->sources[i].id, id))
			return &r->sources[i];
	}
	if (r->n >= RATES_SOURCES_MAX || strlen(id) > RATES_ID_MAX)
		return NULL;
	r->sources = xreallocarray(r->sources, r->n + 1, sizeof(*r->sources));
	struct source *s = &r->sources[r->n++];
	*s = (struct source){.role = role};
	snprintf(s->id, sizeof(s->id), "%s", id);
	return s;
}

/* Buckets come cumulated, ascending, a series after the other: n holds sums of cumulated ones until part_buckets. */
static void add_bucket(struct rates_histogram *h, double upto_s, double n)
{
	size_t i = 0;

	while (i < h->buckets && h->upto_s[i] < upto_s)
		i++;
	if (i == h->buckets || h->upto_s[i] > upto_s) {
		if (h->buckets == RATES_BUCKETS)
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

static void part_buckets(struct rates_histogram *h)
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

static void take(struct told *t, const struct prom_sample *p)
{
	static const struct {
		const char *name;
		enum rates_count count;
		const char *outcome;
	} counters[] = {
		{"millrace_router_tasks_received_total", RATES_SUBMITTED, NULL},
		{"millrace_router_tasks_retried_total", RATES_RETRIED, NULL},
		{"millrace_router_tasks_dead_total", RATES_DEAD, NULL},
		{WAIT "_count", RATES_STARTED, NULL},
		{"millrace_node_tasks_total", RATES_COMPLETED, "completed"},
		{"millrace_node_tasks_total", RATES_FAILED, "failed"},
	};

	static const char *const gauges[GAUGES] = {
		[DATABASE_UP] = "millrace_store_database_up",
		[SHED_LEVEL] = "millrace_router_shed_level",
		[STORE_LAG] = "millrace_store_lag_messages",
		[DRIFT] = "millrace_audit_drift",
	};

	if (p->name_len < 9 || memcmp(p->name, "millrace_", 9) != 0)
		return;
	for (size_t i = 0; i < ARRAY_LEN(counters); i++) {
		if (prom_is(p, counters[i].name) &&
			(!counters[i].outcome || outcome_is(p, counters[i].outcome)))
			t->count[counters[i].count] += p->value;
	}
	if (prom_is(p, WAIT "_bucket"))
		add_bucket(&t->wait, bound_of(p), p->value);
	else if (prom_is(p, RUN "_bucket"))
		add_bucket(&t->run, bound_of(p), p->value);
	for (size_t i = 0; i < GAUGES; i++) {
		/* Series of one instance add up: the drift of all lanes. */
		if (prom_is(p, gauges[i]))
			t->gauges[i] = (isnan(t->gauges[i]) ? 0 : t->gauges[i]) + p->value;
	}
}

void rates_answer(struct rates *r, const char *component, const char *instance, unsigned part,
				  unsigned parts, const char *text, size_t len)
{
	struct source *s = source_of(r, component, instance);
	struct prom_sample p;
	const char *at = text;

	if (!s)
		return;
	if (part == 1) {
		s->coming = (struct told){.gauges = {NAN, NAN, NAN, NAN}};
		s->parts = 0;
	}
	if (part != s->parts + 1)
		return; /* one got lost: the answer before stands */
	s->parts = part;
	while (prom_next(&at, text + len, &p))
		take(&s->coming, &p);
	if (part != parts)
		return;
	part_buckets(&s->coming.wait);
	part_buckets(&s->coming.run);
	s->now = s->coming;
	s->parts = 0;
	s->answered = true;
}

bool rates_answered_all(const struct rates *r)
{
	bool any = false;

	for (size_t i = 0; i < r->n; i++) {
		if (!r->sources[i].answered && r->sources[i].known && r->sources[i].silent == 0)
			return false;
		any = any || r->sources[i].answered;
	}
	return any;
}

/* ---- the end of a round ---- */

static double growth(double before, double now)
{
	return now >= before ? now - before : now; /* it began anew */
}

static void grow_histogram(struct rates_histogram *total, const struct rates_histogram *before,
						   const struct rates_histogram *now)
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
	for (size_t i = 0; i < RATES_COUNTS; i++)
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

static void fold(struct rates *r, struct source *s)
{
	if (s->known)
		grow(&r->total, s);
	s->before = s->now;
	s->known = true;
	s->silent = 0;
	r->gauges[DATABASE_UP] = least(r->gauges[DATABASE_UP], s->now.gauges[DATABASE_UP]);
	for (size_t i = DATABASE_UP + 1; i < GAUGES; i++)
		r->gauges[i] = most(r->gauges[i], s->now.gauges[i]);
}

void rates_look(struct rates *r, int64_t now_ms)
{
	memset(r->components, 0, sizeof(r->components));
	forget_gauges(r);
	for (size_t i = 0; i < r->n;) {
		struct source *s = &r->sources[i];

		if (s->answered)
			fold(r, s);
		else if (++s->silent >= RATES_SILENT_ROUNDS) {
			*s = r->sources[--r->n];
			continue;
		}
		if (s->role < RATES_ROLES)
			r->components[s->role]++;
		s->answered = false;
		i++;
	}
	if (r->nlooks == RATES_LOOKS) {
		r->first = (r->first + 1) % RATES_LOOKS;
		r->nlooks--;
	}
	r->looks[(r->first + r->nlooks++) % RATES_LOOKS] =
		(struct look){.at_ms = now_ms, .total = r->total};
}

/* ---- what it comes to ---- */

static const struct look *look_at(const struct rates *r, size_t back)
{
	return back < r->nlooks ? &r->looks[(r->first + r->nlooks - 1 - back) % RATES_LOOKS] : NULL;
}

size_t rates_looks(const struct rates *r)
{
	return r->nlooks;
}

/* The look that a window ending now begins with; NULL before the second look. */
static const struct look *begin_of(const struct rates *r, int64_t window_ms)
{
	const struct look *now = look_at(r, 0), *begin = look_at(r, 1);

	for (size_t back = 2; begin && now->at_ms - begin->at_ms < window_ms && look_at(r, back);
		 back++)
		begin = look_at(r, back);
	return begin;
}

double rates_growth(const struct rates *r, enum rates_count c, int64_t window_ms)
{
	const struct look *begin = begin_of(r, window_ms);

	return begin ? look_at(r, 0)->total.count[c] - begin->total.count[c] : (double)NAN;
}

double rates_per_s(const struct rates *r, enum rates_count c, int64_t window_ms)
{
	const struct look *begin = begin_of(r, window_ms);

	if (!begin || look_at(r, 0)->at_ms <= begin->at_ms)
		return NAN;
	return rates_growth(r, c, window_ms) * 1000 / (double)(look_at(r, 0)->at_ms - begin->at_ms);
}

/* What was observed since the window's begin. */
static struct rates_histogram observed(const struct rates *r, bool wait, int64_t window_ms)
{
	const struct look *now = look_at(r, 0), *begin = begin_of(r, window_ms);
	struct rates_histogram grown = {0};

	if (begin)
		grow_histogram(&grown, wait ? &begin->total.wait : &begin->total.run,
					   wait ? &now->total.wait : &now->total.run);
	return grown;
}

static double sum(const struct rates_histogram *h)
{
	double n = 0;

	for (size_t i = 0; i < h->buckets; i++)
		n += h->n[i];
	return n;
}

static double percentile_ms(const struct rates_histogram *h, double fraction)
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

double rates_wait_ms(const struct rates *r, double fraction, int64_t window_ms)
{
	struct rates_histogram h = observed(r, true, window_ms);

	return percentile_ms(&h, fraction);
}

double rates_run_ms(const struct rates *r, double fraction, int64_t window_ms)
{
	struct rates_histogram h = observed(r, false, window_ms);

	return percentile_ms(&h, fraction);
}

double rates_wait_within(const struct rates *r, double seconds, int64_t window_ms)
{
	struct rates_histogram h = observed(r, true, window_ms);
	double all = sum(&h), within = 0;

	for (size_t i = 0; i < h.buckets && h.upto_s[i] <= seconds * 1.000001; i++)
		within += h.n[i];
	return all > 0 ? within / all : (double)NAN;
}

unsigned rates_components(const struct rates *r, enum rates_role role)
{
	return r->components[role];
}

double rates_database_up(const struct rates *r)
{
	return r->gauges[DATABASE_UP];
}

double rates_shed_level(const struct rates *r)
{
	return r->gauges[SHED_LEVEL];
}

double rates_store_lag(const struct rates *r)
{
	return r->gauges[STORE_LAG];
}

double rates_drift(const struct rates *r)
{
	return r->gauges[DRIFT];
}
