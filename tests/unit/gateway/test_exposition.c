/* exposition: many texts become one that a strict reader takes. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "gateway/exposition.h"

static int add(struct exposition *x, const char *component, const char *instance, const char *text)
{
	struct err e;

	return exposition_add(x, component, instance, text, strlen(text), &e);
}

/* Renders and frees x. */
static void assert_renders(struct exposition *x, const char *expected)
{
	CLEANUP(buf_release) struct buf out = {0};

	exposition_render(x, &out);
	assert_string_equal(out.data ? out.data : "", expected);
	exposition_free(x);
}

static void a_family_of_two_has_its_head_once(void **state)
{
	struct exposition *x = exposition_new();
	static const char text[] =
		"# HELP a_total What.\n# TYPE a_total counter\na_total{lane=\"l\"} 1\n"
		"# HELP g How much.\n# TYPE g gauge\ng 2\n";

	(void)state;
	assert_int_equal(add(x, "node", "n-1", text), 0);
	assert_int_equal(add(x, "node", "n-2", text), 0);
	assert_int_equal(exposition_stats(x).samples, 4);
	assert_int_equal(exposition_stats(x).broken, 0);
	assert_renders(x, "# HELP a_total What.\n# TYPE a_total counter\n"
					  "a_total{component=\"node\",instance=\"n-1\",lane=\"l\"} 1\n"
					  "a_total{component=\"node\",instance=\"n-2\",lane=\"l\"} 1\n"
					  "# HELP g How much.\n# TYPE g gauge\n"
					  "g{component=\"node\",instance=\"n-1\"} 2\n"
					  "g{component=\"node\",instance=\"n-2\"} 2\n");
}

static void a_histogram_keeps_its_order(void **state)
{
	struct exposition *x = exposition_new();
	static const char text[] = "# TYPE h histogram\nh_bucket{le=\"1\"} 1\nh_bucket{le=\"+Inf\"} 2\n"
							   "h_sum 3\nh_count 2";

	(void)state;
	assert_int_equal(add(x, "store", "a", text), 0);
	assert_renders(x, "# TYPE h histogram\n"
					  "h_bucket{component=\"store\",instance=\"a\",le=\"1\"} 1\n"
					  "h_bucket{component=\"store\",instance=\"a\",le=\"+Inf\"} 2\n"
					  "h_sum{component=\"store\",instance=\"a\"} 3\n"
					  "h_count{component=\"store\",instance=\"a\"} 2\n");
}

static void what_is_broken_is_left_out_and_counted(void **state)
{
	static const struct {
		const char *text;
		unsigned samples, broken;
	} rows[] = {
		{"x 1\nx{ 2\ny 3\n", 2, 1},
		{"x 1\nx 2\n", 1, 1},                                   /* said twice */
		{"x{a=\"1\",b=\"2\"} 1\nx{b=\"2\",a=\"1\"} 2\n", 1, 1}, /* in another order, too */
		{"# TYPE h histogram\nh 1\nh_count 2\nh_bucket 3\n", 1,
		 2}, /* no piece of one; a bucket without a bound */
		{"# TYPE c counter\nc 1\n# TYPE c counter\nc{a=\"1\"} 2\n", 2, 1},
		{"# TYPE c counter\nc 1\n# TYPE c gauge\nc{a=\"1\"} 2\n", 1, 2}, /* changes its mind */
		{"x 1\n# TYPE x counter\n", 1, 1},                               /* too late */
		{"\n\n# nothing\n", 0, 0},
		{"", 0, 0},
		{"no end of line 1", 0, 1},
		{"x 1", 1, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct exposition *x = exposition_new();

		print_message("%s\n", rows[i].text);
		assert_int_equal(add(x, "node", "n", rows[i].text), 0);
		assert_int_equal(exposition_stats(x).samples, rows[i].samples);
		assert_int_equal(exposition_stats(x).broken, rows[i].broken);
		exposition_free(x);
	}
}

static void who_disagrees_about_a_type_is_left_out(void **state)
{
	struct exposition *x = exposition_new();

	(void)state;
	assert_int_equal(add(x, "node", "a", "# TYPE f counter\nf 1\n"), 0);
	assert_int_equal(add(x, "node", "b", "# TYPE f gauge\nf 2\ng 1\n"), 0);
	assert_int_equal(add(x, "node", "c", "f 3\n"), 0); /* says no type at all */
	assert_int_equal(add(x, "node", "d", "# TYPE f counter\nf 4\n"), 0);
	assert_int_equal(exposition_stats(x).broken, 3);
	assert_renders(x, "# TYPE f counter\nf{component=\"node\",instance=\"a\"} 1\n"
					  "f{component=\"node\",instance=\"d\"} 4\n"
					  "# TYPE g untyped\ng{component=\"node\",instance=\"b\"} 1\n");
}

static void names_and_instances_are_checked(void **state)
{
	struct exposition *x = exposition_new();
	char longest[EXPOSITION_NAME_MAX + 2];

	(void)state;
	memset(longest, 'a', sizeof(longest));
	longest[EXPOSITION_NAME_MAX + 1] = '\0';
	assert_int_equal(add(x, "node", "", "x 1\n"), ERR_INVALID);
	assert_int_equal(add(x, "no de", "a", "x 1\n"), ERR_INVALID);
	assert_int_equal(add(x, "node", "a\"} 1", "x 1\n"), ERR_INVALID);
	assert_int_equal(add(x, "node", longest, "x 1\n"), ERR_INVALID);
	assert_int_equal(add(x, "node", longest + 1, "x 1\n"), 0);
	assert_int_equal(add(x, "node", "a", "x 1\n"), 0);
	assert_int_equal(add(x, "node", "a", "x 2\n"), ERR_EXISTS);
	assert_int_equal(add(x, "store", "a", "x 1\n"), 0);
	/* Not told apart by where the names meet. */
	assert_int_equal(add(x, "ab", "c", "x 1\n"), 0);
	assert_int_equal(add(x, "a", "bc", "x 1\n"), 0);
	exposition_free(x);
}

static void families_are_bounded(void **state)
{
	CLEANUP(buf_release) struct buf text = {0};
	struct exposition *x = exposition_new();
	struct err e;

	(void)state;
	for (unsigned i = 0; i < EXPOSITION_FAMILIES_MAX + 10; i++)
		buf_printf(&text, "x%u 1\n", i);
	assert_int_equal(exposition_add(x, "node", "a", text.data, text.len, &e), 0);
	assert_int_equal(exposition_stats(x).samples, EXPOSITION_FAMILIES_MAX);
	assert_int_equal(exposition_stats(x).dropped, 10);
	exposition_free(x);
}

static void bytes_are_bounded(void **state)
{
	struct exposition *x = exposition_new();
	size_t len = EXPOSITION_BYTES_MAX / 2 + 1;
	char *text = xmalloc(len);
	struct err e;

	(void)state;
	memset(text, '\n', len);
	assert_int_equal(exposition_add(x, "node", "a", text, len, &e), 0);
	assert_int_equal(exposition_add(x, "node", "b", text, len, &e), ERR_TOO_LARGE);
	assert_int_equal(exposition_stats(x).instances, 1);
	free(text);
	exposition_free(x);
}

static void a_nul_is_no_end(void **state)
{
	struct exposition *x = exposition_new();
	static const char text[] = "x 1\ny\0 2\nz 3\n";
	struct err e;

	(void)state;
	assert_int_equal(exposition_add(x, "node", "a", text, sizeof(text) - 1, &e), 0);
	assert_int_equal(exposition_stats(x).samples, 2);
	assert_int_equal(exposition_stats(x).broken, 1);
	exposition_free(x);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_family_of_two_has_its_head_once),
		cmocka_unit_test(a_histogram_keeps_its_order),
		cmocka_unit_test(what_is_broken_is_left_out_and_counted),
		cmocka_unit_test(who_disagrees_about_a_type_is_left_out),
		cmocka_unit_test(names_and_instances_are_checked),
		cmocka_unit_test(families_are_bounded),
		cmocka_unit_test(bytes_are_bounded),
		cmocka_unit_test(a_nul_is_no_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
