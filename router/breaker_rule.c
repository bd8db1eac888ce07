/*
 * When a lane is paused, for how long, and what is written of it. It stands
 * alone so that the states can be tested as a table, and because a lane's
 * setting has other owners: operators, who may resume it, pause it
 * themselves or set its concurrency at any moment. What is not ours is never
 * changed, and what was is given back.
 */
#include "router/breaker_rule.h"

#include <stdio.h>

#include "common/codec.h"

#define REASON_PREFIX "breaker: "
#define REASON_ERROR_MAX 120

/* ---- counting ---- */

void breaker_add(struct breaker_count *c, const struct breaker_rule *rule, unsigned more,
				 int64_t now_mono_ms)
{
	if (c->n == 0 || (now_mono_ms - c->first_mono_ms) * NS_PER_MS > rule->window_ns) {
		c->n = 0;
		c->first_mono_ms = now_mono_ms;
	}
	c->n += MIN_OF(more, 1000000u - MIN_OF(c->n, 1000000u));
}

bool breaker_reached(const struct breaker_count *c, const struct breaker_rule *rule)
{
	return rule->failures && c->n >= rule->failures;
}

bool breaker_suspects(const struct breaker_count *c, const struct breaker_rule *rule)
{
	return rule->failures && c->n >= MAX_OF(rule->failures / 4, 1u);
}

/* ---- reading ---- */

static int64_t moment(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));
	int64_t ns;

	return text && time_parse(text, &ns, NULL) == 0 ? ns : 0;
}

void breaker_read(const json_t *setting, struct breaker *ret)
{
	const json_t *j = json_object_get(setting, "breaker");
	const char *state = json_string_value(json_object_get(j, "state")),
			   *fingerprint = json_string_value(json_object_get(j, "fingerprint"));
	json_int_t trips = json_integer_value(json_object_get(j, "trips"));

	*ret = (struct breaker){.paused = json_is_true(json_object_get(setting, "paused"))};
	if (!state || !fingerprint || !fingerprint_ok(fingerprint))
		return;
	snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%.*s", FINGERPRINT_ERROR_LEN,
			 fingerprint);
	ret->trips = (unsigned)MIN_OF(MAX_OF(trips, 1), 1000);
	ret->at_wall_ns = moment(j, "at");
	ret->until_wall_ns = moment(j, "until");
	ret->state = str_eq(state, "open")        ? BREAKER_OPEN
				 : str_eq(state, "half-open") ? BREAKER_HALF
											  : BREAKER_CLOSED;
}

enum breaker_move breaker_next(const struct breaker *b, const struct breaker_rule *rule,
							   int64_t now_wall_ns)
{
	switch (b->state) {
	case BREAKER_CLOSED:
		return BREAKER_STAY;
	case BREAKER_OPEN:
		if (now_wall_ns >= b->until_wall_ns)
			return BREAKER_TO_HALF;
		return b->paused ? BREAKER_STAY : BREAKER_TO_CLOSED;
	case BREAKER_HALF:
		/* Whoever completes a task may not say so; no failure for so long will do. */
		return now_wall_ns - b->at_wall_ns >= rule->window_ns ? BREAKER_TO_CLOSED : BREAKER_STAY;
	}
	return BREAKER_STAY;
}

int64_t breaker_pause_ns(const struct breaker_rule *rule, unsigned trips)
{
	int64_t ns = rule->pause_ns;

	for (unsigned i = 1; i < trips && ns < rule->pause_max_ns; i++)
		ns *= 2;
	return MIN_OF(ns, MAX_OF(rule->pause_max_ns, rule->pause_ns));
}

/* ---- writing ---- */

static json_t *time_json(int64_t wall_ns)
{
	char text[32];

	time_format(wall_ns, text);
	return json_string(text);
}

static bool our_pause(const json_t *setting)
{
	const char *reason = json_string_value(json_object_get(setting, "reason"));

	return reason && strncmp(reason, REASON_PREFIX, sizeof(REASON_PREFIX) - 1) == 0;
}

static void end_pause(json_t *setting)
{
	if (!our_pause(setting))
		return;
	json_object_del(setting, "paused");
	json_object_del(setting, "reason");
	json_object_del(setting, "until");
}

static json_t *reason_of(const struct breaker_rule *rule, const struct breaker_trip *t,
						 unsigned trips)
{
	CLEANUP(buf_release) struct buf words = {0};
	char window[32];
	size_t len = strnlen(t->error, REASON_ERROR_MAX);

	while (t->error[len] && len > 0 && ((unsigned char)t->error[len] & 0xc0) == 0x80)
		len--; /* not in the middle of a character */
	duration_format(rule->window_ns, window);
	if (trips > 1)
		buf_printf(&words, REASON_PREFIX "%s came back, for the %u. time: ", t->fingerprint,
				   trips - 1);
	else
		buf_printf(&words, REASON_PREFIX "%u times %s within %s and no success: ", t->failures,
				   t->fingerprint, window);
	utf8_clean(t->error, len, &words);
	for (char *p = words.data; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
	return json_string(words.data);
}

int64_t breaker_open(json_t *setting, const struct breaker_rule *rule, const struct breaker_trip *t)
{
	struct breaker was;
	json_t *old = json_object_get(setting, "breaker");
	json_int_t concurrency = json_integer_value(json_object_get(setting, "concurrency"));

	breaker_read(setting, &was);
	/* What it was before the first time. */
	if (was.state != BREAKER_CLOSED)
		concurrency = json_integer_value(json_object_get(old, "concurrency"));
	bool same = was.state != BREAKER_CLOSED && fingerprint_matches(t->fingerprint, was.fingerprint);
	unsigned trips = same ? was.trips + 1 : 1;
	int64_t until_ns = t->now_wall_ns + breaker_pause_ns(rule, trips);

	if (!was.paused || our_pause(setting)) {
		json_object_set_new(setting, "paused", json_true());
		json_object_set_new(setting, "reason", reason_of(rule, t, trips));
		json_object_set_new(setting, "until", time_json(until_ns));
	}
	/* In force as soon as the pause is over. */
	if (concurrency == 0 || concurrency > (json_int_t)rule->probes)
		json_object_set_new(setting, "concurrency", json_integer((json_int_t)rule->probes));
	json_object_set_new(setting, "breaker",
						json_pack("{s:s, s:s%, s:i, s:o, s:o, s:I}", "state", "open", "fingerprint",
								  t->fingerprint, (size_t)FINGERPRINT_ERROR_LEN, "trips",
								  (int)trips, "at", time_json(t->now_wall_ns), "until",
								  time_json(until_ns), "concurrency", concurrency));
	return until_ns;
}

void breaker_half(json_t *setting, int64_t now_wall_ns)
{
	json_t *b = json_object_get(setting, "breaker");

	end_pause(setting);
	json_object_set_new(b, "state", json_string("half-open"));
	json_object_set_new(b, "at", time_json(now_wall_ns));
	json_object_del(b, "until");
}

void breaker_close(json_t *setting, const struct breaker_rule *rule)
{
	const json_t *b = json_object_get(setting, "breaker");
	json_int_t before = json_integer_value(json_object_get(b, "concurrency"));

	end_pause(setting);
	/* An operator who set it meanwhile meant it. */
	if (json_integer_value(json_object_get(setting, "concurrency")) == (json_int_t)rule->probes) {
		if (before)
			json_object_set_new(setting, "concurrency", json_integer(before));
		else
			json_object_del(setting, "concurrency");
	}
	json_object_del(setting, "breaker");
}
