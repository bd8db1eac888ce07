/*
 * Decisions as sentences. What was seen stands before the colon, what follows
 * from it behind: "12 tasks/s of 0.21 s need 3 slots, 340 wait (oldest 1.2 s):
 * 4 nodes for a wait under 2 s". It stands alone so that the words can be
 * changed without touching what decides. A sentence that would not fit is cut.
 */
#include "scaler/policy_say.h"

#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdio.h>

#include "scaler/policy_wait.h"

struct sentence {
	char *text;
	size_t len, size;
};

PRINTF_LIKE(2, 3) static void say(struct sentence *s, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	int n = vsnprintf(s->text + s->len, s->size - s->len, fmt, args);
	va_end(args);
	if (n > 0)
		s->len = MIN_OF(s->len + (size_t)n, s->size - 1);
}

/* As people read them: 0.21, 1.2, 12, 340. */
static void say_number(struct sentence *s, double x)
{
	if (x >= 9.95 || x == 0)
		say(s, "%.0f", x);
	else if (x >= 0.995)
		say(s, fabs(x - round(x)) < 0.05 ? "%.0f" : "%.1f", x);
	else
		say(s, x < 0.001 ? "%.4f" : "%.2g", x);
}

static void say_nodes(struct sentence *s, unsigned n)
{
	say(s, "%u node%s", n, n == 1 ? "" : "s");
}

static void say_promise(struct sentence *s, const struct policy_rule *r)
{
	say(s, " for a wait under ");
	say_number(s, r->promise_s);
	say(s, " s");
}

static void say_waiting(struct sentence *s, const struct policy_view *v)
{
	if (!v->waiting)
		return;
	say(s, ", %" PRIu64 " wait%s (oldest ", v->waiting, v->waiting == 1 ? "s" : "");
	say_number(s, v->oldest_s);
	say(s, " s)");
}

/* Is there anything to tell of a rate? */
static bool knows_load(const struct policy_view *v)
{
	return v->service_s > 0 && v->arrival_per_s > 0;
}

static void say_seen(struct sentence *s, const struct policy_rule *r, const struct policy_view *v,
					 const struct policy_need *need, enum policy_reason reason)
{
	if (knows_load(v)) {
		say_number(s, v->arrival_per_s);
		say(s, " tasks/s of ");
		say_number(s, v->service_s);
		unsigned slots = policy_ceil(v->arrival_per_s * v->service_s),
				 soon = policy_ceil(need->busy);

		say(s, " s need %u slot%s", slots, slots == 1 ? "" : "s");
		/* Of long tasks most are still to come, or are of another time. */
		if (soon != slots)
			say(s, " (%u in %.0f s)", soon, r->start_s);
		if (reason == POLICY_FORECAST) {
			say(s, ", ");
			say_number(s, v->forecast_per_s);
			say(s, "/s are expected");
		}
	}
	if (!knows_load(v) || reason == POLICY_FULL)
		say(s, "%s%u of %u slots are in use", s->len ? ", " : "", v->used, v->ready * r->slots);
	say_waiting(s, v);
	say(s, ": ");
}

static void say_more(struct sentence *s, const struct policy_rule *r, const struct policy_view *v,
					 const struct policy_need *need, const struct policy_decision *d)
{
	say_nodes(s, d->target);
	switch (d->reason) {
	case POLICY_BACKLOG:
		if (v->service_s > 0) {
			say(s, " to work off what waits within ");
			say_number(s, r->promise_s);
			say(s, " s");
		} else {
			say(s, ", as how long tasks take is not known yet");
		}
		break;
	case POLICY_FULL:
		say(s, " to stay under %.0f %% full", r->full * 100);
		break;
	default:
		say_promise(s, r);
	}
	if (need->nodes > d->target)
		say(s, " (%u wanted, %u more in %.0f s at most)", need->nodes, r->step, r->up_cooldown_s);
}

static void say_cooldown(struct sentence *s, const struct policy_rule *r,
						 const struct policy_view *v, const struct policy_memory *m,
						 const struct policy_need *need, unsigned was)
{
	if (need->nodes > was) {
		say_nodes(s, need->nodes);
		say(s, " wanted, but %u were added in the last %.0f s (%u in %.0f s at most)", m->grown,
			v->now_s - m->window_s, r->step, r->up_cooldown_s);
		return;
	}
	say_nodes(s, need->nodes);
	say(s, " would do; ");
	say_nodes(s, was);
	say(s, was == 1 ? " stays" : " stay");
	say(s, " until it was so for %.0f s", r->down_cooldown_s);
}

static void say_steady(struct sentence *s, const struct policy_rule *r, const struct policy_view *v,
					   const struct policy_need *need, const struct policy_decision *d)
{
	unsigned slots = v->ready * r->slots;

	if (need->unserved && v->oldest_s > r->promise_s) {
		say(s, "no node takes them, though %u slots are free; more nodes would not either",
			slots - v->used);
		return;
	}
	say_nodes(s, d->target);
	say(s, d->target == 1 ? " does" : " do");
	say_promise(s, r);
}

void policy_say(const struct policy_rule *r, const struct policy_view *v,
				const struct policy_memory *m, const struct policy_need *need, unsigned was,
				struct policy_decision *d)
{
	struct sentence s = {.text = d->text, .size = sizeof(d->text)};

	if (d->reason == POLICY_STALE) {
		say(&s, "the broker did not answer, what was seen is old: ");
		say_nodes(&s, d->target);
		say(&s, ", as before");
		return;
	}
	if (d->reason == POLICY_MIN) {
		say_nodes(&s, was);
		say(&s, ", fewer than the least: ");
		say_nodes(&s, d->target);
		return;
	}
	if (d->reason == POLICY_IDLE) {
		say(&s, "no task for %.0f s: ", v->now_s - m->idle_since_s);
		say_nodes(&s, d->target);
		return;
	}
	say_seen(&s, r, v, need, d->reason);
	switch (d->reason) {
	case POLICY_MAX:
		say_nodes(&s, MAX_OF(need->nodes, was));
		say(&s, was > r->max ? ", but %u is the most" : " wanted, but %u is the most", r->max);
		break;
	case POLICY_WAIT:
	case POLICY_BACKLOG:
	case POLICY_FULL:
	case POLICY_FORECAST:
		say_more(&s, r, v, need, d);
		break;
	case POLICY_COOLDOWN:
		say_cooldown(&s, r, v, m, need, was);
		break;
	case POLICY_FEWER:
		say_nodes(&s, d->target);
		say(&s, ", as no more were needed for %.0f s", r->down_cooldown_s);
		break;
	case POLICY_STEADY:
		say_steady(&s, r, v, need, d);
		break;
	case POLICY_STALE:
	case POLICY_MIN:
	case POLICY_IDLE:
		break;
	}
}
