/* metrics: series found again by their labels, bounded, as Prometheus reads them. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <math.h>
#include <stdio.h>
#include <time.h>

#include "common/metrics.h"

/* The rest of the line that starts with name and a space, or NULL; one at a time. */
static const char *sample(const char *name)
{
	static char line[200];
	CLEANUP(buf_release) struct buf text = {0};
	buf_add_str(&text, "\n");
	metrics_render(&text);
	char start[200];
	snprintf(start, sizeof(start), "\n%s ", name);
	const char *at = strstr(text.data, start);
	if (!at)
		return NULL;
	at += strlen(start);
	snprintf(line, sizeof(line), "%.*s", (int)strcspn(at, "\n"), at);
	return line;
}

static void the_same_arguments_give_the_same_series(void **state)
{
	(void)state;
	struct metric *a = metric_counter("same_total", "Help.", "lane=\"a\"");
	assert_ptr_equal(metric_counter("same_total", "Help.", "lane=\"a\""), a);
	assert_ptr_not_equal(metric_counter("same_total", "Help.", "lane=\"b\""), a);
	assert_ptr_not_equal(metric_counter("same_total", "Help.", NULL), a);
	assert_ptr_equal(metric_counter("same_total", "Help.", NULL),
					 metric_counter("same_total", "Help.", ""));
}

static void counters_only_grow_gauges_go_anywhere(void **state)
{
	(void)state;
	struct metric *c = metric_counter("grow_total", "Help.", NULL);
	metric_add(c, 2);
	metric_add(c, -1);
	metric_add(c, (double)NAN);
	assert_true(metric_value(c) == 2);
	struct metric *g = metric_gauge("level", "Help.", NULL);
	metric_set(g, 5);
	metric_add(g, -7);
	assert_true(metric_value(g) == -2);
	assert_string_equal(sample("level"), "-2");
}

static void numbers_read_back_exactly(void **state)
{
	(void)state;
	static const struct {
		double v;
		const char *text;
	} rows[] = {{0, "0"},
				{0.1, "0.1"},
				{1e6, "1000000"},
				{123456789012345, "123456789012345"},
				{1.0 / 3, "0.333333333333333"},
				{-0.5, "-0.5"}};
	struct metric *g = metric_gauge("number", "Help.", NULL);
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		metric_set(g, rows[i].v);
		const char *text = sample("number");
		assert_true(strtod(text, NULL) == rows[i].v);
		assert_memory_equal(text, rows[i].text, strlen(rows[i].text));
	}
	metric_set(g, (double)NAN);
	assert_string_equal(sample("number"), "NaN");
	metric_set(g, (double)INFINITY);
	assert_string_equal(sample("number"), "+Inf");
	metric_set(g, -(double)INFINITY);
	assert_string_equal(sample("number"), "-Inf");
}

static void histograms_count_into_cumulative_buckets(void **state)
{
	(void)state;
	static const struct {
		double seconds;
		const char *first; /* the lowest bound that holds it */
		const char *below; /* the one under it */
	} rows[] = {
		{0, "0.0001", NULL},      {-1, "0.0001", NULL},
		{0.0001, "0.0001", NULL}, {0.00011, "0.00025", "0.0001"},
		{0.3, "0.5", "0.25"},     {0.5, "0.5", "0.25"},
		{1000, "1000", "500"},    {1001, "+Inf", "1000"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[32], full[80];
		snprintf(name, sizeof(name), "wait%zu_seconds", i);
		struct metric *h = metric_histogram(name, "Help.", "lane=\"a\"");
		metric_observe(h, rows[i].seconds);
		metric_observe(h, (double)NAN);
		snprintf(full, sizeof(full), "%s_bucket{lane=\"a\",le=\"%s\"}", name, rows[i].first);
		assert_string_equal(sample(full), "1");
		if (rows[i].below) {
			snprintf(full, sizeof(full), "%s_bucket{lane=\"a\",le=\"%s\"}", name, rows[i].below);
			assert_string_equal(sample(full), "0");
		}
		snprintf(full, sizeof(full), "%s_bucket{lane=\"a\",le=\"+Inf\"}", name);
		assert_string_equal(sample(full), "1");
		snprintf(full, sizeof(full), "%s_count{lane=\"a\"}", name);
		assert_string_equal(sample(full), "1");
		assert_true(metric_value(h) == 1);
	}
	metric_observe(metric_histogram("bare_seconds", "Help.", NULL), 2);
	assert_string_equal(sample("bare_seconds_bucket{le=\"2.5\"}"), "1");
	assert_string_equal(sample("bare_seconds_sum"), "2");
}

static void label_sets_beyond_the_limit_are_other(void **state)
{
	(void)state;
	for (int i = 0; i < 5000; i++) {
		char labels[80];
		snprintf(labels, sizeof(labels), "lane=\"l%d\",note=\"a\\\"b%d\"", i, i);
		metric_add(metric_counter("many_total", "Help.", labels), 1);
	}
	assert_string_equal(sample("many_total{lane=\"l0\",note=\"a\\\"b0\"}"), "1");
	assert_string_equal(sample("many_total{lane=\"l1999\",note=\"a\\\"b1999\"}"), "1");
	assert_null(sample("many_total{lane=\"l2000\",note=\"a\\\"b2000\"}"));
	assert_string_equal(sample("many_total{lane=\"other\",note=\"other\"}"), "3000");
}

static void a_series_is_found_by_its_one_label(void **state)
{
	(void)state;
	struct metric_by *by = metric_counter_by("by_total", "Help.", "type");
	metric_add(metric_of(by, "echo"), 2);
	assert_ptr_equal(metric_of(by, "echo"), metric_counter("by_total", "Help.", "type=\"echo\""));
	assert_ptr_equal(metric_counter_by("by_total", "Help.", "type"), by);
	assert_string_equal(sample("by_total{type=\"echo\"}"), "2");
	/* Beyond the limit they are one. */
	for (int i = 0; i < 3000; i++) {
		char type[16];
		snprintf(type, sizeof(type), "t%d", i);
		metric_add(metric_of(by, type), 1);
	}
	assert_string_equal(sample("by_total{type=\"t1998\"}"), "1");
	assert_null(sample("by_total{type=\"t1999\"}"));
	assert_string_equal(sample("by_total{type=\"other\"}"), "1001");
}

static void a_family_has_its_head_once(void **state)
{
	(void)state;
	metric_add(metric_counter("head_total", "What it counts.", "a=\"1\""), 1);
	metric_add(metric_counter("head_total", "What it counts.", "a=\"2\""), 1);
	CLEANUP(buf_release) struct buf text = {0};
	metrics_render(&text);
	const char *head = strstr(text.data, "# HELP head_total What it counts.\n"
										 "# TYPE head_total counter\n"
										 "head_total{a=\"1\"} 1\nhead_total{a=\"2\"} 1\n");
	assert_non_null(head);
	assert_null(strstr(head + 1, "# HELP head_total"));
}

static void the_process_tells_of_itself(void **state)
{
	(void)state;
	assert_true(strtod(sample("process_resident_memory_bytes"), NULL) > 1e6);
	assert_true(strtod(sample("process_cpu_seconds_total"), NULL) > 0);
	double fds = strtod(sample("process_open_fds"), NULL);
	assert_true(fds >= 3);
	FILE *f = fopen("/dev/null", "re");
	assert_true(strtod(sample("process_open_fds"), NULL) == fds + 1);
	fclose(f);
	double started = strtod(sample("process_start_time_seconds"), NULL);
	assert_true(started <= (double)time(NULL) + 1 && started > (double)time(NULL) - 600);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_same_arguments_give_the_same_series),
		cmocka_unit_test(counters_only_grow_gauges_go_anywhere),
		cmocka_unit_test(numbers_read_back_exactly),
		cmocka_unit_test(histograms_count_into_cumulative_buckets),
		cmocka_unit_test(label_sets_beyond_the_limit_are_other),
		cmocka_unit_test(a_series_is_found_by_its_one_label),
		cmocka_unit_test(a_family_has_its_head_once),
		cmocka_unit_test(the_process_tells_of_itself),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
