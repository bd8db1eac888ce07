/* Commands: ends are told in a sentence, deadlines hold, a service that it starts is left alone. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "scaler/command.h"

static uv_loop_t loop;
static bool ended;
static struct err why;

static void on_end(void *data, const struct err *e)
{
	(void)data;
	ended = true;
	why = e ? *e : (struct err){0};
}

/* Runs `sh -c script` to its end. */
static int run(const char *script, const char *input, int64_t timeout_ms)
{
	char *argv[] = {(char[]){"/bin/sh"}, (char[]){"-c"}, (char *)(uintptr_t)script, NULL};
	const struct command_spec s = {
		.argv = argv, .input = input, .log_path = "/dev/null", .timeout_ms = timeout_ms};
	struct command *c;
	struct err e;

	ended = false;
	assert_int_equal(command_start(&loop, &s, on_end, NULL, &c, &e), 0);
	assert_false(ended);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(ended);
	return why.code;
}

static void its_end_is_told(void **state)
{
	(void)state;
	assert_int_equal(run("exit 0", NULL, 10000), 0);
	assert_int_equal(run("exit 3", NULL, 10000), ERR_FAILED);
	assert_non_null(strstr(why.text, "exit status 3"));
	assert_int_equal(run("kill -9 $$", NULL, 10000), ERR_FAILED);
	assert_non_null(strstr(why.text, "signal 9"));
	assert_int_equal(run("read x; test \"$x\" = '{\"id\":\"1\"}'", "{\"id\":\"1\"}\n", 10000), 0);
}

static void one_that_hangs_is_ended_with_its_children(void **state)
{
	(void)state;
	uint64_t begin = uv_hrtime();
	assert_int_equal(run("sleep 100 & wait", NULL, 200), ERR_TIMEOUT);
	assert_int_equal(run("trap '' TERM; while :; do sleep 100; done", NULL, 200), ERR_TIMEOUT);
	assert_true(uv_hrtime() - begin < 20ull * 1000 * 1000 * 1000);
}

static void what_it_leaves_behind_goes_on(void **state)
{
	(void)state;
	char path[] = "/tmp/heal-command-XXXXXX", script[128], pid[32] = "";
	int fd = mkstemp(path);
	snprintf(script, sizeof(script), "sleep 100 >/dev/null 2>&1 & echo $! > %s", path);
	assert_int_equal(run(script, NULL, 10000), 0);
	assert_true(pread(fd, pid, sizeof(pid) - 1, 0) > 0);
	pid_t service = (pid_t)strtol(pid, NULL, 10);
	assert_true(service > 1 && kill(service, 0) == 0);
	kill(service, SIGKILL);
	close(fd);
	unlink(path);
}

static void what_is_no_program_is_told_at_once(void **state)
{
	(void)state;
	char *argv[] = {(char[]){"/nonexistent/program"}, NULL};
	const struct command_spec s = {.argv = argv, .timeout_ms = 1000};
	struct command *c = NULL;
	struct err e;
	assert_int_equal(command_start(&loop, &s, on_end, NULL, &c, &e), ERR_IO);
	assert_non_null(strstr(e.text, "/nonexistent/program"));
}

static void one_that_is_left_says_nothing(void **state)
{
	(void)state;
	char *argv[] = {(char[]){"/bin/sleep"}, (char[]){"0.05"}, NULL};
	const struct command_spec s = {.argv = argv, .timeout_ms = 10000};
	struct command *c = NULL;
	struct err e;
	ended = false;
	assert_int_equal(command_start(&loop, &s, on_end, NULL, &c, &e), 0);
	command_leave(&c);
	assert_null(c);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_false(ended);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(its_end_is_told),
		cmocka_unit_test(one_that_hangs_is_ended_with_its_children),
		cmocka_unit_test(what_it_leaves_behind_goes_on),
		cmocka_unit_test(what_is_no_program_is_told_at_once),
		cmocka_unit_test(one_that_is_left_says_nothing),
	};
	uv_loop_init(&loop);
	int rc = cmocka_run_group_tests(tests, NULL, NULL);
	uv_loop_close(&loop);
	return rc;
}
