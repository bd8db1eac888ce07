/*
 * What a schedule means. It stands alone because two decisions in it must be
 * the same in every router: which tick comes next, and under which id. Then it
 * does not matter how many routers see a tick, nor when: all of them submit the
 * same task. What is wrong with a record is found here for the api, which
 * refuses it, and for the bucket, where somebody may have put it by hand.
 */
#include "router/schedule.h"

#include <stdio.h>
#include <strings.h>

#include "common/codec.h"
#include "common/task.h"
#include "router/civil.h"
#include "router/headers.h"
#include "router/policy.h"

#define HEADERS_MAX 64

static int read_catch_up(const char *text, enum catch_up *ret, struct err *e)
{
	static const char *const names[] = {"none", "last", "all"};

	*ret = CATCH_UP_NONE;
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (str_eq(text, names[i]))
			*ret = (enum catch_up)i;
		if (!*text || str_eq(text, names[i]))
			return 0;
	}
	return err_set(e, ERR_INVALID, "catch_up: \"%.40s\" is none of none, last, all", text);
}

static int check_header(const char *name, const char *value, struct err *e)
{
	static const char *const not_here[] = {H_TASK_ID, H_TASK_AT, H_TASK_SCHEDULE, H_TASK_TICK};

	for (size_t i = 0; i < ARRAY_LEN(not_here); i++) {
		if (strcasecmp(name, not_here[i]) == 0)
			return err_set(e, ERR_INVALID, "headers: %s is for the schedule to set", not_here[i]);
	}
	if (strcasecmp(name, H_TASK_REQUIRES) != 0 && !header_passes(name, value))
		return err_set(e, ERR_INVALID, "headers: \"%.60s\" can't be one", name);
	return 0;
}

/* As a publisher's, so that no tick becomes a dead letter. */
static int check_headers(const Millrace__Schedule *s, struct err *e)
{
	struct bus_header list[HEADERS_MAX];
	struct retry_rule rule = RETRY_RULE_DEFAULT;
	struct lane lane;
	struct task t;

	if (s->n_headers > ARRAY_LEN(list))
		return err_set(e, ERR_INVALID, "headers: %zu, %zu is the most", s->n_headers,
					   ARRAY_LEN(list));
	for (size_t i = 0; i < s->n_headers; i++) {
		const Millrace__Header *h = s->headers[i];
		list[i] = (struct bus_header){h->name, h->value};
		if (check_header(h->name, h->value, e))
			return ERR_INVALID;
		if (strcasecmp(h->name, H_TASK_BACKOFF) == 0 && backoff_parse(h->value, &rule, e))
			return err_wrap(e, "headers: " H_TASK_BACKOFF);
	}
	if (task_read_headers(list, s->n_headers, &t, e))
		return err_wrap(e, "headers");
	if (lane_make(s->type, t.requires, &lane, e))
		return err_wrap(e, "type");
	return 0;
}

int schedule_read(const Millrace__Schedule *s, struct zones *zones, struct schedule_rule *ret,
				  struct err *e)
{
	struct schedule_rule r = {0};

	if (!*s->cron)
		return err_set(e, ERR_INVALID, "cron: is missing");
	if (!*s->type)
		return err_set(e, ERR_INVALID, "type: is missing");
	if (cron_parse(s->cron, &r.cron, e))
		return err_wrap(e, "cron");
	if (zones_get(zones, s->tz, &r.zone, e)) {
		e->code = ERR_INVALID;
		return err_wrap(e, "tz");
	}
	if (read_catch_up(s->catch_up, &r.catch_up, e) || check_headers(s, e))
		return e->code;
	*ret = r;
	return 0;
}

int64_t schedule_anchor_s(const Millrace__Schedule *s, int64_t stored_wall_ns)
{
	return (s->since_at ? s->since_at : stored_wall_ns) / NS_PER_S;
}

int64_t schedule_base_s(const Millrace__Schedule *s, int64_t stored_wall_ns)
{
	int64_t last_s = s->last_tick_at / NS_PER_S;

	return MAX_OF(last_s, schedule_anchor_s(s, stored_wall_ns));
}

struct schedule_plan schedule_plan(const struct schedule_rule *r, int64_t anchor_s, int64_t base_s,
								   int64_t now_s, size_t most)
{
	int64_t ticks[SCHEDULE_CATCH_UP_MAX];
	struct schedule_plan p = {0};
	size_t max = r->catch_up == CATCH_UP_ALL ? MIN_OF(MAX_OF(most, 1u), ARRAY_LEN(ticks)) : 1;
	size_t n = now_s > base_s
				   ? cron_last(&r->cron, r->zone, anchor_s, base_s, now_s, ticks, max, &p.left_out)
				   : 0;

	if (n == 0)
		return (struct schedule_plan){0};
	p.due = true;
	p.tick_s = ticks[0];
	p.submit = r->catch_up != CATCH_UP_NONE || now_s - p.tick_s <= SCHEDULE_LATE_S;
	return p;
}

struct moment {
	struct civil date;
	unsigned hour, minute, second;
};

static struct moment moment_of(int64_t t_s)
{
	int64_t days = floor_div(t_s, DAY_S), s = t_s - days * DAY_S;

	return (struct moment){civil_of(days), (unsigned)(s / 3600), (unsigned)(s / 60 % 60),
						   (unsigned)(s % 60)};
}

void schedule_task_id(const char *name, int64_t tick_s, char out[TASK_ID_MAX + 1])
{
	struct moment m = moment_of(tick_s);

	snprintf(out, TASK_ID_MAX + 1, "%.64s.%04d%02u%02uT%02u%02u%02uZ", name, (int)m.date.year,
			 m.date.month, m.date.day, m.hour, m.minute, m.second);
}

void schedule_msg_id(const char *name, int64_t tick_s, char out[TASK_ID_MAX + 1])
{
	struct moment m = moment_of(tick_s);

	snprintf(out, TASK_ID_MAX + 1, "%.64s@%04d-%02u-%02uT%02u:%02u:%02uZ", name, (int)m.date.year,
			 m.date.month, m.date.day, m.hour, m.minute, m.second);
}
