/* load: what /proc says. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/load.h"

static void processors_are_busy_where_they_do_not_idle(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		uint64_t busy, total;
	} rows[] = {
		{"cpu  10 1 5 100 20 2 3 4 0 0\ncpu0 1 1 1 1\n", true, 25, 145},
		{"cpu 10 0 5 100\n", true, 15, 115}, /* kernels of old */
		{"cpu 10 0\n", false, 0, 0},
		{"intr 1 2 3 4\n", false, 0, 0},
		{"", false, 0, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		uint64_t busy = 0, total = 0;
		assert_int_equal(load_parse_stat(rows[i].text, &busy, &total), rows[i].ok);
		assert_int_equal(busy, rows[i].busy);
		assert_int_equal(total, rows[i].total);
	}
}

static void memory_in_use_is_what_is_not_available(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		bool ok;
		double percent;
	} rows[] = {
		{"MemTotal:  1000 kB\nMemFree: 1 kB\nMemAvailable:   250 kB\n", true, 75},
		{"MemTotal: 1000 kB\nMemAvailable: 1000 kB\n", true, 0},
		{"MemTotal: 1000 kB\n", false, -1},
		{"MemTotal: 0 kB\nMemAvailable: 0 kB\n", false, -1},
		{"MemTotal: 1 kB\nMemAvailable: 2 kB\n", false, -1},
		{"MemTotal: x\nMemAvailable: 2 kB\n", false, -1},
		{"", false, -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double percent = -1;
		assert_int_equal(load_parse_meminfo(rows[i].text, &percent), rows[i].ok);
		assert_true(percent >= rows[i].percent - 1e-9 && percent <= rows[i].percent + 1e-9);
	}
}

static void a_disk_is_full_when_its_user_can_have_no_more(void **state)
{
	(void)state;
	static const struct {
		uint64_t blocks, free_blocks, available;
		double percent;
	} rows[] = {
		{1000, 1000, 1000, 0},
		{1000, 250, 250, 75},
		{1000, 50, 0, 100}, /* the rest is the superuser's */
		{1000, 100, 60, 100.0 * 900 / 960},
		{0, 0, 0, 0},
		{10, 20, 20, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double percent = load_disk_percent(rows[i].blocks, rows[i].free_blocks, rows[i].available);
		assert_true(percent >= rows[i].percent - 1e-9 && percent <= rows[i].percent + 1e-9);
	}
}

static void this_machine_can_be_read(void **state)
{
	(void)state;
	struct load l = {0};

	load_look(&l, "/");
	assert_true(l.rss_bytes > 0);
	assert_true(l.memory_percent > 0 && l.memory_percent <= 100);
	assert_true(l.disk_percent > 0 && l.disk_percent <= 100);
	double before = l.disk_percent;
	load_look(&l, "/no/such/place");
	assert_true(l.cpu_percent >= 0 && l.cpu_percent <= 100);
	assert_true(l.disk_percent == before);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(processors_are_busy_where_they_do_not_idle),
		cmocka_unit_test(memory_in_use_is_what_is_not_available),
		cmocka_unit_test(a_disk_is_full_when_its_user_can_have_no_more),
		cmocka_unit_test(this_machine_can_be_read),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
