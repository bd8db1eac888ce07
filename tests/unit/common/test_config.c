/* config: one table, four origins in their order, and sentences that name the place. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/clock.h"
#include "common/config.h"

struct values {
	char *url, *password, *capabilities, *inbox_prefix;
	int64_t slots, offset, body_max, timeout_ns;
	bool bridge, verify;
};
#define AT(member) offsetof(struct values, member)
static const struct config_key nats_keys[] = {
	{"nats.url", CONFIG_STRING, AT(url), "nats://127.0.0.1:4222", "where it is", "NATS_URL"},
	{"nats.password", CONFIG_STRING, AT(password), NULL, "password", "NATS_PASSWORD", 0, 0, true},
	{"nats.inbox_prefix", CONFIG_STRING, AT(inbox_prefix), NULL, "inbox prefix"},
	{0},
};
static const struct config_key own_keys[] = {
	{"slots", CONFIG_INT, AT(slots), "10", "tasks at once", "MAX_TASKS", 1, 512, false, 'n'},
	{"offset", CONFIG_INT, AT(offset), NULL, "may be negative", NULL, -5, 5},
	{"body.max", CONFIG_SIZE, AT(body_max), "1MiB", "largest body"},
	{"task.timeout", CONFIG_DURATION, AT(timeout_ns), "5m", "longest run", NULL, NS_PER_S,
	 3600 * NS_PER_S},
	{"bridge", CONFIG_BOOL, AT(bridge), "false", "serve plain subscribers", NULL, 0, 0, false, 'b'},
	{"verify", CONFIG_BOOL, AT(verify), "true", "verify"},
	{"capabilities", CONFIG_STRING, AT(capabilities), NULL, "comma-separated"},
	{0},
};
static const struct config_key *const tables[] = {nats_keys, own_keys, NULL};
static const struct config_program program = {.name = "millrace-test",
											  .summary = "is a test",
											  .usage = "NAME [options]",
											  .tables = tables,
											  .sections = "handlers,more"};

/* What a row sets: at most a few variables, a file's text, arguments. */
struct given {
	const char *env[5]; /* "NAME=value" */
	const char *file;   /* text; NULL: none */
	const char *args[8];
};

static char file_path[] = "/tmp/millrace-config-XXXXXX";
static struct values values;
static struct config_extra extra;
static struct err error;

static int make_file(void **state)
{
	(void)state;
	int fd = mkstemp(file_path);
	return fd < 0 ? -1 : close(fd);
}

static int remove_file(void **state)
{
	(void)state;
	return unlink(file_path);
}

static int run(const struct given *g)
{
	memset(&values, 0, sizeof(values));
	memset(&extra, 0, sizeof(extra));
	memset(&error, 0, sizeof(error));
	FILE *f = fopen(file_path, "we");
	fputs(g->file ? g->file : "", f);
	fclose(f);
	char self[] = "prog", config[] = "--config";
	char *argv[16] = {self};
	int argc = 1;
	if (g->file) {
		argv[argc++] = config;
		argv[argc++] = file_path;
	}
	for (size_t i = 0; i < ARRAY_LEN(g->args) && g->args[i]; i++)
		argv[argc++] = (char *)(uintptr_t)g->args[i];
	char names[5][64];
	for (size_t i = 0; i < ARRAY_LEN(g->env) && g->env[i]; i++) {
		size_t len = strcspn(g->env[i], "=");
		snprintf(names[i], sizeof(names[i]), "%.*s", (int)len, g->env[i]);
		setenv(names[i], g->env[i] + len + 1, 1);
	}
	int rc = config_load(&program, argc, argv, &values, &extra, &error);
	for (size_t i = 0; i < ARRAY_LEN(g->env) && g->env[i]; i++)
		unsetenv(names[i]);
	return rc;
}

static void done(void)
{
	config_release(&program, &values, &extra);
	assert_null(values.url);
	assert_null(extra.args);
}

static void flags_beat_environment_beats_file_beats_default(void **state)
{
	(void)state;
	static const struct {
		struct given given;
		const char *url;
		int64_t slots;
	} rows[] = {
		{{.file = NULL}, "nats://127.0.0.1:4222", 10},
		{{.file = "nats:\n  url: f\nslots: 2\n"}, "f", 2},
		{{.file = "nats.url: f\nslots: 2\n"}, "f", 2},
		{{.file = "slots: 2\n", .env = {"NATS_URL=e", "MAX_TASKS=3"}}, "e", 3},
		{{.file = "slots: 2\n", .env = {"MAX_TASKS=3"}, .args = {"--slots", "4"}},
		 "nats://127.0.0.1:4222",
		 4},
		{{.env = {"NATS_URL=alias", "MILLRACE_NATS_URL=own"}}, "own", 10},
		{{.env = {"NATS_URL=", "MILLRACE_NATS_URL="}}, "nats://127.0.0.1:4222", 10},
		{{.file = "nats:\n  url:\nslots: ~\n"}, "nats://127.0.0.1:4222", 10},
		{{.file = "nats:\n"}, "nats://127.0.0.1:4222", 10},
		{{.env = {"NATS_URL=e"}, .args = {"--nats-url="}}, "", 10},
		{{.args = {"--slots=1", "--slots=2", "-n", "3"}}, "nats://127.0.0.1:4222", 3},
		/* What lost is not looked at. */
		{{.env = {"MAX_TASKS=x"}, .args = {"-n7"}}, "nats://127.0.0.1:4222", 7},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (run(&rows[i].given))
			fail_msg("row %zu: %s", i, error.text);
		assert_string_equal(values.url, rows[i].url);
		assert_int_equal(values.slots, rows[i].slots);
		done();
	}
}

static void every_type_is_read(void **state)
{
	(void)state;
	static const struct {
		struct given given;
		int64_t body_max, timeout_ms;
		bool bridge, verify;
	} rows[] = {
		{{.file = NULL}, 1048576, 300000, false, true},
		{{.args = {"--body-max", "64k", "--bridge", "--no-verify"}}, 65536, 300000, true, false},
		{{.args = {"--body-max=64kB", "-b", "--verify=off"}}, 64000, 300000, true, false},
		{{.args = {"--body-max=3", "--task-timeout=1m30s"}}, 3, 90000, false, true},
		{{.args = {"--body-max=3B", "--task-timeout", "1500ms"}}, 3, 1500, false, true},
		{{.args = {"--body-max=2GiB", "--no-bridge"}}, 2147483648, 300000, false, true},
		{{.args = {"--body-max=0", "--bridge=YES"}}, 0, 300000, true, true},
		{{.env = {"MILLRACE_BRIDGE=1", "MILLRACE_BODY_MAX=2M"}}, 2097152, 300000, true, true},
		{{.file = "bridge: on\nbody: {max: 1t}\ntask: {timeout: 30}\nverify: false\n"},
		 1099511627776,
		 30000,
		 true,
		 false},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (run(&rows[i].given))
			fail_msg("row %zu: %s", i, error.text);
		assert_int_equal(values.body_max, rows[i].body_max);
		assert_int_equal(values.timeout_ns, rows[i].timeout_ms * NS_PER_MS);
		assert_int_equal(values.bridge, rows[i].bridge);
		assert_int_equal(values.verify, rows[i].verify);
		done();
	}
}

static void what_is_wrong_is_named_with_what_would_be_right(void **state)
{
	(void)state;
	static const struct {
		struct given given;
		const char *words; /* FILE stands for the path */
	} rows[] = {
		{{.args = {"--nats-ulr", "x"}}, "--nats-ulr: no such flag; did you mean --nats-url?"},
		{{.args = {"--nats.url", "x"}}, "--nats.url: no such flag; did you mean --nats-url?"},
		{{.args = {"--shwo-config"}}, "--shwo-config: no such flag; did you mean --show-config?"},
		{{.args = {"--xyzzy"}}, "--xyzzy: no such flag; millrace-test --help lists them"},
		{{.args = {"-x"}}, "-x: no such flag"},
		{{.args = {"-bx"}}, "-bx: no such flag"},
		{{.args = {"--no-slots"}}, "--no-slots: no such flag"},
		{{.args = {"--no-bridge=true"}}, "--no-bridge takes no value"},
		{{.args = {"--help=me"}}, "--help takes no value"},
		{{.args = {"--slots"}}, "--slots needs a value: --slots NUMBER"},
		{{.args = {"-n"}}, "-n needs a value: -n NUMBER"},
		{{.args = {"--config"}}, "--config needs a value: --config FILE"},
		{{.args = {"--config", "/nonexistent"}}, "--config: /nonexistent: No such file"},
		{{.args = {"--slots", "ten"}}, "--slots: \"ten\" is not a whole number"},
		{{.args = {"--slots="}}, "--slots: \"\" is not a whole number"},
		{{.args = {"-n", "0"}}, "-n: must be from 1 to 512"},
		{{.args = {"--slots=99999999999999999999"}}, "is not a whole number"},
		{{.args = {"--offset=-6"}}, "--offset: must be from -5 to 5"},
		{{.args = {"--body-max=-1"}}, "--body-max: must not be negative"},
		{{.args = {"--body-max=1x"}}, "\"1x\" is not a size such as"},
		{{.args = {"--body-max=1kib2"}}, "\"1kib2\" is not a size such as"},
		{{.args = {"--body-max=9223372036854775807k"}}, "is not a size such as"},
		{{.args = {"--task-timeout=soon"}}, "\"soon\" is not a duration such as"},
		{{.args = {"--task-timeout=2h"}}, "--task-timeout: must be from 1s to 1h"},
		{{.args = {"--bridge=maybe"}}, "--bridge: \"maybe\" is not true or false"},
		{{.env = {"MAX_TASKS=x"}}, "MAX_TASKS: \"x\" is not a whole number"},
		{{.env = {"MILLRACE_SLOTS=x", "MAX_TASKS=3"}}, "MILLRACE_SLOTS: \"x\" is not"},
		{{.env = {"NATS_PASSWORD=a", "NATS_PASSWORD_FILE=/b"}},
		 "NATS_PASSWORD and NATS_PASSWORD_FILE are both set"},
		{{.env = {"NATS_PASSWORD_FILE=/nonexistent"}}, "NATS_PASSWORD_FILE: /nonexistent: No such"},
		{{.env = {"NATS_PASSWORD_FILE=/"}}, "NATS_PASSWORD_FILE: /: Is a directory"},
		{{.env = {"MILLRACE_CONFIG=/nonexistent"}}, "MILLRACE_CONFIG: /nonexistent: No such"},
		{{.file = "slots: 3\nnats:\n  ulr: x\n"},
		 "FILE:3: no such key \"nats.ulr\"; did you mean \"nats.url\"?"},
		{{.file = "xyzzy: 1\n"}, "FILE:1: no such key \"xyzzy\"; millrace-test --show-config"},
		{{.file = "nats: {handlers: 1}\n"}, "FILE:1: no such key \"nats.handlers\""},
		{{.file = "handler: 1\n"}, "FILE:1: no such key \"handler\""},
		{{.file = "\nslots: x\n"}, "FILE:2: slots: \"x\" is not a whole number"},
		{{.file = "slots: [1, 2]\n"}, "FILE:1: slots: wants one value"},
		{{.file = "nats:\n  url: {a: b}\n"}, "nats.url: wants one value or a list of words"},
		{{.file = "capabilities: [\"a,b\"]\n"}, "capabilities: wants one value or a list"},
		{{.file = "nats: x\n"}, "FILE:1: \"nats\" wants keys below it"},
		{{.file = "- a\n"}, "FILE:1: the file must be a map of keys"},
		{{.file = "a: [\n"}, "FILE:2: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int rc = run(&rows[i].given);
		CLEANUP(buf_release) struct buf words = {0};
		const char *rest = rows[i].words;
		if (strncmp(rest, "FILE", 4) == 0) {
			buf_add_str(&words, file_path);
			rest += 4;
		}
		buf_add_str(&words, rest);
		if (!rc || !strstr(error.text, words.data))
			fail_msg("row %zu: %d \"%s\" without \"%s\"", i, rc, error.text, words.data);
		assert_int_equal(rc, error.code);
		static const struct values none;
		assert_memory_equal(&values, &none, sizeof(none));
	}
}

static void a_secret_is_in_no_sentence(void **state)
{
	(void)state;
	static const struct config_key keys[] = {
		{"pin", CONFIG_INT, AT(slots), NULL, "a secret number", NULL, 0, 0, true}, {0}};
	static const struct config_key *const secret_tables[] = {keys, NULL};
	static const struct config_program p = {"t", "is a test", NULL, secret_tables, NULL, NULL};
	char *argv[] = {(char[]){"t"}, (char[]){"--pin=hush"}, NULL};
	struct values v = {0};
	struct config_extra x;
	struct err e;
	assert_int_equal(config_load(&p, 2, argv, &v, &x, &e), ERR_INVALID);
	assert_string_equal(e.text, "--pin: that is not a whole number");
}

static void a_variable_may_name_a_file(void **state)
{
	(void)state;
	static const struct {
		const char *content, *password;
	} rows[] = {{"hush\n", "hush"}, {"hush\r\n", "hush"}, {"hush", "hush"},
				{"\n", ""},         {"two\n\n", "two\n"}, {" spaced ", " spaced "}};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char path[] = "/tmp/millrace-secret-XXXXXX", variable[64];
		int fd = mkstemp(path);
		size_t len = strlen(rows[i].content);
		assert_int_equal(write(fd, rows[i].content, len), (ssize_t)len);
		close(fd);
		snprintf(variable, sizeof(variable), "%s=%s",
				 i % 2 ? "NATS_PASSWORD_FILE" : "MILLRACE_NATS_PASSWORD_FILE", path);
		struct given g = {.env = {variable}};
		assert_int_equal(run(&g), 0);
		assert_string_equal(values.password, rows[i].password);
		done();
		unlink(path);
	}
}

static void arguments_stand_between_flags_and_behind_two_dashes(void **state)
{
	(void)state;
	static const struct {
		struct given given;
		const char *args; /* joined by a bar */
	} rows[] = {
		{{.args = {NULL}}, ""},
		{{.args = {"a", "--slots", "3", "b"}}, "a|b"},
		{{.args = {"-", "-b", "c"}}, "-|c"},
		{{.args = {"--", "--slots", "-b", "--"}}, "--slots|-b|--"},
		{{.args = {"--nats-url", "--slots", "x"}}, "x"}, /* a value may look like a flag */
		{{.args = {"a", ""}}, "a|"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (run(&rows[i].given))
			fail_msg("row %zu: %s", i, error.text);
		CLEANUP(buf_release) struct buf joined = {0};
		buf_reserve(&joined, 0);
		for (size_t k = 0; k < extra.nargs; k++)
			buf_printf(&joined, "%s%s", k ? "|" : "", extra.args[k]);
		assert_string_equal(joined.data, rows[i].args);
		done();
	}
}

static void sections_are_left_to_the_program_and_lists_are_joined(void **state)
{
	(void)state;
	struct given g = {.file = "capabilities: [gpu, plugin-x]\nhandlers:\n- type: x\nmore: 1\n",
					  .args = {"--check-config"}};
	assert_int_equal(run(&g), 0);
	assert_string_equal(values.capabilities, "gpu,plugin-x");
	assert_true(extra.check_only);
	assert_false(extra.done);
	assert_string_equal(extra.path, file_path);
	assert_string_equal(doc_get(doc_get(extra.file, "handlers")->child, "type")->scalar, "x");
	done();
}

/* Runs with stdout in a file and returns what was printed. */
static struct buf printed(const struct given *g)
{
	fflush(stdout);
	FILE *f = tmpfile();
	int real = dup(STDOUT_FILENO);
	dup2(fileno(f), STDOUT_FILENO);
	int rc = run(g);
	dup2(real, STDOUT_FILENO);
	close(real);
	assert_int_equal(rc, 0);
	assert_true(extra.done);
	struct buf out = {0};
	rewind(f);
	char chunk[4096];
	for (size_t n; (n = fread(chunk, 1, sizeof(chunk), f)) > 0;)
		buf_add(&out, chunk, n);
	fclose(f);
	done();
	return out;
}

static void show_config_is_yaml_that_loads_the_same(void **state)
{
	(void)state;
	struct given g = {.file = "nats: {password: hush}\nhandlers: []\n",
					  .env = {"NATS_URL=nats://bob:pw@h:1,tls://tok@i", "MAX_TASKS=3"},
					  .args = {"--show-config", "--bridge", "--capabilities=a\"b\\\n#"}};
	CLEANUP(buf_release) struct buf out = printed(&g);
	static const char *const lines[] = {
		"  url: \"nats://********@h:1,tls://********@i\"  # NATS_URL\n",
		"  password: \"********\"  # /tmp/millrace-config-",
		"slots: 3  # MAX_TASKS\n",
		"bridge: true  # --bridge\n",
		"verify: true  # default\n",
		"  timeout: 5m  # default\n",
		"  # inbox_prefix:  # unset\n",
		"# handlers: see /tmp/millrace-config-",
	};
	for (size_t i = 0; i < ARRAY_LEN(lines); i++) {
		if (!strstr(out.data, lines[i]))
			fail_msg("no %s in\n%s", lines[i], out.data);
	}
	assert_null(strstr(out.data, "hush"));
	assert_null(strstr(out.data, "pw"));
	assert_null(strstr(out.data, "tok"));
	struct given again = {.file = out.data};
	if (run(&again))
		fail_msg("%s in\n%s", error.text, out.data);
	assert_int_equal(values.slots, 3);
	assert_true(values.bridge);
	assert_string_equal(values.capabilities, "a\"b\\\n#");
	done();
}

static void help_tells_every_flag_its_default_and_its_variables(void **state)
{
	(void)state;
	struct given g = {.args = {"--help", "--nonsense"}};
	CLEANUP(buf_release) struct buf out = printed(&g);
	static const char *const parts[] = {
		"millrace-test: is a test\n",
		"Usage: millrace-test NAME [options]\n",
		"\nnats:\n",
		"      --nats-url TEXT",
		"[default nats://127.0.0.1:4222; env NATS_URL,\n",
		"  -n, --slots NUMBER",
		"[default 10; env MAX_TASKS, MILLRACE_SLOTS]",
		"  -b, --bridge ",
		"      --[no-]verify ",
		"      --body-max SIZE",
		"      --task-timeout DURATION",
		"      --config FILE",
		"      --show-config",
	};
	for (size_t i = 0; i < ARRAY_LEN(parts); i++) {
		if (!strstr(out.data, parts[i]))
			fail_msg("no %s in\n%s", parts[i], out.data);
	}
	for (const char *line = out.data; *line; line += strcspn(line, "\n") + 1)
		assert_true(strcspn(line, "\n") <= 100);
}

static void version_is_name_and_number(void **state)
{
	(void)state;
	struct given g = {.args = {"--version"}};
	CLEANUP(buf_release) struct buf out = printed(&g);
	assert_string_equal(out.data, "millrace-test " MILLRACE_VERSION "\n");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(flags_beat_environment_beats_file_beats_default),
		cmocka_unit_test(every_type_is_read),
		cmocka_unit_test(what_is_wrong_is_named_with_what_would_be_right),
		cmocka_unit_test(a_secret_is_in_no_sentence),
		cmocka_unit_test(a_variable_may_name_a_file),
		cmocka_unit_test(arguments_stand_between_flags_and_behind_two_dashes),
		cmocka_unit_test(sections_are_left_to_the_program_and_lists_are_joined),
		cmocka_unit_test(show_config_is_yaml_that_loads_the_same),
		cmocka_unit_test(help_tells_every_flag_its_default_and_its_variables),
		cmocka_unit_test(version_is_name_and_number),
	};
	static const char *const inherited[] = {"NATS_URL", "NATS_PASSWORD", "MILLRACE_CONFIG",
											"MAX_TASKS"};
	for (size_t i = 0; i < ARRAY_LEN(inherited); i++)
		unsetenv(inherited[i]);
	return cmocka_run_group_tests(tests, make_file, remove_file);
}
