/* heal_clean on real files: what is left over goes, whatever else is there stays. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/tree.h"
#include "scaler/heal_clean.h"

static char base[64], outside[64];
static char *dirs[2] = {base, NULL};

static int setup(void **state)
{
	struct err e;

	(void)state;
	snprintf(base, sizeof(base), "/tmp/heal-clean-XXXXXX");
	snprintf(outside, sizeof(outside), "/tmp/heal-out-XXXXXX");
	assert_non_null(mkdtemp(base));
	assert_non_null(mkdtemp(outside));
	(void)e;
	return 0;
}

static int teardown(void **state)
{
	struct err e;

	(void)state;
	return tree_remove(AT_FDCWD, base, NULL, &e) || tree_remove(AT_FDCWD, outside, NULL, &e);
}

static char *at(const char *dir, const char *name)
{
	static char path[4][256];
	static unsigned turn;
	char *p = path[turn++ % 4];

	snprintf(p, sizeof(path[0]), "%s/%s", dir, name);
	return p;
}

static bool there(const char *path)
{
	struct stat st;

	return lstat(path, &st) == 0;
}

static void touch(const char *path, const char *text)
{
	int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	assert_true(fd >= 0);
	assert_int_equal(write(fd, text, strlen(text)), strlen(text));
	close(fd);
}

static void make(const char *name, int64_t age_s)
{
	assert_int_equal(mkdir(at(base, name), 0700), 0);
	touch(at(at(base, name), "file"), "some bytes");
	struct timespec t[2] = {{.tv_sec = clock_wall_ns() / NS_PER_S - age_s},
							{.tv_sec = clock_wall_ns() / NS_PER_S - age_s}};
	assert_int_equal(utimensat(AT_FDCWD, at(base, name), t, 0), 0);
}

static struct heal_clean_spec spec(unsigned kinds)
{
	return (struct heal_clean_spec){
		.directories = dirs,
		.log_directories = dirs,
		.kinds = kinds,
		.age_ns = 3600 * NS_PER_S,
		.keep_logs = 2,
		.now_wall_ns = clock_wall_ns(),
	};
}

static struct heal_clean_done clean(const struct heal_clean_spec *s)
{
	struct heal_clean_item *items;
	struct heal_clean_done done;
	size_t n = heal_clean_list(s, &items);

	heal_clean_apply(s, items, n, &done);
	heal_clean_free(items, n);
	return done;
}

static void a_dry_run_removes_nothing_and_names_what_would_go(void **state)
{
	(void)state;
	struct heal_clean_item *items;
	make("millrace-dead-aaaaaa", 7200);
	struct heal_clean_spec s = spec(HEAL_CLEAN_SCRATCH);
	assert_int_equal(heal_clean_list(&s, &items), 1);
	assert_string_equal(items[0].name, "millrace-dead-aaaaaa");
	assert_string_equal(items[0].directory, base);
	assert_true(items[0].bytes > 0);
	heal_clean_free(items, 1);
	assert_true(there(at(base, "millrace-dead-aaaaaa/file")));
}

static void directories_of_tasks_go_when_their_node_is_gone_and_nobody_is_in_them(void **state)
{
	(void)state;
	char *live[] = {(char[]){"alive"}, NULL};
	make("millrace-dead-aaaaaa", 7200);
	make("millrace-alive-bbbbbb", 7200);
	make("millrace-dead-young1", 60);
	make("millrace-dead-inside", 7200);
	make("somebody-else-cccccc", 7200);
	touch(at(base, "millrace-dead-dddddd"), "a file, not a directory");
	touch(at(outside, "keep"), "not ours to touch");
	assert_int_equal(symlink(outside, at(base, "millrace-dead-eeeeee")), 0);
	assert_int_equal(symlink(outside, at(base, "millrace-dead-aaaaaa/link")), 0);
	struct timespec old[2] = {{.tv_sec = 1000}, {.tv_sec = 1000}};
	assert_int_equal(utimensat(AT_FDCWD, at(base, "millrace-dead-aaaaaa"), old, 0), 0);

	pid_t inside = fork();
	if (inside == 0) {
		if (chdir(at(base, "millrace-dead-inside")) != 0)
			_exit(1);
		touch("in", "");
		for (;;)
			pause();
	}
	while (!there(at(base, "millrace-dead-inside/in")))
		usleep(1000);
	assert_int_equal(utimensat(AT_FDCWD, at(base, "millrace-dead-inside"), old, 0), 0);

	struct heal_clean_spec s = spec(HEAL_CLEAN_SCRATCH);
	s.live = live;
	struct heal_clean_done done = clean(&s);
	assert_int_equal(done.removed, 1);
	assert_int_equal(done.kept, 0);
	assert_true(done.bytes > 0);
	assert_false(there(at(base, "millrace-dead-aaaaaa")));
	assert_true(there(at(base, "millrace-alive-bbbbbb")));
	assert_true(there(at(base, "millrace-dead-young1")));
	assert_true(there(at(base, "millrace-dead-inside")));
	assert_true(there(at(base, "somebody-else-cccccc")));
	assert_true(there(at(base, "millrace-dead-dddddd")));
	assert_true(there(at(base, "millrace-dead-eeeeee")));
	assert_true(there(at(outside, "keep")));

	kill(inside, SIGKILL);
	waitpid(inside, NULL, 0);
	assert_int_equal(clean(&s).removed, 1); /* now it is left over, too */
	assert_false(there(at(base, "millrace-dead-inside")));
}

static void a_spool_goes_when_nobody_holds_its_lock(void **state)
{
	(void)state;
	make("millrace-objects-n1-aaaaaa", 0);
	touch(at(base, "millrace-objects-n1-aaaaaa/.millrace-lock"), "");
	make("millrace-objects-n2-bbbbbb", 0);
	touch(at(base, "millrace-objects-n2-bbbbbb/.millrace-lock"), "");
	make("millrace-objects-n3-cccccc", 7200); /* without a lock it is none of ours */
	int held = open(at(base, "millrace-objects-n2-bbbbbb/.millrace-lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	struct heal_clean_spec s = spec(HEAL_CLEAN_SPOOL);
	assert_int_equal(clean(&s).removed, 1);
	assert_false(there(at(base, "millrace-objects-n1-aaaaaa")));
	assert_true(there(at(base, "millrace-objects-n2-bbbbbb/file")));
	assert_true(there(at(base, "millrace-objects-n3-cccccc/file")));
	close(held);
	assert_int_equal(clean(&s).removed, 1);
}

static void what_is_taken_between_the_look_and_the_act_stays(void **state)
{
	(void)state;
	struct heal_clean_item *items;
	struct heal_clean_done done;
	make("millrace-objects-n1-aaaaaa", 0);
	touch(at(base, "millrace-objects-n1-aaaaaa/.millrace-lock"), "");
	struct heal_clean_spec s = spec(HEAL_CLEAN_SPOOL);
	size_t n = heal_clean_list(&s, &items);
	assert_int_equal(n, 1);
	int held = open(at(base, "millrace-objects-n1-aaaaaa/.millrace-lock"), O_RDWR | O_CLOEXEC);
	assert_int_equal(flock(held, LOCK_EX | LOCK_NB), 0);
	heal_clean_apply(&s, items, n, &done);
	assert_int_equal(done.removed, 0);
	assert_int_equal(done.kept, 1);
	assert_non_null(strstr(done.first.text, "in use"));
	assert_true(there(at(base, "millrace-objects-n1-aaaaaa/file")));
	heal_clean_free(items, n);
	close(held);
}

static void of_rotated_logs_the_newest_stay(void **state)
{
	(void)state;
	static const char *const names[] = {"a.log.4", "a.log.3.gz", "a.log.2", "a.log.1",
										"a.log",   "b.log.1",    "b.log.2", "notes.txt"};
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		struct timespec t[2] = {{.tv_sec = 1000 + (time_t)i}, {.tv_sec = 1000 + (time_t)i}};
		touch(at(base, names[i]), "words");
		assert_int_equal(utimensat(AT_FDCWD, at(base, names[i]), t, 0), 0);
	}
	touch(at(outside, "keep"), "");
	assert_int_equal(symlink(at(outside, "keep"), at(base, "a.log.9")), 0);
	struct heal_clean_spec s = spec(HEAL_CLEAN_LOG);
	assert_int_equal(clean(&s).removed, 2);
	assert_false(there(at(base, "a.log.4")));
	assert_false(there(at(base, "a.log.3.gz")));
	for (size_t i = 2; i < ARRAY_LEN(names); i++)
		assert_true(there(at(base, names[i])));
	assert_true(there(at(base, "a.log.9")) && there(at(outside, "keep")));
}

static void what_cannot_be_removed_is_told(void **state)
{
	(void)state;
	struct heal_clean_spec s = spec(HEAL_CLEAN_SCRATCH | HEAL_CLEAN_SPOOL | HEAL_CLEAN_LOG);
	char *nowhere[] = {(char[]){"/nonexistent/of/heal"}, NULL};
	s.directories = s.log_directories = nowhere;
	assert_int_equal(clean(&s).removed, 0);
	if (geteuid() == 0)
		return; /* root may remove anything */
	make("millrace-dead-aaaaaa", 7200);
	assert_int_equal(chmod(base, 0500), 0);
	s = spec(HEAL_CLEAN_SCRATCH);
	struct heal_clean_done done = clean(&s);
	assert_int_equal(chmod(base, 0700), 0);
	assert_int_equal(done.kept, 1);
	assert_true(done.first.text[0] != '\0');
}

#define ON_FILES(f) cmocka_unit_test_setup_teardown(f, setup, teardown)

int main(void)
{
	const struct CMUnitTest tests[] = {
		ON_FILES(a_dry_run_removes_nothing_and_names_what_would_go),
		ON_FILES(directories_of_tasks_go_when_their_node_is_gone_and_nobody_is_in_them),
		ON_FILES(a_spool_goes_when_nobody_holds_its_lock),
		ON_FILES(what_is_taken_between_the_look_and_the_act_stays),
		ON_FILES(of_rotated_logs_the_newest_stay),
		ON_FILES(what_cannot_be_removed_is_told),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
