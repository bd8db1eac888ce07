/*
 * Reading a lane's setting. It stands alone because routers and nodes must
 * understand it alike: a pause that only one of them saw would be none. Goes
 * well: an object with known keys. Badly: a key of the wrong type or out of
 * range is named and taken as absent, so that a slip in one of them does not
 * undo the others.
 */
#include "common/lane_setting.h"

#include <stdio.h>

#include "common/clock.h"

static void complain(int *rc, struct err *e, const char *key, const char *what)
{
	if (*rc == 0)
		*rc = err_set(e, ERR_INVALID, "%s should be %s", key, what);
}

static int64_t take_time(const json_t *j, const char *key, int *rc, struct err *e)
{
	const json_t *v = json_object_get(j, key);
	int64_t ns = 0;

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_string(v) || time_parse(json_string_value(v), &ns, NULL)) {
		complain(rc, e, key, "a time as 2026-01-02T03:04:05Z");
		return 0;
	}
	return ns;
}

static uint64_t take_number(const json_t *j, const char *key, json_int_t max, int *rc,
							struct err *e)
{
	const json_t *v = json_object_get(j, key);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_integer(v) || json_integer_value(v) < 0 || json_integer_value(v) > max) {
		complain(rc, e, key, "a whole number, 0 for none");
		return 0;
	}
	return (uint64_t)json_integer_value(v);
}

static double take_rate(const json_t *j, int *rc, struct err *e)
{
	const json_t *v = json_object_get(j, "rate_per_s");
	double rate = json_number_value(v);

	if (!v || json_is_null(v))
		return 0;
	if (!json_is_number(v) || !(rate >= 0) || rate > LANE_RATE_MAX) {
		complain(rc, e, "rate_per_s", "a number, 0 for none");
		return 0;
	}
	return rate;
}

static void take_pause(const json_t *j, struct lane_setting *s, int *rc, struct err *e)
{
	const json_t *paused = json_object_get(j, "paused"), *reason = json_object_get(j, "reason");

	if (paused && !json_is_boolean(paused) && !json_is_null(paused))
		complain(rc, e, "paused", "true or false");
	s->paused = json_is_true(paused);
	if (json_is_string(reason))
		snprintf(s->reason, sizeof(s->reason), "%s", json_string_value(reason));
	s->until_wall_ns = take_time(j, "until", rc, e);
	s->guarded = json_is_object(json_object_get(j, "breaker"));
}

static void take_purge(const json_t *j, struct lane_setting *s, int *rc, struct err *e)
{
	const json_t *purge = json_object_get(j, "purge"), *purged = json_object_get(j, "purged");

	if (json_is_object(purge)) {
		s->purge_upto = take_number(purge, "upto", INT64_MAX, rc, e);
		s->purged = take_number(purge, "cancelled", INT64_MAX, rc, e);
		s->purged_wall_ns = take_time(purge, "at", rc, e);
	} else if (json_is_object(purged)) {
		s->purged = take_number(purged, "cancelled", INT64_MAX, rc, e);
		s->purged_wall_ns = take_time(purged, "at", rc, e);
	}
}

int lane_setting_parse(const void *text, size_t len, struct lane_setting *ret, struct err *e)
{
	struct lane_setting s = {0};
	json_error_t je;
	json_t *j = len ? json_loadb(text, len, 0, &je) : NULL;
	int rc = 0;

	if (len && !json_is_object(j))
		rc = err_set(e, ERR_INVALID, "it is no JSON object");
	if (json_is_object(j)) {
		take_pause(j, &s, &rc, e);
		s.limit = take_number(j, "limit", INT64_MAX, &rc, e);
		s.rate_per_s = take_rate(j, &rc, e);
		s.concurrency = (unsigned)take_number(j, "concurrency", LANE_CONCURRENCY_MAX, &rc, e);
		s.key_concurrency =
			(unsigned)take_number(j, "key_concurrency", LANE_CONCURRENCY_MAX, &rc, e);
		take_purge(j, &s, &rc, e);
	}
	json_decref(j);
	*ret = s;
	return rc;
}

bool lane_setting_paused(const struct lane_setting *s, int64_t now_wall_ns)
{
	return s->paused && (!s->until_wall_ns || now_wall_ns < s->until_wall_ns);
}

bool lane_setting_closed(const struct lane_setting *s, int64_t now_wall_ns)
{
	return s->purge_upto || lane_setting_paused(s, now_wall_ns);
}

bool lane_setting_over(const struct lane_setting *s, int64_t now_wall_ns)
{
	return s->paused && !s->guarded && !lane_setting_paused(s, now_wall_ns);
}

bool lane_setting_metered(const struct lane_setting *s)
{
	return s->rate_per_s > 0 || s->concurrency || s->key_concurrency;
}

bool lane_setting_empty(const struct lane_setting *s)
{
	return !s->paused && !s->limit && !s->purge_upto && !s->purged_wall_ns &&
		   !lane_setting_metered(s);
}

bool lane_setting_resume(json_t *setting)
{
	bool had = json_object_get(setting, "paused") || json_object_get(setting, "reason") ||
			   json_object_get(setting, "until");

	json_object_del(setting, "paused");
	json_object_del(setting, "reason");
	json_object_del(setting, "until");
	json_object_del(setting, "by");
	return had;
}
