/* The file that `millrace dev` writes for its scaler, read as the scaler reads it. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <stdlib.h>
#include <sys/stat.h>
#include <unistd.h>

#include "cli/dev_scaler.h"
#include "common/section.h"

static const char *text_of(const struct doc *section, const char *key)
{
	const struct doc *d = doc_get(section, key);

	return d && d->kind == DOC_SCALAR ? d->scalar : NULL;
}

static const char *word_behind(char *const *argv, const char *flag)
{
	for (; *argv; argv++) {
		if (str_eq(*argv, flag))
			return argv[1];
	}
	return NULL;
}

static void check(const char *name, bool restarts)
{
	char top[] = "/tmp/millrace-test-XXXXXX";
	const struct dev_options o = {
		.nodes = 2, .max_nodes = 4, .handlers = "/no where/a: b #1 \"x\" \\ y.yaml"};
	struct doc *file = NULL;
	struct err e = {0};

	assert_non_null(mkdtemp(top));
	CLEANUP(free_ptr) char *dir = xasprintf("%s/%s", top, name);
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	assert_int_equal(mkdir(dir, 0700), 0);
	assert_int_equal(dev_scaler_prepare(&o, dir, &e), 0);
	if (doc_read(path, &file, &e))
		fail_msg("%s", e.text);
	assert_string_equal(text_of(doc_get(file, "pools")->child, "handlers"), o.handlers);
	doc_free(file);
	CLEANUP(strings_free) char **argv = dev_scaler_argv(&o, dir);
	const char *disks = word_behind(argv, "--heal-disks");
	assert_int_equal(disks != NULL, restarts);
	assert_int_equal(word_behind(argv, "--heal-restart-broker") != NULL, restarts);
	if (restarts)
		assert_string_equal(disks, dir);
	assert_int_equal(unlink(path), 0);
	assert_int_equal(rmdir(dir), 0);
	assert_int_equal(rmdir(top), 0);
}

static void any_path_is_read_as_it_is(void **state UNUSED)
{
	check("plain", true);
	check("with blanks #and: more", true);
	check("\"quoted\" \\ 'twice' {x} & y", true);
}

static void a_comma_leaves_engines_to_the_supervisor(void **state UNUSED)
{
	check("a,b", false);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_path_is_read_as_it_is),
		cmocka_unit_test(a_comma_leaves_engines_to_the_supervisor),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
