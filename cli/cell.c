/*
 * Values for eyes: bytes with units, times as ages, lists by commas. It stands
 * alone because it is pure and because programs get the very values instead.
 * A value of an unexpected kind is shown as JSON, never refused: a newer
 * component may say more than this program knows.
 */
#include "cli/cell.h"

#include <math.h>

static void add_scalar(struct buf *out, const json_t *v)
{
	char *text;

	switch (json_typeof(v)) {
	case JSON_STRING:
		buf_add(out, json_string_value(v), json_string_length(v));
		return;
	case JSON_INTEGER:
		buf_printf(out, "%lld", (long long)json_integer_value(v));
		return;
	case JSON_REAL:
		buf_printf(out, "%.6g", json_real_value(v));
		return;
	case JSON_TRUE:
		buf_add_str(out, "yes");
		return;
	case JSON_FALSE:
		buf_add_str(out, "no");
		return;
	case JSON_NULL:
		return;
	case JSON_OBJECT:
	case JSON_ARRAY:
		text = json_dumps(v, JSON_COMPACT);
		buf_add_str(out, text ? text : "");
		free(text);
		return;
	}
}

static void add_text(struct buf *out, const json_t *v)
{
	const char *key;
	json_t *item;
	size_t i;
	bool first = true;

	if (json_is_array(v)) {
		json_array_foreach(v, i, item)
		{
			if (i)
				buf_add_str(out, ",");
			add_scalar(out, item);
		}
		return;
	}
	if (!json_is_object(v)) {
		add_scalar(out, v);
		return;
	}
	json_object_foreach((json_t *)v, key, item)
	{
		buf_printf(out, "%s%s=", first ? "" : " ", key);
		add_scalar(out, item);
		first = false;
	}
}

static void add_bytes(struct buf *out, double bytes)
{
	static const char *const units[] = {"B", "KiB", "MiB", "GiB", "TiB", "PiB"};
	size_t u = 0;

	while (bytes >= 1024 && u + 1 < ARRAY_LEN(units)) {
		bytes /= 1024;
		u++;
	}
	buf_printf(out, u ? "%.1f %s" : "%.0f %s", bytes, units[u]);
}

static void add_duration_ms(struct buf *out, double ms)
{
	if (ms < 1)
		buf_printf(out, "%.0fµs", ms * 1000);
	else if (ms < 1000)
		buf_printf(out, "%.1fms", ms);
	else if (ms < 60 * 1000.0)
		buf_printf(out, "%.1fs", ms / 1000);
	else if (ms < 3600 * 1000.0)
		buf_printf(out, "%dm%02ds", (int)(ms / 60000), (int)(ms / 1000) % 60);
	else
		buf_printf(out, "%.0fh%02dm", floor(ms / 3600000), (int)(fmod(ms, 3600000) / 60000));
}

/* One unit is enough to see whether it is new or old. */
static void add_age(struct buf *out, int64_t age_ns)
{
	int64_t s = (age_ns < 0 ? -age_ns : age_ns) / NS_PER_S;

	if (age_ns < 0)
		buf_add_str(out, "in ");
	if (s < 120)
		buf_printf(out, "%llds", (long long)s);
	else if (s < 2 * 3600)
		buf_printf(out, "%lldm", (long long)(s / 60));
	else if (s < 2 * 86400)
		buf_printf(out, "%lldh", (long long)(s / 3600));
	else
		buf_printf(out, "%lldd", (long long)(s / 86400));
	if (age_ns >= 0)
		buf_add_str(out, " ago");
}

static bool add_human(struct buf *out, const json_t *v, enum cli_cell kind, int64_t now_wall_ns)
{
	int64_t at;

	switch (kind) {
	case CELL_BYTES:
		if (!json_is_number(v))
			return false;
		add_bytes(out, json_number_value(v));
		return true;
	case CELL_DURATION_MS:
		if (!json_is_number(v))
			return false;
		add_duration_ms(out, json_number_value(v));
		return true;
	case CELL_AGE:
		if (!json_is_string(v) || time_parse(json_string_value(v), &at, NULL))
			return false;
		add_age(out, now_wall_ns - at);
		return true;
	case CELL_TEXT:
	case CELL_LONG:
	case CELL_NUMBER:
	case CELL_STATE:
		break;
	}
	return false;
}

void cell_add(struct buf *out, const json_t *value, enum cli_cell kind, bool human,
			  int64_t now_wall_ns)
{
	if (!value || json_is_null(value))
		return;
	if (!human || !add_human(out, value, kind, now_wall_ns))
		add_text(out, value);
}

const char *cell_paint(const char *state)
{
	static const struct {
		const char *state, *paint;
	} paints[] = {
		{"completed", "\x1b[32m"}, {"ready", "\x1b[32m"},     {"ok", "\x1b[32m"},
		{"running", "\x1b[36m"},   {"scheduled", "\x1b[34m"}, {"draining", "\x1b[33m"},
		{"paused", "\x1b[33m"},    {"warning", "\x1b[33m"},   {"returned", "\x1b[33m"},
		{"failed", "\x1b[33m"},    {"dead", "\x1b[31m"},      {"lost", "\x1b[31m"},
		{"wrong", "\x1b[31m"},     {"cancelled", "\x1b[35m"}, {"stopped", "\x1b[90m"},
	};

	for (size_t i = 0; i < ARRAY_LEN(paints); i++) {
		if (str_eq(paints[i].state, state))
			return paints[i].paint;
	}
	return NULL;
}
