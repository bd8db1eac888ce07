/* A failpoint kills one process for each file, at the pass that the file says, and is nothing in
 * other builds. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/base.h"
#include "common/failpoint.h"

static char dir[] = "/tmp/millrace-failpoint-XXXXXX";

static void arm(const char *name, const char *text)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	FILE *f = fopen(path, "we");

	assert_non_null(f);
	fputs(text, f);
	fclose(f);
}

static bool armed(const char *name)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);

	return access(path, F_OK) == 0;
}

/* How many of three passes a process survives. */
static int passes(void)
{
	pid_t pid = fork();
	int status;

	assert_true(pid >= 0);
	if (pid == 0) {
		int pipe_to_nowhere = open("/dev/null", O_WRONLY | O_CLOEXEC);

		dup2(pipe_to_nowhere, 2);
		for (int i = 0; i < 3; i++) {
			FAILPOINT("test.here");
			if (i == 0)
				FAILPOINT("test.once");
		}
		_exit(3);
	}
	assert_int_equal(waitpid(pid, &status, 0), pid);
	if (WIFEXITED(status))
		return WEXITSTATUS(status);
	assert_int_equal(WTERMSIG(status), SIGKILL);
	return -1;
}

static void nothing_armed_kills_nobody(void **state)
{
	(void)state;
	assert_int_equal(passes(), 3);
}

#ifdef MILLRACE_FAILPOINTS

static void one_file_is_one_death(void **state)
{
	(void)state;
	arm("test.here", "");
	assert_int_equal(passes(), -1);
	assert_false(armed("test.here"));
	assert_int_equal(passes(), 3);
}

static void passes_before_it_counts_are_survived(void **state)
{
	(void)state;
	arm("test.here", "2\n");
	assert_int_equal(passes(), -1);
	arm("test.here", "3\n");
	assert_int_equal(passes(), 3);
	assert_true(armed("test.here"));
	arm("test.here", "");
	assert_int_equal(passes(), -1);
}

static void places_are_counted_apart(void **state)
{
	(void)state;
	arm("test.once", "1\n");
	assert_int_equal(passes(), 3);
	assert_true(armed("test.once"));
	arm("test.once", "0\n");
	assert_int_equal(passes(), -1);
}

#else

static void other_builds_have_none(void **state)
{
	(void)state;
	arm("test.here", "");
	assert_int_equal(passes(), 3);
	assert_true(armed("test.here"));
	arm("test.here", "9\n");
}

#endif

static int make_dir(void **state)
{
	(void)state;
	return mkdtemp(dir) && setenv("MILLRACE_FAILPOINTS", dir, 1) == 0 ? 0 : -1;
}

static int remove_dir(void **state)
{
	CLEANUP(free_ptr) char *here = xasprintf("%s/test.here", dir);

	(void)state;
	unlink(here);
	return rmdir(dir);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_armed_kills_nobody),
#ifdef MILLRACE_FAILPOINTS
		cmocka_unit_test(one_file_is_one_death),
		cmocka_unit_test(passes_before_it_counts_are_survived),
		cmocka_unit_test(places_are_counted_apart),
#else
		cmocka_unit_test(other_builds_have_none),
#endif
	};

	return cmocka_run_group_tests(tests, make_dir, remove_dir);
}
