/*
 * The promise, counted. It stands alone as arithmetic on what is told elsewhere:
 *
 *	histograms by lane and node --> completed, met (one pair a process) --> growth since the last look
 *	--> totals --> a point of every 64th of the window --> now less the point before the window
 *
 * It goes well: each process's growth is added once. It fails: a process that began anew shows less
 * than before, and then all that it shows is new; a target between two bounds is interpolated as
 * histogram_quantile does.
 */
#include "gateway/sla.h"

#include <math.h>
#include <stdio.h>

#include <uthash.h>

#define FORGET_MS INT64_C(3600000) /* a source that was not seen for so long */

struct sla_source {
	char *key;
	struct sla_totals last;
	struct sla_totals now; /* while a look is under way */
	bool known, told;
	int64_t seen_ms;
	/* of the histogram that is being read: */
	double below_le, below_count;
	bool found;
	UT_hash_handle hh;
};

void sla_release(struct sla *s)
{
	struct sla_source *one, *next;

	HASH_ITER (hh, s->sources, one, next) {
		HASH_DEL(s->sources, one);
		free(one->key);
		free(one);
	}
}

static struct sla_source *source_of(struct sla *s, const struct exposition_sample *sample)
{
	char key[2 * EXPOSITION_NAME_MAX + 2];
	struct sla_source *one;

	snprintf(key, sizeof(key), "%s %s", sample->component, sample->instance);
	HASH_FIND_STR(s->sources, key, one);
	if (!one) {
		one = xcalloc(1, sizeof(*one));
		one->key = xstrdup(key);
		HASH_ADD_KEYPTR(hh, s->sources, one->key, strlen(one->key), one);
	}
	one->told = true;
	return one;
}

/* ---- one look ---- */

/* A histogram's buckets come in their order, then its sum and count. */
static void on_completion(void *data, const struct exposition_sample *sample)
{
	struct sla *s = data;
	struct sla_source *one = source_of(s, sample);
	double target = s->target_s, le;
	struct exposition_text text;

	if (str_eq(sample->suffix, "_count")) {
		one->now.completed += sample->value;
		one->below_le = one->below_count = 0;
		one->found = false;
	}
	if (!str_eq(sample->suffix, "_bucket") || one->found ||
		!exposition_label(sample->labels, "le", &text))
		return;
	le = strtod(text.at, NULL); /* ends at the quote */
	if (le < target) {
		one->below_le = le;
		one->below_count = sample->value;
		return;
	}
	one->found = true;
	/* Of what lies beyond all bounds nobody knows how far: not met. */
	double part = isinf(le) ? 0 : (target - one->below_le) / (le - one->below_le);
	one->now.met += one->below_count + part * (sample->value - one->below_count);
}

static void on_dead(void *data, const struct exposition_sample *sample)
{
	source_of(data, sample)->now.dead += sample->value;
}

static double growth(double now, double last)
{
	return now >= last ? now - last : now;
}

static void add_growth(struct sla *s, struct sla_source *one, int64_t now_ms)
{
	bool anew = one->now.completed < one->last.completed || one->now.dead < one->last.dead;
	struct sla_totals last = one->last;

	if (anew)
		last = (struct sla_totals){0};
	if (one->known) {
		s->totals.completed += growth(one->now.completed, last.completed);
		s->totals.met += growth(one->now.met, last.met);
		s->totals.dead += growth(one->now.dead, last.dead);
	}
	one->last = one->now;
	one->now = (struct sla_totals){0};
	one->known = true;
	one->told = false;
	one->seen_ms = now_ms;
}

static void add_point(struct sla *s, int64_t now_ms)
{
	int64_t apart_ms = s->window_ms / (SLA_POINTS - 2);

	/* The newest but one is far enough back: the newest has done its duty of being near. */
	if (s->npoints >= 2 &&
		s->points[s->npoints - 1].at_ms - s->points[s->npoints - 2].at_ms < apart_ms)
		s->npoints--;
	if (s->npoints == SLA_POINTS) {
		memmove(s->points, s->points + 1, (SLA_POINTS - 1) * sizeof(s->points[0]));
		s->npoints--;
	}
	s->points[s->npoints].at_ms = now_ms;
	s->points[s->npoints++].totals = s->totals;
}

void sla_take(struct sla *s, const struct exposition *x, int64_t now_mono_ms)
{
	struct sla_source *one, *next;

	exposition_each(x, "millrace_node_completion_seconds", on_completion, s);
	exposition_each(x, "millrace_store_tasks_dead_total", on_dead, s);
	HASH_ITER (hh, s->sources, one, next) {
		if (one->told) {
			add_growth(s, one, now_mono_ms);
		} else if (now_mono_ms - one->seen_ms > FORGET_MS) {
			HASH_DEL(s->sources, one);
			free(one->key);
			free(one);
		}
	}
	add_point(s, now_mono_ms);
}

/* ---- the window ---- */

static struct sla_totals lately(const struct sla *s, int64_t now_ms)
{
	struct sla_totals t = s->totals;
	size_t base = 0;

	if (s->npoints == 0)
		return (struct sla_totals){0};
	for (size_t i = 0; i < s->npoints; i++) {
		if (s->points[i].at_ms <= now_ms - s->window_ms)
			base = i;
	}
	t.completed -= s->points[base].totals.completed;
	t.met -= s->points[base].totals.met;
	t.dead -= s->points[base].totals.dead;
	return t;
}

double sla_compliance(const struct sla *s, int64_t now_mono_ms)
{
	struct sla_totals t = lately(s, now_mono_ms);
	double ended = t.completed + t.dead;

	return ended > 0 ? t.met / ended : (double)NAN;
}

double sla_errors(const struct sla *s, int64_t now_mono_ms)
{
	struct sla_totals t = lately(s, now_mono_ms);
	double ended = t.completed + t.dead;

	return ended > 0 ? t.dead / ended : (double)NAN;
}
