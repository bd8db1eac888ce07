/* log: a line that can always be split again, whatever stands in it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <errno.h>
#include <jansson.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/log.h"

static int real_stderr = -1, capture[2];

static void capture_begin(void)
{
	assert_int_equal(pipe(capture), 0);
	real_stderr = dup(STDERR_FILENO);
	dup2(capture[1], STDERR_FILENO);
	close(capture[1]);
}

static struct buf capture_end(void)
{
	dup2(real_stderr, STDERR_FILENO); /* the pipe's last writer goes */
	close(real_stderr);
	struct buf b = {0};
	char chunk[4096];
	ssize_t n;
	while ((n = read(capture[0], chunk, sizeof(chunk))) > 0)
		buf_add(&b, chunk, (size_t)n);
	close(capture[0]);
	buf_reserve(&b, 0);
	return b;
}

static int reset(void **state)
{
	(void)state;
	log_init("millrace-test");
	log_set_level(LOG_INFO);
	log_set_json(false);
	return 0;
}

static void values_are_quoted_where_they_must_be(void **state)
{
	(void)state;
	static const struct {
		const char *value, *shown;
	} rows[] = {
		{"plain", "v=plain n=1"},
		{"nats://h:1/x?y", "v=nats://h:1/x?y n=1"},
		{"", "v=\"\" n=1"},
		{NULL, "v=\"\" n=1"},
		{"two words", "v=\"two words\" n=1"},
		{"a=b", "v=\"a=b\" n=1"},
		{"say \"hi\"", "v=\"say \\\"hi\\\"\" n=1"},
		{"back\\slash", "v=\"back\\\\slash\" n=1"},
		{"line\nlevel=error", "v=\"line\\nlevel=error\" n=1"},
		{"esc\033[0m", "v=\"esc\\u001b[0m\" n=1"},
		{"caf\303\251", "v=\"caf\303\251\" n=1"},
		{"bad\377byte", "v=\"bad\\ufffdbyte\" n=1"},
		{"half\342\202", "v=\"half\\ufffd\\ufffd\" n=1"},
		{"overlong\300\257", "v=\"overlong\\ufffd\\ufffd\" n=1"},
		{"surrogate\355\240\200", "v=\"surrogate\\ufffd\\ufffd\\ufffd\" n=1"},
		{"\360\237\230\200", "v=\"\360\237\230\200\" n=1"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		capture_begin();
		log_info("it happened", LOG_S("v", rows[i].value), LOG_I("n", 1));
		CLEANUP(buf_release) struct buf out = capture_end();
		if (!strstr(out.data, rows[i].shown))
			fail_msg("row %zu: %s", i, out.data);
		assert_non_null(
			strstr(out.data, " level=info name=millrace-test event=\"it happened\" v="));
		assert_memory_equal(out.data, "time=2", 6);
		assert_ptr_equal(strchr(out.data, '\n'), out.data + out.len - 1);
	}
}

static void json_lines_parse_whatever_stands_in_them(void **state)
{
	(void)state;
	static const char *const values[] = {"x",        "\"",          "\\", "\n\t\001",
										 "\377\376", "caf\303\251", ""};
	log_set_json(true);
	for (size_t i = 0; i < ARRAY_LEN(values); i++) {
		capture_begin();
		log_error(values[i], LOG_S("v", values[i]), LOG_I("n", INT64_MIN));
		CLEANUP(buf_release) struct buf out = capture_end();
		json_t *j = json_loadb(out.data, out.len, 0, NULL);
		if (!j)
			fail_msg("row %zu: %s", i, out.data);
		assert_string_equal(json_string_value(json_object_get(j, "level")), "error");
		assert_string_equal(json_string_value(json_object_get(j, "name")), "millrace-test");
		assert_true(json_integer_value(json_object_get(j, "n")) == INT64_MIN);
		assert_non_null(json_object_get(j, "v"));
		json_decref(j);
	}
}

static void too_much_is_cut_and_the_line_stays_whole(void **state)
{
	(void)state;
	char value[6000];
	for (int kind = 0; kind < 4; kind++) {
		/* plain, escaped sixfold, many bytes a character, quoted */
		for (size_t k = 0; k + 3 < sizeof(value); k += 3)
			memcpy(value + k, &"aaa\001\001\001\342\202\254   "[kind * 3], 3);
		value[sizeof(value) - 3] = '\0';
		capture_begin();
		log_set_json(true);
		struct log_field fields[40];
		for (size_t i = 0; i < ARRAY_LEN(fields); i++)
			fields[i] = (struct log_field)LOG_S("field", value);
		log_emit(LOG_WARN, "much", fields, ARRAY_LEN(fields));
		log_warn(value);
		CLEANUP(buf_release) struct buf out = capture_end();
		size_t lines = 0;
		for (char *line = out.data, *end; (end = strchr(line, '\n')); line = end + 1, lines++) {
			assert_true(end - line < 8192);
			json_t *j = json_loadb(line, (size_t)(end - line), 0, NULL);
			if (!j)
				fail_msg("kind %d: %.*s", kind, (int)(end - line), line);
			if (lines == 0)
				assert_true(json_is_true(json_object_get(j, "cut")));
			else
				assert_non_null(strstr(json_string_value(json_object_get(j, "event")), "..."));
			json_decref(j);
		}
		assert_int_equal(lines, 2);
	}
}

static void what_is_below_the_level_is_not_written(void **state)
{
	(void)state;
	log_set_level(LOG_WARN);
	assert_false(log_enabled(LOG_INFO));
	assert_true(log_enabled(LOG_WARN));
	capture_begin();
	log_debug("no");
	log_info("no");
	log_warn("yes");
	log_error("yes");
	CLEANUP(buf_release) struct buf out = capture_end();
	assert_null(strstr(out.data, "no"));
	assert_non_null(strstr(out.data, "level=warn"));
	assert_non_null(strstr(out.data, "level=error"));
}

static void errno_survives_a_line(void **state)
{
	(void)state;
	capture_begin();
	errno = EXDEV;
	log_info("it happened");
	int after = errno;
	CLEANUP(buf_release) struct buf out = capture_end();
	assert_int_equal(after, EXDEV);
}

static void level_names_are_exactly_four(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		int level;
	} rows[] = {{"debug", LOG_DEBUG}, {"info", LOG_INFO}, {"warn", LOG_WARN},
				{"error", LOG_ERROR}, {"", -1},           {"INFO", -1},
				{"warning", -1},      {"inf", -1}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		enum log_level level = LOG_DEBUG;
		assert_int_equal(log_level_parse(rows[i].text, &level), rows[i].level >= 0);
		if (rows[i].level >= 0)
			assert_int_equal(level, rows[i].level);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup(values_are_quoted_where_they_must_be, reset),
		cmocka_unit_test_setup(json_lines_parse_whatever_stands_in_them, reset),
		cmocka_unit_test_setup(too_much_is_cut_and_the_line_stays_whole, reset),
		cmocka_unit_test_setup(what_is_below_the_level_is_not_written, reset),
		cmocka_unit_test_setup(errno_survives_a_line, reset),
		cmocka_unit_test_setup(level_names_are_exactly_four, reset),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
