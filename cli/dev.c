/*
 * `millrace dev`: the commands around the supervisor of dev_system.c. In the
 * foreground it is this process; with --detach it is a copy of this program
 * in a session of its own, and this one waits until it says it is ready.
 * The others read the record that the supervisor keeps.
 */
#include "cli/cli.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_broker.h"
#include "cli/dev_child.h"
#include "cli/dev_files.h"
#include "cli/dev_load.h"
#include "common/proc.h"
#include "cli/dev_record.h"
#include "cli/dev_system.h"

#define STOP_TIMEOUT_MS 180000
#define TELL_TIMEOUT_MS 90000 /* PostgreSQL may take 60 s to end */

static const char *dir_of(const struct cli *c)
{
	const char *dir = cli_value(c, "dir");

	return dir ? dir : ".run";
}

/* What --gateway-arg gave, in order; owned, its words borrowed. NULL: nothing. */
static const char **gateway_words(const struct cli *c)
{
	const char **words = NULL;
	size_t n = 0;

	for (const char *word; (word = cli_value_nth(c, "gateway-arg", n)); n++) {
		words = xreallocarray(words, n + 2, sizeof(*words));
		words[n] = word;
		words[n + 1] = NULL;
	}
	return words;
}

static int read_options(const struct cli *c, struct dev_options *ret, struct err *e)
{
	int64_t nodes = 2, slots = 0, load = 0, max_nodes = 8, http_port = -1;

	if (cli_number(c, "nodes", 0, 1000, &nodes, e) != 0 ||
	    cli_number(c, "slots", 1, 10000, &slots, e) != 0 ||
	    cli_number(c, "load", 1, 100000, &load, e) != 0 ||
	    cli_number(c, "max-nodes", 1, 1000, &max_nodes, e) != 0 ||
	    cli_number(c, "http-port", 0, 65535, &http_port, e) != 0)
		return e->code;
	if (cli_has(c, "no-gateway") && (cli_has(c, "http-port") || cli_has(c, "gateway-arg")))
		return err_set(e, ERR_INVALID, "--no-gateway goes with neither --http-port nor --gateway-arg");
	*ret = (struct dev_options){
		.dir = dir_of(c),
		.nodes = (unsigned)nodes,
		.slots = (unsigned)slots,
		.handlers = cli_value(c, "handlers"),
		.bridge = !cli_has(c, "no-bridge"),
		.scaler = !cli_has(c, "no-scaler"),
		.max_nodes = (unsigned)MAX_OF(max_nodes, nodes),
		.scaler_config = cli_value(c, "scaler-config"),
		.gateway = !cli_has(c, "no-gateway"),
		.http_port = (int)http_port,
		.gateway_words = gateway_words(c),
		.load_per_s = (unsigned)load,
	};
	return 0;
}

/* The argv of the supervisor that --detach starts: what we were told, in full. */
static char **supervisor_argv(const struct dev_options *o)
{
	CLEANUP(free_ptr) char *self = proc_sibling("millrace");
	CLEANUP(free_ptr) char *nodes = xasprintf("%u", o->nodes);
	CLEANUP(free_ptr) char *slots = xasprintf("%u", o->slots);
	CLEANUP(free_ptr) char *load = xasprintf("%u", o->load_per_s);
	CLEANUP(free_ptr) char *max_nodes = xasprintf("%u", o->max_nodes);
	CLEANUP(free_ptr) char *http_port = xasprintf("%d", o->http_port);
	char **argv = argv_make(self, "dev", "--dir", o->dir, "--nodes", nodes, NULL);

	if (!o->bridge)
		argv_add(&argv, "--no-bridge");
	if (!o->scaler)
		argv_add(&argv, "--no-scaler");
	argv_add(&argv, "--max-nodes");
	argv_add(&argv, max_nodes);
	if (o->scaler_config) {
		argv_add(&argv, "--scaler-config");
		argv_add(&argv, o->scaler_config);
	}
	if (o->slots > 0) {
		argv_add(&argv, "--slots");
		argv_add(&argv, slots);
	}
	if (o->load_per_s > 0) {
		argv_add(&argv, "--load");
		argv_add(&argv, load);
	}
	if (!o->gateway)
		argv_add(&argv, "--no-gateway");
	if (o->http_port >= 0) {
		argv_add(&argv, "--http-port");
		argv_add(&argv, http_port);
	}
	for (size_t i = 0; o->gateway_words && o->gateway_words[i]; i++) {
		argv_add(&argv, "--gateway-arg");
		argv_add(&argv, o->gateway_words[i]);
	}
	if (o->handlers) {
		argv_add(&argv, "--handlers");
		argv_add(&argv, o->handlers);
	}
	return argv;
}

static int show(struct cli *c, const char *dir, bool hints)
{
	json_t *record;
	struct err e = {0};

	if (record_load(dir, &record, &e) != 0)
		return cli_fail(c, &e);
	if (c->config.json) {
		cli_print_json(record);
	} else {
		record_print(record, c->color);
		if (hints)
			printf("\nUse it:   eval \"$(millrace dev env --dir %s)\"\n"
			       "End it:   millrace dev stop --dir %s\n",
			       dir, dir);
	}
	json_decref(record);
	return EXIT_OK;
}

static int detach(struct cli *c, const struct dev_options *o)
{
	CLEANUP(argv_free) char **argv = supervisor_argv(o);
	CLEANUP(free_ptr) char *dir = NULL, *log_path = NULL, *socket_env = NULL;
	struct notify n = {.fd = -1};
	struct err e = {0};
	pid_t pid;
	int rc;

	if (files_open_dir(o->dir, &dir, &e) != 0)
		return cli_fail(c, &e);
	if (files_locked(dir)) {
		cli_say(c, "dev: a system runs in %s already:", dir);
		show(c, dir, false);
		return EXIT_FAILED;
	}
	if (notify_open(&n, &e) != 0)
		return cli_fail(c, &e);
	log_path = xasprintf("%s/log/dev.log", dir);
	socket_env = xasprintf("NOTIFY_SOCKET=%s", n.name);
	files_rotate(log_path);

	const char *env[] = {socket_env, NULL};
	struct proc_spec spec = {
		.argv = (const char *const *)argv, .env = env, .log_path = log_path, .death_signal = 0};

	cli_catch_signals(c);
	rc = proc_spawn(&spec, &pid, &e);
	if (rc == 0)
		rc = dev_child_await(c, &n, pid, log_path, &e);
	if (rc == ERR_CLOSED)
		dev_child_end(c, pid);
	notify_close(&n);
	if (rc != 0)
		return cli_fail(c, &e);
	return show(c, dir, true);
}

static int dev_run(struct cli *c, int argc, char **argv)
{
	struct dev_options o;
	struct err e = {0};
	int code;

	(void)argc;
	(void)argv;
	if (read_options(c, &o, &e) != 0)
		return cli_fail(c, &e);
	code = cli_has(c, "detach") ? detach(c, &o) : dev_system_run(c, &o);
	free(o.gateway_words);
	return code;
}

static int dev_status(struct cli *c, int argc, char **argv)
{
	(void)argc;
	(void)argv;
	return show(c, dir_of(c), false);
}

/* In single quotes, fit for any shell. */
static void print_export(const char *name, const json_t *value)
{
	const char *s = json_string_value(value);

	printf("export %s='", name);
	for (; s && *s; s++) {
		if (*s == '\'')
			fputs("'\\''", stdout);
		else
			putchar(*s);
	}
	puts("'");
}

static int dev_env(struct cli *c, int argc, char **argv)
{
	json_t *record;
	struct err e = {0};

	(void)argc;
	(void)argv;
	if (record_load(dir_of(c), &record, &e) != 0)
		return cli_fail(c, &e);
	print_export("NATS_URL", json_object_get(record, "nats_url"));
	print_export("DATABASE_URL", json_object_get(record, "database_url"));
	print_export("MILLRACE_HTTP", json_object_get(record, "http_url"));
	json_decref(record);
	return EXIT_OK;
}

/* The state of a component and where its supervisor listens; both owned. */
static int look_up(const char *dir, const char *name, char **ret_state, char **ret_control,
				   struct err *e)
{
	const json_t *component;
	const char *state = NULL;
	json_t *record;
	size_t i;
	int rc = record_load(dir, &record, e);

	if (rc != 0)
		return rc;
	json_array_foreach(json_object_get(record, "components"), i, component)
	{
		const char *its = json_string_value(json_object_get(component, "name"));

		if (its && str_eq(its, name))
			state = json_string_value(json_object_get(component, "state"));
	}
	if (!state) {
		rc = err_set(e, ERR_NOT_FOUND, "no component '%s' in %s (dev status lists them)", name, dir);
	} else if (!json_is_true(json_object_get(record, "ready"))) {
		rc = err_set(e, ERR_CONFLICT, "the system in %s is starting or stopping as a whole", dir);
	} else {
		*ret_state = xstrdup(state);
		*ret_control = xstrdup(json_string_value(json_object_get(record, "control")));
	}
	json_decref(record);
	return rc;
}

/* Tells the supervisor again until it is so: a component that is only ending cannot be started yet. */
static int tell(struct cli *c, const char *verb, const char *name, const char *want)
{
	CLEANUP(free_ptr) char *text = xasprintf("MILLRACE=%s %s", verb, name);
	int64_t until_ms = clock_mono_ms() + TELL_TIMEOUT_MS;
	const char *dir = dir_of(c);
	bool never = false;

	for (;;) {
		CLEANUP(free_ptr) char *state = NULL, *control = NULL;
		struct err e = {0};

		if (look_up(dir, name, &state, &control, &e) != 0)
			return cli_fail(c, &e);
		if (str_eq(state, want))
			return EXIT_OK;
		if (clock_mono_ms() > until_ms) {
			err_set(&e, ERR_TIMEOUT, "%s is still %s; its log is %s/log/%s.log", name, state, dir,
					name);
			return cli_fail(c, &e);
		}
		if (notify_send(control, text, &e) != 0 || cli_wait(c, &never, 50, &e) == ERR_CLOSED)
			return cli_fail(c, &e);
	}
}

static int stop_all(struct cli *c, const char *dir)
{
	int64_t until_ms = clock_mono_ms() + STOP_TIMEOUT_MS;
	struct err e = {0};
	bool never = false;
	pid_t told = 0;

	if (!files_locked(dir)) {
		cli_say(c, "dev: nothing runs in %s", dir);
		return EXIT_OK;
	}
	/* It may be the holder's first moment, and then it is told in the next look. */
	while (files_locked(dir)) {
		pid_t pid = files_lock_holder(dir);

		if (pid > 1 && pid != told && kill(pid, SIGTERM) != 0 && errno != ESRCH) {
			err_set(&e, ERR_DENIED, "cannot end the supervisor (pid %d): %s", (int)pid,
					strerror(errno));
			return cli_fail(c, &e);
		}
		told = pid;
		if (clock_mono_ms() > until_ms) {
			err_set(&e, ERR_TIMEOUT, "the supervisor (pid %d) did not end in time", (int)pid);
			return cli_fail(c, &e);
		}
		if (cli_wait(c, &never, 20, &e) == ERR_CLOSED)
			return cli_fail(c, &e);
	}
	return EXIT_OK;
}

static int dev_stop(struct cli *c, int argc, char **argv)
{
	if (argc > 0)
		return tell(c, cli_has(c, "kill") ? "kill" : "stop", argv[0], "stopped");
	return stop_all(c, dir_of(c));
}

static int dev_start(struct cli *c, int argc, char **argv)
{
	(void)argc;
	return tell(c, "start", argv[0], "ready");
}

/* Holding the lock: nobody may start among what is being removed. */
static int remove_data(const char *dir, struct err *e)
{
	/* What `dev` makes, by name: the directory may hold more (bin/). The lock goes last. */
	static const char *const parts[] = {"nats", "pg",         "pg.new",   "pg.password",
										"log",  "ports.json", "dev.json", "scaler",
										"scaler.yaml", "lock"};
	int lock_fd = -1;

	if (files_lock(dir, &lock_fd, e) != 0)
		return e->code;
	record_end_leftovers(dir);
	for (size_t i = 0; i < ARRAY_LEN(parts) && e->code == 0; i++) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, parts[i]);

		(void)!files_remove_tree(path, e);
	}
	close(lock_fd);
	return e->code;
}

static int dev_purge(struct cli *c, int argc, char **argv)
{
	const char *dir = dir_of(c);
	struct err e = {0};
	int code;

	(void)argc;
	(void)argv;
	if (!files_lock_exists(dir)) {
		cli_say(c, "dev: no system was ever in %s; nothing is removed", dir);
		return EXIT_OK;
	}
	code = files_locked(dir) ? stop_all(c, dir) : EXIT_OK;
	if (code != EXIT_OK)
		return code;
	if (remove_data(dir, &e) != 0)
		return cli_fail(c, &e);
	/* Gone too where nothing else is in it. */
	if (rmdir(dir) != 0)
		cli_say(c, "dev: all data in %s is removed; what else is there stays", dir);
	return EXIT_OK;
}

static const struct cli_flag dir_flags[] = {
	{.name = "dir", .value = "D", .help = "the system's directory (default .run)"},
	{0},
};

static const struct cli_flag stop_flags[] = {
	{.name = "dir", .value = "D", .help = "the system's directory (default .run)"},
	{.name = "kill", .help = "end COMPONENT with SIGKILL"},
	{0},
};

static const struct cli_flag run_flags[] = {
	{.name = "dir", .value = "D", .help = "where everything is kept (default .run)"},
	{.name = "nodes", .value = "N", .help = "nodes, named node-1 and on (default 2)"},
	{.name = "slots", .value = "N", .help = "tasks that each node runs at once (default: the node's, 10)"},
	{.name = "handlers", .value = "FILE", .help = "handlers of the nodes, beside the built-in ones"},
	{.name = "max-nodes", .value = "N", .help = "as many as the scaler may make of them when there is much to do (default 8)"},
	{.name = "scaler-config", .value = "FILE", .help = "the scaler's configuration, for pools of your own"},
	{.name = "no-scaler", .help = "without the scaler: the nodes stay as many as they are"},
	{.name = "no-bridge", .help = "without the node that serves plain NATS subscribers"},
	{.name = "http-port", .value = "P", .help = "where the gateway listens on 127.0.0.1 (default 8080, another where that is taken; 0: any free one)"},
	{.name = "gateway-arg", .value = "WORD", .help = "a word more for the gateway's command line; may be repeated"},
	{.name = "no-gateway", .help = "without the gateway: no HTTP, no dashboard"},
	{.name = "load", .value = "R", .help = "submit R tasks a second, of echo, hash and stats"},
	{.name = "detach", .help = "go on in the background; returns when all is ready"},
	{0},
};

const struct cli_command commands_dev[] = {
	{.name = "dev",
	 .usage =
		 "[--dir D] [--nodes N] [--slots N] [--handlers FILE] [--max-nodes N] [--http-port P] [--load R] [--detach]",
	 .help = "the whole system on this machine, in one directory",
	 .text = "Starts a private broker and PostgreSQL on free ports, declares what they need, and "
			 "runs router, store,\n"
			 "nodes, scaler and gateway (the dashboard, on http://127.0.0.1:8080 where that port is free). "
			 "What ends by\n"
			 "itself is started again. Logs are in DIR/log. Ctrl-C ends everything in order.\n"
			 "\n"
			 "  millrace dev --detach; eval \"$(millrace dev env)\"; curl -s \"$MILLRACE_HTTP/health\"\n"
			 "  millrace dev --http-port 9000 --gateway-arg=--config --gateway-arg=gateway.yaml\n",
	 .flags = run_flags,
	 .run = dev_run},
	{.name = "dev status",
	 .usage = "[--dir D]",
	 .help = "what runs there",
	 .flags = dir_flags,
	 .run = dev_status},
	{.name = "dev env",
	 .usage = "[--dir D]",
	 .help = "export lines for the shell: eval \"$(millrace dev env)\"",
	 .flags = dir_flags,
	 .run = dev_env},
	{.name = "dev stop",
	 .usage = "[--dir D] [COMPONENT [--kill]]",
	 .help = "end the system in order, or one component until dev start; returns when it has ended",
	 .flags = stop_flags,
	 .max_args = 1,
	 .run = dev_stop},
	{.name = "dev start",
	 .usage = "[--dir D] COMPONENT",
	 .help = "start a component that dev stop ended",
	 .flags = dir_flags,
	 .min_args = 1,
	 .max_args = 1,
	 .run = dev_start},
	{.name = "dev purge",
	 .usage = "[--dir D]",
	 .help = "end the system and remove its data",
	 .flags = dir_flags,
	 .run = dev_purge},
	{.name = "dev load",
	 .usage = "R",
	 .help = "submit R tasks a second until Ctrl-C (what dev --load runs)",
	 .min_args = 1,
	 .max_args = 1,
	 .run = dev_load},
	{0},
};
