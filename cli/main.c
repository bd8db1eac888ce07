/*
 * The operator's program, as a table of contents: the commands, the global
 * flags, and the order of a run: parse, configure, run the command, clean up.
 *
 * A command's exit code is the process's. What was printed to a pipe that is
 * gone ends quietly; a full disk does not.
 */
#include <errno.h>
#include <poll.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/args.h"
#include "cli/connect.h"
#include "cli/help.h"
#include "common/config.h"
#include "common/log.h"

static int run_help(struct cli *c, int argc, char **argv);

static const struct cli_command commands_help[] = {
	{"help", "[COMMAND]", "this overview, or a command's flags and examples", NULL, NULL, 0, 2,
	 run_help},
	{0},
};

static const struct cli_command *const commands[] = {
	commands_dev,   commands_setup,  commands_submit, commands_task, commands_lane, commands_lane_control, commands_node, commands_pool,
	commands_performance, commands_scaler, commands_heal, commands_top,
	commands_dead,  commands_schedule, commands_state, commands_audit, commands_bench, commands_bench_load, commands_bench_users,
	commands_doctor, commands_decode, commands_help, NULL,
};

static const struct config_key keys[] = {
	{"json", CONFIG_BOOL, offsetof(struct cli_config, json), NULL,
	 "JSON instead of tables, one object a line"},
	{"limit", CONFIG_INT, offsetof(struct cli_config, limit), NULL,
	 "at most so many rows of a list", NULL, 1, 100000000, false, 'n'},
	{"timeout", CONFIG_DURATION, offsetof(struct cli_config, timeout_ns), NULL,
	 "longest wait for one answer of the system (5s)"},
	{"no_color", CONFIG_BOOL, offsetof(struct cli_config, no_color), NULL,
	 "no colours (NO_COLOR does the same)"},
	BUS_CONFIG_KEYS(struct cli_config, nats),
	PG_CONFIG_KEYS(struct cli_config, database),
	{"http", CONFIG_STRING, offsetof(struct cli_config, http), NULL,
	 "address of a gateway, http://127.0.0.1:8080: doctor looks at it, bench users measures it"},
	{"log.level", CONFIG_STRING, offsetof(struct cli_config, log_level), "warn",
	 "debug, info, warn or error", "LOG_LEVEL"},
	{0},
};

static const struct config_key *const tables[] = {keys, NULL};

static const struct config_program program = {
	.name = "millrace",
	.summary = "Submit tasks, look at them, operate the system.",
	.usage = "COMMAND [arguments] [flags]",
	.tables = tables,
};

/* What --help or `millrace help …` is about; words may be none, one or two. */
static int help(int nwords, char **words)
{
	char name[128];
	const struct cli_command *c;

	if (nwords == 0) {
		help_overview(stdout, commands);
		return EXIT_OK;
	}
	snprintf(name, sizeof(name), "%s%s%s", words[0], nwords > 1 ? " " : "",
			 nwords > 1 ? words[1] : "");
	c = command_find(commands, name);
	if (c)
		help_command(stdout, commands, c);
	else if (command_group(commands, name))
		help_group(stdout, commands, name);
	else if (str_eq(name, "flags"))
		help_globals(stdout, keys);
	else {
		fprintf(stderr, "millrace: no command '%s'; see 'millrace help'\n", name);
		return EXIT_USAGE;
	}
	return EXIT_OK;
}

static int run_help(struct cli *c, int argc, char **argv)
{
	(void)c;
	return help(argc, argv);
}

static int answer_help(const struct args *a)
{
	char *words[] = {(char *)(a->command ? a->command->name : a->group)};

	return help(words[0] != NULL, words);
}

static int no_command(const struct args *a)
{
	if (a->group)
		help_group(stderr, commands, a->group);
	else
		help_overview(stderr, commands);
	return EXIT_USAGE;
}

/* The command, between a loop that is new and one that is closed. */
static int run(struct cli *c, const struct args *a)
{
	enum log_level level;
	int code;

	if (!log_level_parse(c->config.log_level, &level)) {
		fprintf(stderr, "millrace: log.level: '%s' is none of debug, info, warn, error\n",
				c->config.log_level);
		return EXIT_USAGE;
	}
	log_init("millrace");
	log_set_level(level);
	cli_open(c, a->command, a->flags, a->nflags);
	code = a->command->run(c, (int)a->npositional, a->positional);
	cli_close(c);
	return code;
}

static int configured(struct args *a)
{
	struct cli c = {0};
	struct config_extra extra = {0};
	struct err e = {0};
	int code;

	if (config_load(&program, (int)a->nglobals, a->globals, &c.config, &extra, &e)) {
		fprintf(stderr, "millrace: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (extra.done || extra.check_only)
		code = EXIT_OK;
	else if (!a->command)
		code = no_command(a);
	else
		code = run(&c, a);
	config_release(&program, &c.config, &extra);
	return code;
}

static bool reader_left(void)
{
	struct pollfd out = {.fd = STDOUT_FILENO};

	return poll(&out, 1, 0) == 1 && (out.revents & POLLERR) != 0;
}

/*
 * A pipe whose reader left is no failure of ours. What failed may have been an earlier write, of
 * which the stream keeps no more than that it failed.
 */
static int flushed(int code)
{
	bool lost = ferror(stdout) != 0;
	int rc = fflush(stdout);
	const char *why = rc != 0 ? strerror(errno) : "a part of it is lost; is the disk full?";

	if ((!lost && rc == 0) || reader_left())
		return code;
	fprintf(stderr, "millrace: writing the output: %s\n", why);
	return code ? code : EXIT_FAILED;
}

int main(int argc, char **argv)
{
	struct args a;
	struct err e = {0};
	int code;

	if (args_parse(commands, keys, argc, argv, &a, &e)) {
		fprintf(stderr, "millrace: %s\n", e.text);
		return EXIT_USAGE;
	}
	if (a.help)
		code = answer_help(&a);
	else if (!a.command && !a.answers_alone)
		code = no_command(&a);
	else
		code = configured(&a);
	args_release(&a);
	return flushed(code);
}
