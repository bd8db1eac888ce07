/*
 * The comparison behind `millrace setup`. It stands alone because it is the
 * part that can be wrong in many small ways (defaults that are left out,
 * limits where 0 and -1 mean the same, lists without order) and needs no
 * broker to be tested. An old server takes a field that it does not know and
 * says nothing, so what is newer than the server is told apart here, by
 * version, and whatever else it ignored shows when the config is read back.
 */
#include "cli/setup_diff.h"

/* nats-server 2.9 knows every field that is not here. */
static const struct {
	enum setup_kind kind;
	const char *name;
	unsigned since; /* 2.<since> */
} newer[] = {
	{SETUP_STREAM, "metadata", 10},
	{SETUP_STREAM, "compression", 10},
	{SETUP_STREAM, "first_seq", 10},
	{SETUP_STREAM, "subject_transform", 10},
	{SETUP_STREAM, "consumer_limits", 10},
	{SETUP_STREAM, "allow_msg_ttl", 11},
	{SETUP_STREAM, "subject_delete_marker_ttl", 11},
	{SETUP_STREAM, "allow_atomic", 12},
	{SETUP_STREAM, "allow_msg_counter", 12},
	{SETUP_STREAM, "allow_msg_schedules", 12},
	{SETUP_STREAM, "persist_mode", 12},
	{SETUP_CONSUMER, "metadata", 10},
	{SETUP_CONSUMER, "filter_subjects", 10},
	{SETUP_CONSUMER, "pause_until", 11},
	{SETUP_CONSUMER, "priority_groups", 11},
	{SETUP_CONSUMER, "priority_policy", 11},
	{SETUP_CONSUMER, "priority_timeout", 11},
};

/* An update with another value is refused whole. */
static const struct {
	enum setup_kind kind;
	const char *name;
} fixed[] = {
	{SETUP_STREAM, "name"},
	{SETUP_STREAM, "storage"},
	{SETUP_STREAM, "retention"},
	{SETUP_STREAM, "max_consumers"},
	{SETUP_STREAM, "mirror"},
	{SETUP_STREAM, "first_seq"},
	{SETUP_STREAM, "persist_mode"},
	{SETUP_STREAM, "allow_msg_counter"},
	{SETUP_CONSUMER, "name"},
	{SETUP_CONSUMER, "durable_name"},
	{SETUP_CONSUMER, "deliver_policy"},
	{SETUP_CONSUMER, "opt_start_seq"},
	{SETUP_CONSUMER, "opt_start_time"},
	{SETUP_CONSUMER, "ack_policy"},
	{SETUP_CONSUMER, "replay_policy"},
	{SETUP_CONSUMER, "flow_control"},
	{SETUP_CONSUMER, "idle_heartbeat"},
	{SETUP_CONSUMER, "max_waiting"},
};

/* True once, true for ever. */
static const char *const one_way[] = {"deny_delete", "deny_purge"};

/* 0, as declared by hand, and -1, as the server returns it, are both "no limit". */
static const char *const unlimited[] = {"max_consumers", "max_msgs", "max_bytes", "max_msgs_per_subject",
										"max_msg_size", "max_deliver"};

static bool among(const char *const *names, size_t n, const char *name)
{
	for (size_t i = 0; i < n; i++) {
		if (str_eq(names[i], name))
			return true;
	}
	return false;
}

unsigned setup_server(const json_t *api_info, const json_t *stream_config)
{
	json_int_t level = json_integer_value(json_object_get(json_object_get(api_info, "api"), "level"));

	if (level > 0)
		return level == 1 ? 11 : 12;
	/* 2.10 and newer always tell it. */
	return json_object_get(stream_config, "compression") ? 10 : 9;
}

static unsigned known_since(enum setup_kind kind, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(newer); i++) {
		if (newer[i].kind == kind && str_eq(newer[i].name, name))
			return newer[i].since;
	}
	return 0;
}

static bool cannot_change(enum setup_kind kind, const char *name, const json_t *actual)
{
	for (size_t i = 0; i < ARRAY_LEN(fixed); i++) {
		if (fixed[i].kind == kind && str_eq(fixed[i].name, name))
			return true;
	}
	return json_is_true(actual) && among(one_way, ARRAY_LEN(one_way), name);
}

/* What servers leave out of an answer. */
static bool is_default(const char *name, const json_t *j)
{
	if (json_is_integer(j)) {
		json_int_t v = json_integer_value(j);
		return v == 0 || (v < 0 && among(unlimited, ARRAY_LEN(unlimited), name));
	}
	if (json_is_string(j))
		return json_string_length(j) == 0;
	if (json_is_array(j))
		return json_array_size(j) == 0;
	if (json_is_object(j))
		return json_object_size(j) == 0;
	return !json_is_true(j) && !json_is_real(j);
}

static bool same_set(const json_t *a, const json_t *b)
{
	size_t i, k;
	json_t *x, *y;

	if (json_array_size(a) != json_array_size(b))
		return false;
	json_array_foreach((json_t *)a, i, x)
	{
		bool found = false;
		json_array_foreach((json_t *)b, k, y)
		{
			found = found || json_equal(x, y);
		}
		if (!found)
			return false;
	}
	return true;
}

/* Every key of a is so in b (which has the server's own beside them). */
static bool holds(const json_t *a, const json_t *b)
{
	const char *key;
	json_t *value;

	json_object_foreach((json_t *)a, key, value)
	{
		const json_t *other = json_object_get(b, key);
		if (!other ? !is_default(key, value) : !json_equal(value, other))
			return false;
	}
	return true;
}

static bool same(const char *name, const json_t *declared, const json_t *actual)
{
	if (is_default(name, declared) && (!actual || is_default(name, actual)))
		return true;
	if (json_is_array(declared) && json_is_array(actual))
		return same_set(declared, actual);
	if (json_is_object(declared) && json_is_object(actual))
		return holds(declared, actual);
	return actual && json_equal(declared, actual);
}

size_t setup_diff(enum setup_kind kind, const json_t *declared, const json_t *actual, unsigned server,
				  struct setup_field ret[SETUP_FIELDS_MAX])
{
	const char *name;
	json_t *value;
	size_t n = 0;

	json_object_foreach((json_t *)declared, name, value)
	{
		struct setup_field f = {.name = name, .declared = value, .actual = json_object_get(actual, name)};

		f.since = known_since(kind, name);
		if (f.since > server ? is_default(name, value) : !actual || same(name, value, f.actual))
			continue;
		/* A 2.9 does not return a consumer's name beside durable_name. */
		if (!f.actual && str_eq(name, "name"))
			continue;
		f.how = f.since > server						? SETUP_LACKING
				: cannot_change(kind, name, f.actual)	? SETUP_FIXED
														: SETUP_CHANGEABLE;
		if (n < SETUP_FIELDS_MAX)
			ret[n++] = f;
	}
	return n;
}

json_t *setup_config(enum setup_kind kind, const json_t *declared, const json_t *actual, unsigned server)
{
	json_t *config = actual ? json_deep_copy(actual) : json_object();
	const char *name;
	json_t *value;

	json_object_foreach((json_t *)declared, name, value)
	{
		json_t *old = json_object_get(config, name);

		if (known_since(kind, name) > server)
			continue;
		if (actual && !same(name, value, old) && cannot_change(kind, name, old))
			continue;
		if (json_is_object(value) && json_is_object(old))
			json_object_update(old, value);
		else
			json_object_set(config, name, value);
	}
	return config;
}
