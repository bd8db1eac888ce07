/* args: the command line, split. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "cli/args.h"

static int run_nothing(struct cli *c, int argc, char **argv)
{
	(void)c;
	(void)argc;
	(void)argv;
	return 0;
}

static const struct cli_flag submit_flags[] = {
	{"data", 'd', "S", "h"},     {"timeout", 0, "D", "h"},  {"wait", 0, "[=D]", "h"},
	{"header", 'H', "K:V", "h"}, {"quiet", 'q', NULL, "h"}, {0},
};
static const struct cli_flag dev_flags[] = {{"dir", 0, "D", "h"}, {"nodes", 0, "N", "h"}, {0}};
static const struct cli_flag status_flags[] = {{"dir", 0, "D", "h"}, {0}};

static const struct cli_command list[] = {
	{"submit", "TYPE", "h", NULL, submit_flags, 1, 2, run_nothing},
	{"task get", "ID", "h", NULL, NULL, 1, 1, run_nothing},
	{"task list", "", "h", NULL, NULL, 0, 0, run_nothing},
	{"dev", "", "h", NULL, dev_flags, 0, 0, run_nothing},
	{"dev status", "", "h", NULL, status_flags, 0, 0, run_nothing},
	{0},
};
static const struct cli_command *const lists[] = {list, NULL};
static const struct config_key keys[] = {
	{"json", CONFIG_BOOL, 0, NULL, "h"},
	{"timeout", CONFIG_DURATION, 0, NULL, "h"},
	{"nats.url", CONFIG_STRING, 0, NULL, "h"},
	{"limit", CONFIG_INT, 0, NULL, "h", NULL, 0, 0, false, 'n'},
	{0},
};

/* Words split at spaces, as the shell would. */
static int parse(const char *line, struct args *ret, struct err *e)
{
	static char text[512];
	static char *argv[64];
	int argc = 0;

	text[0] = '\0';
	strncat(text, line, sizeof(text) - 1);
	for (char *word = text; word; argc++) {
		char *space = strchr(word, ' ');

		if (space)
			*space++ = '\0';
		argv[argc] = word;
		word = space;
	}
	argv[argc] = NULL;
	return args_parse(lists, keys, argc, argv, ret, e);
}

static void join(struct buf *out, char **words, size_t n)
{
	for (size_t i = 0; i < n; i++)
		buf_printf(out, "%s%s", i ? " " : "", words[i]);
}

static void lines_are_split_into_command_flags_words_and_globals(void **state)
{
	static const struct {
		const char *line, *command, *flags, *words, *globals;
	} rows[] = {
		{"m submit echo", "submit", "", "echo", "m"},
		{"m submit echo -", "submit", "", "echo -", "m"},
		{"m submit --data x echo", "submit", "data=x", "echo", "m"},
		{"m submit echo -d -5", "submit", "data=-5", "echo", "m"},
		{"m submit echo --data=", "submit", "data=", "echo", "m"},
		{"m submit echo -Ha:b -H c:d", "submit", "header=a:b header=c:d", "echo", "m"},
		{"m submit echo --wait", "submit", "wait", "echo", "m"},
		{"m submit --wait echo", "submit", "wait", "echo", "m"},
		{"m submit --wait=5s echo -q", "submit", "wait=5s quiet", "echo", "m"},
		{"m --timeout 1s submit echo --timeout 2s", "submit", "timeout=2s", "echo",
		 "m --timeout 1s"},
		{"m submit echo --json --nats-url a -n 5", "submit", "", "echo",
		 "m --json --nats-url a -n 5"},
		{"m submit --nats-url=a -- --echo", "submit", "", "--echo", "m --nats-url=a"},
		{"m task --json get x", "task get", "", "x", "m --json"},
		{"m --config f task list", "task list", "", "", "m --config f"},
		{"m dev", "dev", "", "", "m"},
		{"m dev status", "dev status", "", "", "m"},
		{"m dev --dir d status", "dev status", "dir=d", "", "m"},
		{"m --version", NULL, "", "", "m --version"},
		{"m", NULL, "", "", "m"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf flags = {0};
		CLEANUP(buf_release) struct buf words = {0};
		CLEANUP(buf_release) struct buf globals = {0};
		struct args a;
		struct err e = {0};

		assert_int_equal(parse(rows[i].line, &a, &e), 0);
		for (size_t k = 0; k < a.nflags; k++)
			buf_printf(&flags, "%s%s%s%s", k ? " " : "", a.flags[k].flag->name,
					   a.flags[k].value ? "=" : "", a.flags[k].value ? a.flags[k].value : "");
		join(&words, a.positional, a.npositional);
		join(&globals, a.globals, a.nglobals);
		if (rows[i].command)
			assert_string_equal(a.command->name, rows[i].command);
		else
			assert_null(a.command);
		assert_string_equal(flags.data ? flags.data : "", rows[i].flags);
		assert_string_equal(words.data ? words.data : "", rows[i].words);
		assert_string_equal(globals.data, rows[i].globals);
		args_release(&a);
	}
}

static void what_is_wrong_is_said(void **state)
{
	static const struct {
		const char *line, *sentence;
	} rows[] = {
		{"m sumbit", "unknown command 'sumbit'; did you mean 'submit'?"},
		{"m xyz", "unknown command 'xyz'; see 'millrace help'"},
		{"m taks", "unknown command 'taks'; did you mean 'task'?"},
		{"m task lst", "unknown command 'task lst'; did you mean 'task list'?"},
		{"m submit echo --dat x", "unknown flag --dat; see 'millrace help submit'"},
		{"m submit echo -x", "unknown flag -x; see 'millrace help submit'"},
		{"m submit echo --data", "--data wants a value"},
		{"m submit echo --quiet=1", "--quiet takes no value"},
		{"m submit echo --nats-url", "--nats-url wants a value"},
		{"m submit", "usage: millrace submit TYPE"},
		{"m submit a b c", "'c' is one argument too many; usage: millrace submit TYPE"},
		{"m dev --nodes 3 status", "'millrace dev status' has no flag --nodes"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct args a;
		struct err e = {0};

		assert_int_equal(parse(rows[i].line, &a, &e), ERR_INVALID);
		assert_string_equal(e.text, rows[i].sentence);
	}
}

static void help_needs_no_arguments(void **state)
{
	struct args a;
	struct err e = {0};

	(void)state;
	assert_int_equal(parse("m submit --help", &a, &e), 0);
	assert_true(a.help);
	args_release(&a);
	assert_int_equal(parse("m task -h", &a, &e), 0);
	assert_true(a.help);
	assert_string_equal(a.group, "task");
	args_release(&a);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lines_are_split_into_command_flags_words_and_globals),
		cmocka_unit_test(what_is_wrong_is_said),
		cmocka_unit_test(help_needs_no_arguments),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
