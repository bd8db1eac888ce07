/* What differs between a declaration and a server's answer, and what may be sent about it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "broker-config/declared.h"
#include "cli/setup_diff.h"

static json_t *parse(const char *text)
{
	json_error_t at;
	json_t *j = json_loads(text, 0, &at);

	if (!j)
		fail_msg("%s: %s", text, at.text);
	return j;
}

/* "max_bytes changeable, storage fixed" */
static void describe(const struct setup_field *fields, size_t n, char out[400])
{
	static const char *const how[] = {"changeable", "fixed", "lacking"};
	size_t len = 0;

	out[0] = '\0';
	for (size_t i = 0; i < n; i++)
		len += (size_t)snprintf(out + len, 400 - len, "%s%s %s", i > 0 ? ", " : "", fields[i].name, how[fields[i].how]);
}

static void fields_are_compared(void **state)
{
	(void)state;
	static const struct {
		enum setup_kind kind;
		const char *declared, *actual;
		unsigned server;
		const char *expected;
	} cases[] = {
		{SETUP_STREAM, "{\"max_bytes\":5,\"storage\":\"file\"}", "{\"max_bytes\":5,\"storage\":\"file\"}", 12, ""},
		{SETUP_STREAM, "{\"max_bytes\":5,\"storage\":\"file\"}", "{\"max_bytes\":6,\"storage\":\"memory\"}", 12,
		 "max_bytes changeable, storage fixed"},
		/* What is not declared is nobody's business. */
		{SETUP_STREAM, "{}", "{\"placement\":{\"cluster\":\"x\"},\"max_msgs\":7}", 12, ""},
		/* Defaults may be left out, and no limit is 0 or -1. */
		{SETUP_STREAM, "{\"deny_delete\":false,\"max_age\":0,\"max_msgs\":-1,\"description\":\"\"}", "{}", 12, ""},
		{SETUP_STREAM, "{\"max_msgs\":0}", "{\"max_msgs\":-1}", 12, ""},
		{SETUP_STREAM, "{\"max_msgs\":-1}", "{\"max_msgs\":5}", 12, "max_msgs changeable"},
		{SETUP_STREAM, "{\"allow_direct\":true}", "{}", 9, "allow_direct changeable"},
		{SETUP_STREAM, "{\"allow_direct\":false}", "{\"allow_direct\":true}", 9, "allow_direct changeable"},
		/* Subjects have no order. */
		{SETUP_STREAM, "{\"subjects\":[\"a\",\"b\"]}", "{\"subjects\":[\"b\",\"a\"]}", 12, ""},
		{SETUP_STREAM, "{\"subjects\":[\"a\",\"b\"]}", "{\"subjects\":[\"b\"]}", 12, "subjects changeable"},
		{SETUP_STREAM, "{\"subjects\":[\"a\",\"b\"]}", "{\"subjects\":[\"b\",\"c\"]}", 12, "subjects changeable"},
		/* The server's own metadata is not ours. */
		{SETUP_STREAM, "{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":{\"_nats.level\":\"5\",\"a\":\"1\"}}", 12, ""},
		{SETUP_STREAM, "{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":{\"_nats.level\":\"5\"}}", 12, "metadata changeable"},
		/* Deny once, deny for ever; the other way is an update. */
		{SETUP_STREAM, "{\"deny_delete\":false}", "{\"deny_delete\":true}", 12, "deny_delete fixed"},
		{SETUP_STREAM, "{\"deny_delete\":true}", "{\"deny_delete\":false}", 12, "deny_delete changeable"},
		/* What an old server does not know is no reason to update for ever. */
		{SETUP_STREAM, "{\"metadata\":{\"a\":\"1\"},\"allow_msg_ttl\":true}", "{}", 9, "metadata lacking, allow_msg_ttl lacking"},
		{SETUP_STREAM, "{\"metadata\":{\"a\":\"1\"},\"allow_msg_ttl\":true}", "{}", 10, "metadata changeable, allow_msg_ttl lacking"},
		{SETUP_STREAM, "{\"metadata\":{},\"allow_msg_ttl\":false}", "{}", 9, ""},
		{SETUP_STREAM, "{\"allow_msg_ttl\":true,\"max_bytes\":5}", NULL, 9, "allow_msg_ttl lacking"},
		{SETUP_CONSUMER, "{\"max_waiting\":512,\"ack_wait\":8}", "{\"max_waiting\":77,\"ack_wait\":3}", 12,
		 "max_waiting fixed, ack_wait changeable"},
		{SETUP_CONSUMER, "{\"name\":\"x\",\"durable_name\":\"x\"}", "{\"durable_name\":\"x\"}", 9, ""},
		{SETUP_CONSUMER, "{\"max_deliver\":-1,\"num_replicas\":0}", "{\"max_deliver\":-1}", 9, ""},
		{SETUP_CONSUMER, "{\"filter_subjects\":[\"a\"]}", "{}", 9, "filter_subjects lacking"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		struct setup_field fields[SETUP_FIELDS_MAX];
		json_t *declared = parse(cases[i].declared);
		json_t *actual = cases[i].actual ? parse(cases[i].actual) : NULL;
		char text[400];

		describe(fields, setup_diff(cases[i].kind, declared, actual, cases[i].server, fields), text);
		if (!str_eq(text, cases[i].expected))
			fail_msg("%s beside %s: \"%s\", not \"%s\"", cases[i].declared, cases[i].actual, text, cases[i].expected);
		json_decref(declared);
		json_decref(actual);
	}
}

static void requests_keep_what_they_must(void **state)
{
	(void)state;
	static const struct {
		enum setup_kind kind;
		const char *declared, *actual;
		unsigned server;
		const char *expected;
	} cases[] = {
		{SETUP_STREAM, "{\"name\":\"A\",\"max_bytes\":5}", NULL, 9, "{\"name\":\"A\",\"max_bytes\":5}"},
		{SETUP_STREAM, "{\"allow_msg_ttl\":true,\"max_bytes\":5}", NULL, 9, "{\"max_bytes\":5}"},
		{SETUP_STREAM, "{\"allow_msg_ttl\":true,\"max_bytes\":5}", NULL, 11, "{\"allow_msg_ttl\":true,\"max_bytes\":5}"},
		{SETUP_STREAM, "{\"storage\":\"file\",\"max_bytes\":5}",
		 "{\"storage\":\"memory\",\"max_bytes\":6,\"placement\":{\"cluster\":\"x\"}}", 12,
		 "{\"storage\":\"memory\",\"max_bytes\":5,\"placement\":{\"cluster\":\"x\"}}"},
		{SETUP_STREAM, "{\"metadata\":{\"a\":\"1\"}}", "{\"metadata\":{\"b\":\"2\"}}", 12,
		 "{\"metadata\":{\"a\":\"1\",\"b\":\"2\"}}"},
		{SETUP_CONSUMER, "{\"max_waiting\":512,\"ack_wait\":8}", "{\"max_waiting\":77,\"ack_wait\":3}", 12,
		 "{\"max_waiting\":77,\"ack_wait\":8}"},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *declared = parse(cases[i].declared);
		json_t *actual = cases[i].actual ? parse(cases[i].actual) : NULL;
		json_t *expected = parse(cases[i].expected);
		json_t *config = setup_config(cases[i].kind, declared, actual, cases[i].server);

		if (!json_equal(config, expected))
			fail_msg("%s over %s", cases[i].declared, cases[i].actual);
		json_decref(declared);
		json_decref(actual);
		json_decref(expected);
		json_decref(config);
	}
}

static void a_servers_age_is_found(void **state)
{
	(void)state;
	static const struct {
		const char *info, *config;
		unsigned expected;
	} cases[] = {
		{"{\"api\":{\"total\":1}}", "{}", 9},
		{"{\"api\":{\"total\":1}}", "{\"compression\":\"none\"}", 10},
		{"{\"api\":{\"level\":1}}", "{}", 11},
		{"{\"api\":{\"level\":5}}", "{}", 12},
		{"{}", "{}", 9},
	};

	for (size_t i = 0; i < ARRAY_LEN(cases); i++) {
		json_t *info = parse(cases[i].info), *config = parse(cases[i].config);

		assert_int_equal(setup_server(info, config), cases[i].expected);
		json_decref(info);
		json_decref(config);
	}
	assert_int_equal(setup_server(NULL, NULL), 9);
}

/* The declarations themselves: JSON, named as their files, and nothing in them that a 2.9 lacks. */
static void declarations_are_sound(void **state)
{
	(void)state;
	struct setup_field fields[SETUP_FIELDS_MAX];
	size_t streams = 0, consumers = 0;

	for (size_t i = 0; i < declared_count; i++) {
		const char *path = declared_files[i].path;
		const char *slash = strrchr(path, '/');
		bool consumer = strncmp(path, "consumers/", 10) == 0;
		char file[160];

		if (!slash || !strstr(path, ".json"))
			continue;
		json_t *j = parse(declared_files[i].text);
		const char *name = json_string_value(json_object_get(j, "name"));
		assert_non_null(name);
		snprintf(file, sizeof(file), "%s.json", strncmp(name, "KV_", 3) == 0	? name + 3
												: strncmp(name, "OBJ_", 4) == 0 ? name + 4
																				: name);
		if (!strstr(path, "/lane.json"))
			assert_string_equal(slash + 1, file);
		if (consumer) {
			consumers++;
			assert_string_equal(json_string_value(json_object_get(j, "durable_name")), name);
			assert_string_equal(json_string_value(json_object_get(j, "ack_policy")), "explicit");
			assert_int_equal(json_integer_value(json_object_get(j, "max_deliver")), -1);
		} else {
			streams++;
			assert_string_equal(json_string_value(json_object_get(j, "storage")), "file");
			assert_true(json_is_true(json_object_get(j, "allow_direct")));
			assert_true(json_integer_value(json_object_get(j, "max_bytes")) > 0);
		}
		assert_int_equal(setup_diff(consumer ? SETUP_CONSUMER : SETUP_STREAM, j, NULL, 9, fields), 0);
		json_decref(j);
	}
	assert_int_equal(streams, 19);
	assert_int_equal(consumers, 6);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(fields_are_compared),
		cmocka_unit_test(requests_keep_what_they_must),
		cmocka_unit_test(a_servers_age_is_found),
		cmocka_unit_test(declarations_are_sound),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
