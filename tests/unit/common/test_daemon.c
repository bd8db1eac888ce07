/* daemon: drains at the first signal, ends at the second or at the deadline, tells systemd. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <signal.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/daemon.h"

static struct daemon d;
static int stops;

static void drain_at_once(void *data)
{
	(void)data;
	stops++;
	daemon_stopped(&d);
}

static void drain_never(void *data)
{
	(void)data;
	stops++;
}

static void raise_again(void *data)
{
	(void)data;
	raise(SIGINT);
}

static int run_with(void (*on_stop)(void *data), int64_t drain_ns)
{
	char level[] = "error";
	const struct daemon_config c = {.log_level = level, .drain_timeout_ns = drain_ns};
	stops = 0;
	assert_int_equal(daemon_init(&d, "test", &c, on_stop, NULL, NULL), 0);
	daemon_ready(&d);
	daemon_ready(&d);
	raise(SIGTERM); /* the loop hears of it when it runs */
	int code = daemon_run(&d);
	daemon_release(&d);
	return code;
}

static void the_first_signal_drains_and_ends_well(void **state)
{
	(void)state;
	assert_int_equal(run_with(drain_at_once, 60 * NS_PER_S), 0);
	assert_int_equal(stops, 1);
	assert_int_equal(run_with(NULL, 60 * NS_PER_S), 0);
}

static void the_deadline_cuts_a_drain_that_hangs(void **state)
{
	(void)state;
	assert_int_equal(run_with(drain_never, 50 * NS_PER_MS), 1);
	assert_int_equal(stops, 1);
	assert_int_equal(run_with(drain_never, 0), 1);
}

static void the_second_signal_ends_the_process(void **state)
{
	(void)state;
	fflush(NULL);
	pid_t pid = fork();
	if (pid == 0) {
		run_with(raise_again, 60 * NS_PER_S);
		_exit(0);
	}
	int status = 0;
	assert_int_equal(waitpid(pid, &status, 0), pid);
	assert_true(WIFEXITED(status));
	assert_int_equal(WEXITSTATUS(status), 128 + SIGINT);
}

static void systemd_is_told_once_each(void **state)
{
	(void)state;
	struct sockaddr_un a = {.sun_family = AF_UNIX};
	snprintf(a.sun_path + 1, sizeof(a.sun_path) - 1, "millrace-test-%d", getpid());
	socklen_t len =
		(socklen_t)(offsetof(struct sockaddr_un, sun_path) + 1 + strlen(a.sun_path + 1));
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_NONBLOCK | SOCK_CLOEXEC, 0);
	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	char name[sizeof(a.sun_path)];
	snprintf(name, sizeof(name), "@%s", a.sun_path + 1);
	setenv("NOTIFY_SOCKET", name, 1);
	run_with(drain_at_once, 60 * NS_PER_S);
	unsetenv("NOTIFY_SOCKET");
	static const char *const states[] = {"READY=1", "STOPPING=1"};
	char got[64];
	for (size_t i = 0; i < ARRAY_LEN(states); i++) {
		ssize_t n = recv(fd, got, sizeof(got), 0);
		assert_int_equal(n, (ssize_t)strlen(states[i]));
		assert_memory_equal(got, states[i], (size_t)n);
	}
	assert_int_equal(recv(fd, got, sizeof(got), 0), -1);
	close(fd);
}

static void wrong_log_settings_are_refused(void **state)
{
	(void)state;
	char bad[] = "loud";
	struct err e;
	struct daemon_config c = {.log_level = bad};
	assert_int_equal(daemon_init(&d, "test", &c, NULL, NULL, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "log.level: \"loud\""));
	c = (struct daemon_config){.log_format = bad};
	assert_int_equal(daemon_init(&d, "test", &c, NULL, NULL, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "log.format: \"loud\""));
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_first_signal_drains_and_ends_well),
		cmocka_unit_test(the_deadline_cuts_a_drain_that_hangs),
		cmocka_unit_test(the_second_signal_ends_the_process),
		cmocka_unit_test(systemd_is_told_once_each),
		cmocka_unit_test(wrong_log_settings_are_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
