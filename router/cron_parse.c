/*
 * Cron expressions as people write them. It stands alone from their ticks
 * because everything in it is about words: five fields or six, names, steps,
 * and a sentence for each way to get one wrong. A field is read into a set of
 * bits; what could never come (the 30th of February) is found here too.
 */
#include "router/cron.h"

#include <ctype.h>
#include <strings.h>

#include "common/clock.h"
#include "router/civil.h"

#define TEXT_MAX 256
#define EVERY_MAX_S (3650 * DAY_S)

struct field {
	const char *name;
	unsigned min, max;
	const char *names; /* of four characters each, the first for min */
};

enum { F_SECOND, F_MINUTE, F_HOUR, F_DAY, F_MONTH, F_WEEKDAY, FIELDS };
static const struct field fields[FIELDS] = {
	[F_SECOND] = {"second", 0, 59, ""},
	[F_MINUTE] = {"minute", 0, 59, ""},
	[F_HOUR] = {"hour", 0, 23, ""},
	[F_DAY] = {"day of month", 1, 31, ""},
	[F_MONTH] = {"month", 1, 12, "jan feb mar apr may jun jul aug sep oct nov dec "},
	[F_WEEKDAY] = {"day of week", 0, 7, "sun mon tue wed thu fri sat "},
};

static int fault(const struct field *f, const char *text, const char *why, struct err *e)
{
	return err_set(e, ERR_INVALID, "%s: \"%.40s\" %s", f->name, text, why);
}

/* A number, or a name of three letters. */
static int take_value(const struct field *f, const char **p, const char *all, unsigned *ret,
					  struct err *e)
{
	unsigned v = 0;

	if (isdigit((unsigned char)**p)) {
		for (; isdigit((unsigned char)**p); (*p)++) {
			v = v * 10 + (unsigned)(**p - '0');
			if (v > f->max)
				break;
		}
		if (v < f->min || v > f->max)
			return err_set(e, ERR_INVALID, "%s: \"%.40s\" is not within %u to %u", f->name, all,
						   f->min, f->max);
		*ret = v;
		return 0;
	}
	for (const char *n = f->names; *n; n += 4, v++) {
		if (strncasecmp(*p, n, 3) == 0 && !isalnum((unsigned char)(*p)[3])) {
			*p += 3;
			*ret = f->min + v;
			return 0;
		}
	}
	return fault(f, all,
				 *f->names ? "is no number, range or name such as mon or jan"
						   : "is no number, range, list or step such as 5, 1-5, 1,3 or */5",
				 e);
}

/* One of a list: "*", "5", "1-5", each with "/2". */
static int take_part(const struct field *f, const char *part, uint64_t *io_bits, struct err *e)
{
	const char *p = part;
	unsigned from = f->min, to = f == &fields[F_WEEKDAY] ? 6 : f->max, step = 1;
	bool days = f == &fields[F_DAY] || f == &fields[F_WEEKDAY];
	bool single = false;

	if (*p == '*' || (*p == '?' && days)) {
		p++;
	} else {
		if (take_value(f, &p, part, &from, e))
			return ERR_INVALID;
		single = *p != '-';
		if (*p == '-' && (p++, take_value(f, &p, part, &to, e)))
			return ERR_INVALID;
		/* "5/15" is from 5 on. */
		if (single && *p != '/')
			to = from;
		/* "fri-sun": Sunday ends a week here. */
		if (f == &fields[F_WEEKDAY] && to == 0 && from > 0)
			to = 7;
		if (from > to)
			return fault(f, part, "ends before it begins; write two ranges, as in 22-23,0-4", e);
	}
	if (*p == '/') {
		char *end;
		unsigned long v = isdigit((unsigned char)p[1]) ? strtoul(p + 1, &end, 10) : 0;
		if (v < 1 || v > f->max)
			return fault(f, part, "has a step that is none", e);
		step = (unsigned)v;
		p = end;
	}
	if (*p)
		return fault(f, part, "has something behind it that does not belong there", e);
	for (unsigned v = from; v <= to; v += step)
		*io_bits |= UINT64_C(1) << v;
	return 0;
}

static int take_field(const struct field *f, char *text, uint64_t *ret, struct err *e)
{
	char *save = NULL;
	uint64_t bits = 0;

	if (*text == ',' || text[strlen(text) - 1] == ',' || strstr(text, ",,"))
		return fault(f, text, "has a comma too many", e);
	for (char *part = strtok_r(text, ",", &save); part; part = strtok_r(NULL, ",", &save)) {
		if (take_part(f, part, &bits, e))
			return ERR_INVALID;
	}
	*ret = bits;
	return 0;
}

/* Whether one of its months has one of its days; a weekday comes in every month. */
static bool can_come(const struct cron *c)
{
	static const unsigned longest[] = {0, 31, 29, 31, 30, 31, 30, 31, 31, 30, 31, 30, 31};

	if (!c->any_day && !c->any_weekday)
		return true;
	for (unsigned m = 1; m <= 12; m++) {
		if (c->months >> m & 1 && c->days & ((UINT64_C(2) << longest[m]) - 1))
			return true;
	}
	return false;
}

static bool begins_open(const char *text)
{
	return *text == '*' || *text == '?';
}

static int take_fields(char *words[FIELDS], struct cron *ret, struct err *e)
{
	uint64_t bits[FIELDS];
	struct cron c = {
		.rhythm = begins_open(words[F_HOUR]),
		.any_day = begins_open(words[F_DAY]),
		.any_weekday = begins_open(words[F_WEEKDAY]),
	};

	for (int i = 0; i < FIELDS; i++) {
		if (take_field(&fields[i], words[i], &bits[i], e))
			return ERR_INVALID;
	}
	c.seconds = bits[F_SECOND];
	c.minutes = bits[F_MINUTE];
	c.hours = (uint32_t)bits[F_HOUR];
	c.days = (uint32_t)bits[F_DAY];
	c.months = (uint32_t)bits[F_MONTH];
	c.weekdays = (uint32_t)((bits[F_WEEKDAY] | bits[F_WEEKDAY] >> 7) & 0x7f);
	if (!can_come(&c))
		return err_set(e, ERR_INVALID, "none of its months has such a day: it would never come");
	*ret = c;
	return 0;
}

static int take_every(const char *text, struct cron *ret, struct err *e)
{
	int64_t ns;

	text += strspn(text, " \t");
	if (duration_parse(text, &ns, e))
		return err_wrap(e, "@every");
	if (ns < NS_PER_S || ns % NS_PER_S || ns / NS_PER_S > EVERY_MAX_S)
		return err_set(e, ERR_INVALID,
					   "@every: \"%.40s\" is not within 1s to ten years in whole seconds", text);
	*ret = (struct cron){.every_s = ns / NS_PER_S};
	return 0;
}

static int take_word(const char *text, struct cron *ret, struct err *e)
{
	static const struct {
		const char *word, *means;
	} words[] = {
		{"@hourly", "0 * * * *"},   {"@daily", "0 0 * * *"},   {"@midnight", "0 0 * * *"},
		{"@weekly", "0 0 * * sun"}, {"@monthly", "0 0 1 * *"}, {"@yearly", "0 0 1 1 *"},
		{"@annually", "0 0 1 1 *"},
	};

	if (strncasecmp(text, "@every", 6) == 0 && isspace((unsigned char)text[6]))
		return take_every(text + 6, ret, e);
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (strcasecmp(text, words[i].word) == 0)
			return cron_parse(words[i].means, ret, e);
	}
	return err_set(e, ERR_INVALID,
				   "\"%.40s\" is none of @every D, @hourly, @daily, @weekly, @monthly, @yearly",
				   text);
}

int cron_parse(const char *text, struct cron *ret, struct err *e)
{
	char copy[TEXT_MAX], *words[FIELDS + 1], *save = NULL;
	char zero[] = "0";
	int n = 0;

	if (strlen(text) >= sizeof(copy))
		return err_set(e, ERR_INVALID, "an expression has at most %d characters", TEXT_MAX - 1);
	memcpy(copy, text, strlen(text) + 1);
	char *begin = copy + strspn(copy, " \t"), *end = begin + strlen(begin);
	while (end > begin && (end[-1] == ' ' || end[-1] == '\t'))
		*--end = '\0';
	if (*begin == '@')
		return take_word(begin, ret, e);
	words[n++] = zero; /* the second, where there are five */
	for (char *w = strtok_r(begin, " \t", &save); w; w = strtok_r(NULL, " \t", &save)) {
		if (n > FIELDS)
			return err_set(e, ERR_INVALID, "more than six fields");
		words[n++] = w;
	}
	if (n != FIELDS && n != FIELDS + 1)
		return err_set(e, ERR_INVALID,
					   "\"%.60s\" is no cron expression: five fields (minute hour day month "
					   "weekday), six with "
					   "seconds first, or @hourly, @daily, @every 90s",
					   text);
	return take_fields(n == FIELDS ? words : words + 1, ret, e);
}
