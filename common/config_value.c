/*
 * From the text of a value to the value. Pure, and apart from where the text
 * came from, so that flag, variable and file mean the same by "64k". What is
 * wrong is told with what would be right; a secret is never repeated.
 */
#include "common/config_internal.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <strings.h>

#include "common/clock.h"

static const char *wants(enum config_type type)
{
	switch (type) {
	case CONFIG_STRING:
		return "a string";
	case CONFIG_INT:
		return "a whole number";
	case CONFIG_SIZE:
		return "a size such as 65536, 64KiB or 1MiB";
	case CONFIG_DURATION:
		return "a duration such as 30s, 1m30s or 200ms";
	case CONFIG_BOOL:
		return "true or false";
	}
	return "something else";
}

const char *config_type_word(enum config_type type)
{
	switch (type) {
	case CONFIG_STRING:
		return "TEXT";
	case CONFIG_INT:
		return "NUMBER";
	case CONFIG_SIZE:
		return "SIZE";
	case CONFIG_DURATION:
		return "DURATION";
	case CONFIG_BOOL:
		return "";
	}
	return "";
}

static int blame(const struct config_key *k, const char *text, struct err *e)
{
	if (k->secret)
		return err_set(e, ERR_INVALID, "that is not %s", wants(k->type));
	return err_set(e, ERR_INVALID, "\"%.100s\" is not %s", text, wants(k->type));
}

/* The whole number at the start of text; what follows it is *ret_rest. */
static bool parse_number(const char *text, int64_t *ret, const char **ret_rest)
{
	const char *digits = text + (*text == '-' || *text == '+');
	if (*digits < '0' || *digits > '9')
		return false;
	char *end;
	errno = 0;
	long long v = strtoll(text, &end, 10);
	if (errno)
		return false;
	*ret = v;
	*ret_rest = end;
	return true;
}

static bool parse_int(const char *text, int64_t *ret)
{
	const char *rest;
	return parse_number(text, ret, &rest) && !*rest;
}

static bool parse_size(const char *text, int64_t *ret)
{
	const char *rest;
	int64_t number;
	if (!parse_number(text, &number, &rest))
		return false;
	int64_t factor = 1;
	if (*rest && strcasecmp(rest, "b") != 0) {
		static const char letters[] = "kmgt";
		const char *at = strchr(letters, *rest | 0x20);
		if (!at)
			return false;
		bool thousands = strcasecmp(rest + 1, "b") == 0;
		if (rest[1] && !thousands && strcasecmp(rest + 1, "ib") != 0)
			return false;
		for (long i = 0; i <= at - letters; i++)
			factor *= thousands ? 1000 : 1024;
	}
	return !__builtin_mul_overflow(number, factor, ret);
}

static bool parse_bool(const char *text, bool *ret)
{
	static const char *const words[][2] = {
		{"false", "true"}, {"no", "yes"}, {"off", "on"}, {"0", "1"}};
	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		for (int v = 0; v < 2; v++) {
			if (strcasecmp(text, words[i][v]) == 0) {
				*ret = v;
				return true;
			}
		}
	}
	return false;
}

/* A limit as one would write it. */
static void format_limit(enum config_type type, int64_t v, char out[32])
{
	if (type == CONFIG_DURATION)
		duration_format(v, out);
	else
		snprintf(out, 32, "%" PRId64 "%s", v, type == CONFIG_SIZE ? " bytes" : "");
}

static int check_range(const struct config_key *k, int64_t v, struct err *e)
{
	char low[32], high[32];
	format_limit(k->type, k->min, low);
	if (k->min == 0 && k->max == 0) {
		if (v >= 0)
			return 0;
		return err_set(e, ERR_INVALID, "must not be negative");
	}
	if (v >= k->min && v <= k->max)
		return 0;
	format_limit(k->type, k->max, high);
	return err_set(e, ERR_INVALID, "must be from %s to %s", low, high);
}

static int store(const struct config_key *k, int64_t v, void *field, struct err *e)
{
	if (check_range(k, v, e))
		return ERR_INVALID;
	*(int64_t *)field = v;
	return 0;
}

int config_value_set(const struct config_key *k, const char *text, void *values, struct err *e)
{
	void *field = (char *)values + k->offset;
	int64_t number;
	switch (k->type) {
	case CONFIG_STRING:
		free(*(char **)field);
		*(char **)field = xstrdup(text);
		return 0;
	case CONFIG_INT:
		return parse_int(text, &number) ? store(k, number, field, e) : blame(k, text, e);
	case CONFIG_SIZE:
		return parse_size(text, &number) ? store(k, number, field, e) : blame(k, text, e);
	case CONFIG_DURATION:
		return duration_parse(text, &number, NULL) == 0 ? store(k, number, field, e)
														: blame(k, text, e);
	case CONFIG_BOOL:
		return parse_bool(text, field) ? 0 : blame(k, text, e);
	}
	return blame(k, text, e);
}
