/* config: a node's name, lists and handlers. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>
#include <cmocka.h>

#include "node/config.h"

static void names_are_made_of_any_host(void **state)
{
	(void)state;
	static const struct {
		const char *host;
		long pid;
		const char *name;
	} rows[] = {
		{"vm", 17, "vm-17"},
		{"web-1.example.org", 42, "web-1-42"},
		{"a--b", 1, "a-b-1"},
		{"-a-", 1, "a-1"},
		{"", 1, "node-1"},
		{"...", 1, "node-1"},
		{"h\xc3\xa9te", 9, "h-te-9"},
		{"aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa", 4194304,
		 "aaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaaa-4194304"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char name[TOKEN_MAX + 1];
		node_name_default(rows[i].host, rows[i].pid, name);
		assert_string_equal(name, rows[i].name);
		assert_true(token_ok(name, strlen(name)));
	}
}

/* Loads as main does; the error's code, or 0. */
static int load(char **argv, struct node_config *c, struct config_extra *extra, struct err *e)
{
	int argc = 0;

	*c = (struct node_config){0};
	*extra = (struct config_extra){0};
	while (argv[argc])
		argc++;
	int rc = config_load(&node_program, argc, argv, c, extra, e);
	return rc ? rc : node_config_finish(c, extra, e);
}

static void capabilities_are_sorted_distinct_and_know_the_model(void **state)
{
	(void)state;
	char *argv[] = {"millrace-node",
					"n1",
					"--capabilities",
					"plugin-x,gpu, gpu",
					"--model",
					"llama3",
					"--labels",
					"zone=a,rack=7=8",
					NULL};
	struct node_config c;
	struct config_extra extra;
	struct err e;

	assert_int_equal(load(argv, &c, &extra, &e), 0);
	assert_string_equal(c.name, "n1");
	assert_int_equal(c.slots, 10);
	assert_int_equal(c.ncapabilities, 3);
	assert_string_equal(c.capabilities[0], "gpu");
	assert_string_equal(c.capabilities[1], "model_llama3");
	assert_string_equal(c.capabilities[2], "plugin-x");
	assert_int_equal(c.nlabels, 2);
	assert_string_equal(c.labels[1].name, "rack");
	assert_string_equal(c.labels[1].value, "7=8");
	assert_null(c.handlers); /* all built-ins */
	node_config_release(&c, &extra);
}

static void a_bridge_without_a_list_has_no_handlers_of_its_own(void **state)
{
	(void)state;
	char *argv[] = {"millrace-node", "b", "--bridge", NULL};
	struct node_config c;
	struct config_extra extra;
	struct err e;

	assert_int_equal(load(argv, &c, &extra, &e), 0);
	assert_non_null(c.handlers);
	assert_int_equal(c.handlers->kind, DOC_LIST);
	assert_null(c.handlers->child);
	node_config_release(&c, &extra);
}

static void handlers_come_from_a_file_of_their_own(void **state)
{
	(void)state;
	char path[] = "/tmp/millrace-test-XXXXXX";
	char *argv[] = {"millrace-node", "n1", "--handlers", path, NULL};
	struct node_config c;
	struct config_extra extra;
	struct err e;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	dprintf(fd, "handlers:\n  - type: echo\n    kind: echo\n");
	assert_int_equal(load(argv, &c, &extra, &e), 0);
	assert_non_null(c.handlers->child);
	node_config_release(&c, &extra);
	assert_int_equal(ftruncate(fd, 0), 0);
	dprintf(fd, "\nother: 1\n");
	assert_int_equal(load(argv, &c, &extra, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, path));
	node_config_release(&c, &extra);
	close(fd);
	unlink(path);
}

static void handlers_come_from_the_section_of_the_config_file(void **state)
{
	(void)state;
	char path[] = "/tmp/millrace-test-XXXXXX";
	char *argv[] = {"millrace-node", "n1", "--config", path, NULL};
	struct node_config c;
	struct config_extra extra;
	struct err e;
	int fd = mkstemp(path);

	assert_true(fd >= 0);
	dprintf(fd, "slots: 3\nhandlers:\n  - type: echo\n    kind: echo\n");
	assert_int_equal(load(argv, &c, &extra, &e), 0);
	assert_int_equal(c.slots, 3);
	assert_non_null(c.handlers->child);
	node_config_release(&c, &extra);
	close(fd);
	unlink(path);
}

static void wrong_words_are_named(void **state)
{
	(void)state;
	static char *const rows[][5] = {
		{"millrace-node", "a b", NULL},
		{"millrace-node", "a--b", NULL},
		{"millrace-node", "a", "b", NULL},
		{"millrace-node", "a", "--capabilities", "gpu,*", NULL},
		{"millrace-node", "a", "--model", "x y", NULL},
		{"millrace-node", "a", "--pool", "p.q", NULL},
		{"millrace-node", "a", "--labels", "novalue", NULL},
		{"millrace-node", "a", "--slots", "0", NULL},
		{"millrace-node", "a", "--slots", "10001", NULL},
		{"millrace-node", "a", "--handlers", "/nonexistent", NULL},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct node_config c;
		struct config_extra extra;
		struct err e = {0};
		assert_true(load((char **)rows[i], &c, &extra, &e) < 0);
		assert_true(e.text[0]);
		node_config_release(&c, &extra);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(names_are_made_of_any_host),
		cmocka_unit_test(capabilities_are_sorted_distinct_and_know_the_model),
		cmocka_unit_test(a_bridge_without_a_list_has_no_handlers_of_its_own),
		cmocka_unit_test(handlers_come_from_a_file_of_their_own),
		cmocka_unit_test(handlers_come_from_the_section_of_the_config_file),
		cmocka_unit_test(wrong_words_are_named),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
