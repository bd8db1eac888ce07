/* Foreign programs, real ones: how they end, what they may use, and that nothing of them is left. */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/wait.h>

#include "rig.h"

/* Handlers whose command is `sh -c BODY`. */
#define SHELL(more)                                                                               \
	"- type: sh\n"                                                                                 \
	"  kind: exec\n"                                                                               \
	"  command: [sh, '{file}']\n"                                                                  \
	"  input: file\n" more
#define QUICK_LIMITS "  limits: {grace: 300ms, processes: 20}\n"

static bool alive(long pid)
{
	return kill((pid_t)pid, 0) == 0 || errno != ESRCH;
}

static bool gone_within(long pid, int64_t ms)
{
	int64_t until = clock_mono_ms() + ms;
	while (alive(pid) && clock_mono_ms() < until) {
		usleep(5000);
	}
	return !alive(pid);
}

static void check(const struct rig_run *run, enum handler_outcome outcome, const char *words, bool permanent)
{
	const char *got = run->outcome == RESULT_OK ? run->data : run->error;
	if (run->outcome != outcome || strstr(got, words) == NULL || run->permanent != permanent)
		fail_msg("outcome %d permanent %d: %s; want %s", run->outcome, run->permanent, got, words);
}

static void a_program_says_when_to_try_again(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		int64_t after_ns;
		bool permanent;
	} t[] = {
		{"exit 75", 0, false},
		{"echo 'Retry-After: 30s' >&2; exit 75", 30 * NS_PER_S, false},
		{"echo busy >&2; echo 'retry-after:90' >&2; echo >&2; exit 1", 90 * NS_PER_S, false},
		{"echo 'Retry-After: 1m30s' >&2; exit 75", 90 * NS_PER_S, false},
		{"echo no such customer >&2; echo 'Retry-After: never' >&2; exit 3", 0, true},
		/* Only as the last word, and only as the whole line. */
		{"echo 'Retry-After: 30s' >&2; echo but >&2; exit 75", 0, false},
		{"echo '< Retry-After: 30s' >&2; exit 75", 0, false},
		{"echo 'Retry-After: soon' >&2; exit 75", 0, false},
		{"echo 'Retry-After: 30s'; exit 75", 0, false},
		/* Not of one that was killed. */
		{"echo 'Retry-After: never' >&2; kill -SEGV $$", 0, false},
	};
	struct rig r;
	rig_open(&r, SHELL(""));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig_run *run = rig_do(&r, "sh", t[i].script);
		if (run->outcome != RESULT_FAILED || run->permanent != t[i].permanent ||
		    run->retry_after_ns != t[i].after_ns)
			fail_msg("%s: outcome %d permanent %d after %lld ns: %s", t[i].script, run->outcome, run->permanent,
			         (long long)run->retry_after_ns, run->error);
		rig_free(run);
	}
	rig_close(&r);
}

static void exit_codes_are_outcomes(void **state)
{
	(void)state;
	static const struct {
		const char *script;
		enum handler_outcome outcome;
		const char *words;
		bool permanent;
		const char *reason;
	} t[] = {
		{"echo hello", RESULT_OK, "hello\n", false, ""},
		{"exit 0", RESULT_OK, "", false, ""},
		{"exit 75", RESULT_FAILED, "ended with exit code 75", false, ""},
		{"echo so; echo first >&2; echo then >&2; exit 3", RESULT_FAILED, "exit code 3: first; then", false, ""},
		{"exit 64", RESULT_FAILED, "exit code 64", true, ""},
		{"exit 127", RESULT_FAILED, "exit code 127", false, ""},
		{"kill -SEGV $$", RESULT_FAILED, "signal 11", false, "crash"},
		{"echo x > /dev/stderr; cat /dev/stdin; exit 5", RESULT_FAILED, "exit code 5: x", false, ""},
		{"yes | head -n 1", RESULT_OK, "y\n", false, ""},
	};
	struct rig r;
	rig_open(&r, SHELL("  permanent: [64, 65]\n"));
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig_run *run = rig_do(&r, "sh", t[i].script);
		check(run, t[i].outcome, t[i].words, t[i].permanent);
		assert_string_equal(run->reason, t[i].reason);
		rig_free(run);
	}
	rig_close(&r);
}

static void the_body_is_stdin_and_stdout_the_result(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: words, kind: exec, command: [wc, -w], content_type: text/plain}\n"
	             "- {type: cat, kind: exec, command: [cat]}\n");
	struct rig_run *run = rig_do(&r, "words", "three little words");
	assert_int_equal(strtol(run->data, NULL, 10), 3);
	assert_string_equal(run->content_type, "text/plain");
	rig_free(run);

	size_t len = 1 << 20;
	CLEANUP(free_ptr) char *body = xmalloc(len);
	for (size_t i = 0; i < len; i++) {
		body[i] = (char)(i * 7 + i / 251);
	}
	run = rig_start(&r, "cat", body, len);
	rig_wait(&r, run);
	assert_int_equal(run->outcome, RESULT_OK);
	assert_int_equal(run->len, len);
	assert_memory_equal(run->data, body, len);
	rig_free(run);
	rig_close(&r);
}

static void a_program_need_not_read_its_stdin(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: deaf, kind: exec, command: [sh, -c, 'exec <&-; echo deaf; sleep 0.05']}\n");
	size_t len = 1 << 20;
	CLEANUP(free_ptr) char *body = xcalloc(1, len);
	struct rig_run *run = rig_start(&r, "deaf", body, len);
	rig_wait(&r, run);
	check(run, RESULT_OK, "deaf", false);
	rig_free(run);
	rig_close(&r);
}

static void a_missing_program_fails_for_good_by_name(void **state)
{
	(void)state;
	static const struct {
		const char *command, *words;
	} t[] = {
		{"[no-such-program-7]", "no-such-program-7 cannot be run: No such file"},
		{"[/nowhere/at/all]", "/nowhere/at/all cannot be run: No such file"},
		{"[/etc/passwd]", "/etc/passwd cannot be run: Permission denied"},
		{"[/etc]", "/etc cannot be run: Permission denied"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char yaml[200];
		struct rig r;
		snprintf(yaml, sizeof yaml, "- {type: x, kind: exec, command: %s}\n", t[i].command);
		rig_open(&r, yaml);
		struct rig_run *run = rig_do(&r, "x", "body");
		check(run, RESULT_FAILED, t[i].words, true);
		rig_free(run);
		rig_close(&r);
	}
}

static void a_cancelled_program_gets_term_first(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, SHELL(QUICK_LIMITS));
	struct rig_run *run =
		rig_start_text(&r, "sh", "trap 'echo told >&2; exit 9' TERM; while :; do sleep 0.02; done");
	rig_cancel_in(&r, run, 400);
	rig_wait(&r, run);
	check(run, RESULT_FAILED, "told", false);
	rig_free(run);
	rig_close(&r);
}

static void a_program_that_ignores_term_is_killed(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, SHELL(QUICK_LIMITS));
	int64_t began = clock_mono_ms();
	struct rig_run *run = rig_start_text(&r, "sh", "trap '' TERM; while :; do sleep 0.02; done");
	rig_cancel_in(&r, run, 300);
	rig_wait(&r, run);
	check(run, RESULT_FAILED, "signal 9", false);
	assert_in_range(clock_mono_ms() - began, 590, 5000);
	rig_free(run);
	rig_close(&r);
}

static void too_much_output_ends_it_and_costs_little(void **state)
{
	(void)state;
	struct rusage before, after;
	struct rig r;
	rig_open(&r, SHELL(""));
	getrusage(RUSAGE_SELF, &before);
	struct rig_run *run = rig_do(&r, "sh", "head -c 67108864 /dev/zero; echo done >&2");
	check(run, RESULT_FAILED, "wrote more than 1048576 bytes", true);
	rig_free(run);
	run = rig_do(&r, "sh", "head -c 67108864 /dev/zero | tr '\\0' x >&2; echo fine");
	check(run, RESULT_OK, "fine", false);
	rig_free(run);
	getrusage(RUSAGE_SELF, &after);
	assert_in_range(after.ru_maxrss - before.ru_maxrss, 0, 30 * 1024);
	rig_close(&r);
}

/* Reads a pid that a script wrote. */
static long pid_in(const char *path)
{
	char text[32] = {0};
	int64_t until = clock_mono_ms() + 3000;
	while (clock_mono_ms() < until) {
		int fd = open(path, O_RDONLY | O_CLOEXEC);
		ssize_t n = fd >= 0 ? read(fd, text, sizeof text - 1) : 0;
		if (fd >= 0)
			close(fd);
		if (n > 0 && strchr(text, '\n'))
			return strtol(text, NULL, 10);
		usleep(5000);
	}
	fail_msg("no pid in %s", path);
	return 0;
}

/* A daemon in a session of its own, orphaned twice over, that says its pid. */
#define DAEMON "(setsid sh -c '(setsid sh -c \"echo \\$\\$ > %s; exec sleep 300\" &) ' &) ; "                \
	"while [ ! -s %s ]; do sleep 0.01; done; "

static char *daemon_script(const char *path, const char *then)
{
	char *script = xasprintf(DAEMON "%s", path, path, then);
	unlink(path);
	return script;
}

static void a_daemon_does_not_survive_the_task(void **state)
{
	(void)state;
	const char *path = "/tmp/millrace-test-daemon.pid";
	static const char *const then[] = {"echo ok", "exit 3", "kill -9 $$"};
	struct rig r;
	rig_open(&r, SHELL(QUICK_LIMITS));
	for (size_t i = 0; i < ARRAY_LEN(then); i++) {
		CLEANUP(free_ptr) char *script = daemon_script(path, then[i]);
		struct rig_run *run = rig_do(&r, "sh", script);
		assert_false(alive(pid_in(path)));
		rig_free(run);
	}
	rig_close(&r);
	unlink(path);
}

static void a_daemon_does_not_survive_its_launcher(void **state)
{
	(void)state;
	const char *path = "/tmp/millrace-test-daemon2.pid";
	struct rig r;
	rig_open(&r, SHELL(QUICK_LIMITS));
	CLEANUP(free_ptr) char *script = daemon_script(path, "kill -9 $PPID; sleep 100");
	struct rig_run *run = rig_do(&r, "sh", script);
	check(run, RESULT_FAILED, "was lost", false);
	assert_string_equal(run->reason, "crash");
	long pid = pid_in(path);
	rig_idle(&r, 300);
	assert_false(alive(pid));
	rig_free(run);
	rig_close(&r);
	unlink(path);
}

/* Counts the entries of /tmp that the rig's tasks made. */
static unsigned directories_left(void)
{
	unsigned n = 0;
	DIR *d = opendir("/tmp");
	struct dirent *entry;
	while (d && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		n += strncmp(entry->d_name, "millrace-rig-", 13) == 0;
	}
	if (d)
		closedir(d);
	return n;
}

static void nothing_survives_the_node(void **state)
{
	(void)state;
	const char *path = "/tmp/millrace-test-daemon3.pid", *own = "/tmp/millrace-test-own.pid";
	unsigned before = directories_left();
	unlink(own);
	CLEANUP(free_ptr) char *script =
		daemon_script(path, "echo $$ > /tmp/millrace-test-own.pid; sleep 100");
	pid_t node = fork();
	if (node == 0) {
		struct rig r;
		rig_open(&r, SHELL(QUICK_LIMITS));
		(void)rig_start_text(&r, "sh", script);
		uv_run(&r.loop, UV_RUN_DEFAULT);
		_exit(0);
	}
	long daemon = pid_in(path), program = pid_in(own);
	kill(node, SIGKILL);
	waitpid(node, NULL, 0);
	assert_true(gone_within(daemon, 3000));
	assert_true(gone_within(program, 3000));
	for (int i = 0; i < 300 && directories_left() > before; i++) {
		usleep(10000);
	}
	assert_int_equal(directories_left(), before);
	unlink(path);
	unlink(own);
}

static void a_fork_bomb_is_ended(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, SHELL(QUICK_LIMITS));
	struct rig_run *run =
		rig_do(&r, "sh", "i=0; while [ $i -lt 60 ]; do (trap '' TERM; sleep 100) & i=$((i+1)); done; wait");
	check(run, RESULT_FAILED, "more than its limit", false);
	rig_free(run);
	run = rig_do(&r, "sh", "b() { [ $1 -gt 0 ] && { b $(($1-1)) | b $(($1-1)) & sleep 1; }; }; b 7"); /* 255 in all */
	check(run, RESULT_FAILED, "", false);
	rig_free(run);
	rig_close(&r);
}

static void the_environment_is_clean(void **state)
{
	(void)state;
	setenv("NATS_PASSWORD", "secret-1", 1);
	setenv("DATABASE_URL", "postgresql://u:secret-2@h/d", 1);
	setenv("MILLRACE_NATS_TOKEN", "secret-3", 1);
	struct rig r;
	rig_open(&r, "- {type: env, kind: exec, command: [env, -0], env: {MODEL: small, LANG: C}}\n");
	struct rig_run *run = rig_do(&r, "env", "");
	assert_int_equal(run->outcome, RESULT_OK);
	static const char *const allowed[] = {
		"PATH=", "LANG=C", "TZ=", "HOME=/tmp/millrace-rig-", "TMPDIR=/tmp/millrace-rig-", "MILLRACE_NODE=rig",
		"MILLRACE_TASK_TYPE=env", "MILLRACE_TASK_ID=task-1", "MILLRACE_ATTEMPT=2",
		"MILLRACE_EPOCH=12884901895", "MODEL=small", "PWD=/tmp/millrace-rig-", "OLDPWD=", "SHLVL=", "_=",
	};
	bool seen[ARRAY_LEN(allowed)] = {false};
	for (const char *v = run->data; v < run->data + run->len; v += strlen(v) + 1) {
		bool known = false;
		for (size_t i = 0; i < ARRAY_LEN(allowed); i++) {
			if (strncmp(v, allowed[i], strlen(allowed[i])) == 0)
				known = seen[i] = true;
		}
		if (!known)
			fail_msg("%s must not be there", v);
	}
	assert_true(seen[0] && seen[3] && seen[4] && seen[7] && seen[8] && seen[9] && seen[10]);
	rig_free(run);
	rig_close(&r);
	unsetenv("DATABASE_URL");
}

static void the_fresh_directory_is_removed_whatever_is_in_it(void **state)
{
	(void)state;
	static const char *const scripts[] = {
		"pwd; echo x > f; mkdir -p a/b/c; echo y > a/b/c/f; chmod 000 a/b; chmod 000 a",
		"pwd; ln -s /tmp out; ln -s / root; mkfifo p",
		"pwd; d=.; i=0; while [ $i -lt 150 ]; do d=$d/deeper; i=$((i+1)); done; mkdir -p $d; echo z > $d/z",
		"pwd; chmod 000 .",
		"pwd; rm -rf $(pwd)",
	};
	struct rig r;
	rig_open(&r, SHELL(""));
	for (size_t i = 0; i < ARRAY_LEN(scripts); i++) {
		struct rig_run *run = rig_do(&r, "sh", scripts[i]);
		assert_int_equal(run->outcome, RESULT_OK);
		assert_int_equal(strncmp(run->data, "/tmp/millrace-rig-", 18), 0);
		run->data[strcspn(run->data, "\n")] = '\0';
		if (access(run->data, F_OK) == 0)
			fail_msg("%s is still there (%s)", run->data, scripts[i]);
		rig_free(run);
	}
	assert_int_equal(access("/tmp", F_OK), 0);
	rig_close(&r);
}

static void limits_are_in_force(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, SHELL("  limits: {cpu: 7s, memory: 2GiB, file_size: 64KiB, files: 99}\n"));
	struct rig_run *run = rig_do(
		&r, "sh", "ulimit -t; ulimit -v; ulimit -n; ulimit -c; grep NoNewPrivs /proc/self/status | tr -d '\\t'");
	check(run, RESULT_OK, "7\n2097152\n99\n0\nNoNewPrivs:1\n", false);
	rig_free(run);
	run = rig_do(&r, "sh", "trap '' XFSZ; head -c 100000 /dev/zero > big; wc -c < big");
	check(run, RESULT_OK, "65536", false);
	rig_free(run);
	run = rig_do(&r, "sh", "[ $(ps -o sid= -p $$ 2>/dev/null || cut -d' ' -f6 /proc/$$/stat) -eq $$ ] && echo own");
	check(run, RESULT_OK, "own", false);
	rig_free(run);
	assert_true(dup(2) > 2); /* inherited by the launcher, not by the program */
	run = rig_do(&r, "sh", "ls /proc/self/fd | wc -l");
	assert_int_equal(strtol(run->data, NULL, 10), 4); /* 0, 1, 2 and the directory itself */
	rig_free(run);
	rig_close(&r);
}

static void cpu_time_is_limited(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, SHELL("  limits: {cpu: 1s}\n"));
	struct rig_run *run = rig_do(&r, "sh", "while :; do :; done");
	check(run, RESULT_FAILED, "signal", false);
	rig_free(run);
	rig_close(&r);
}

static void many_run_at_once(void **state)
{
	(void)state;
	enum { MANY = 40 };
	struct rig_run *runs[MANY];
	struct rig r;
	rig_open(&r, SHELL(""));
	for (int i = 0; i < MANY; i++) {
		char script[64];
		snprintf(script, sizeof script, "sleep 0.1; echo number %d", i);
		runs[i] = rig_start_text(&r, "sh", script);
	}
	for (int i = 0; i < MANY; i++) {
		char want[32];
		snprintf(want, sizeof want, "number %d\n", i);
		rig_wait(&r, runs[i]);
		check(runs[i], RESULT_OK, want, false);
		rig_free(runs[i]);
	}
	rig_close(&r);
}

static void closing_kills_what_runs(void **state)
{
	(void)state;
	const char *path = "/tmp/millrace-test-closing.pid";
	unsigned before = directories_left();
	struct rig r;
	rig_open(&r, SHELL(""));
	CLEANUP(free_ptr) char *script = daemon_script(path, "sleep 100");
	struct rig_run *run = rig_start_text(&r, "sh", script);
	struct rig_run *early = NULL;
	rig_idle(&r, 300);
	long pid = pid_in(path);
	early = rig_start_text(&r, "sh", "sleep 100"); /* its file is still being written */
	rig_close(&r);
	assert_false(run->done);
	assert_false(early->done);
	assert_false(alive(pid));
	assert_int_equal(directories_left(), before);
	rig_free(run);
	rig_free(early);
	unlink(path);
}

static void relative_programs_count_from_the_directory(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: a, kind: exec, command: [./sh, -c, pwd], directory: /bin}\n");
	struct rig_run *run = rig_do(&r, "a", "");
	assert_int_equal(run->outcome, RESULT_OK);
	assert_non_null(strstr(run->data, "/bin\n"));
	rig_free(run);
	rig_close(&r);
}

int main(int argc, char **argv)
{
	RIG_MAIN(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(exit_codes_are_outcomes),
		cmocka_unit_test(a_program_says_when_to_try_again),
		cmocka_unit_test(the_body_is_stdin_and_stdout_the_result),
		cmocka_unit_test(a_program_need_not_read_its_stdin),
		cmocka_unit_test(a_missing_program_fails_for_good_by_name),
		cmocka_unit_test(a_cancelled_program_gets_term_first),
		cmocka_unit_test(a_program_that_ignores_term_is_killed),
		cmocka_unit_test(too_much_output_ends_it_and_costs_little),
		cmocka_unit_test(a_daemon_does_not_survive_the_task),
		cmocka_unit_test(a_daemon_does_not_survive_its_launcher),
		cmocka_unit_test(nothing_survives_the_node),
		cmocka_unit_test(a_fork_bomb_is_ended),
		cmocka_unit_test(the_environment_is_clean),
		cmocka_unit_test(the_fresh_directory_is_removed_whatever_is_in_it),
		cmocka_unit_test(limits_are_in_force),
		cmocka_unit_test(cpu_time_is_limited),
		cmocka_unit_test(many_run_at_once),
		cmocka_unit_test(closing_kills_what_runs),
		cmocka_unit_test(relative_programs_count_from_the_directory),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
