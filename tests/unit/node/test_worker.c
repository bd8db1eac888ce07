/* Agent processes, real ones: this very program as the agent, told by each body what to do. */
#include "agent_rig.h"

static void results_are_bytes(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *run = rig_start(&r, "w", "echo:a\0b\n\xff", 10);
	expect(&r, run, RESULT_OK, "a");
	assert_int_equal(run->len, 5);
	assert_memory_equal(run->data, "a\0b\n\xff", 5);
	assert_string_equal(run->content_type, "");
	rig_free(run);

	size_t len = (1 << 20) + 5;
	CLEANUP(free_ptr) char *body = xcalloc(1, len);
	static const char word[] = {'e', 'c', 'h', 'o', ':'};
	memcpy(body, word, sizeof word);
	run = rig_start(&r, "w", body, len);
	rig_wait(&r, run);
	assert_int_equal(run->len, 1 << 20);
	rig_free(run);
	rig_close(&r);
}

static void a_task_comes_with_its_facts(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *run = rig_do(&r, "w", "facts");
	assert_string_equal(run->data, "{\"attempt\":2,\"epoch\":12884901895,\"headers\":{},\"id\":\"task-1\","
	                               "\"op\":\"task\",\"run\":1,\"timeout_ms\":60000,\"type\":\"w\"}");
	rig_free(run);
	rig_close(&r);
}

static void one_process_takes_several_at_once(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "  agents: 5\n");
	struct rig_run *runs[4];
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		runs[i] = rig_start_text(&r, "w", "hold");
	}
	struct rig_run *last = rig_start_text(&r, "w", "release");
	expect(&r, last, RESULT_OK, "all");
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		expect(&r, runs[i], RESULT_OK, "released");
		rig_free(runs[i]);
	}
	rig_free(last);
	rig_close(&r);
}

static void a_second_process_starts_when_the_first_is_full(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "  processes: 2\n  agents: 2\n");
	struct rig_run *a = rig_do(&r, "w", "pid"), *b = rig_do(&r, "w", "pid");
	assert_string_equal(a->data, b->data);
	struct rig_run *held1 = rig_start_text(&r, "w", "hold"), *held2 = rig_start_text(&r, "w", "hold");
	struct rig_run *c = rig_do(&r, "w", "pid");
	assert_string_not_equal(a->data, c->data);
	/* One more than there is room for waits until there is. */
	struct rig_run *held3 = rig_start_text(&r, "w", "hold"), *held4 = rig_start_text(&r, "w", "hold");
	struct rig_run *waits = rig_start_text(&r, "w", "pid");
	rig_idle(&r, 100);
	assert_false(waits->done);
	rig_cancel_in(&r, held1, 1);
	expect(&r, held1, RESULT_FAILED, "let go");
	expect(&r, waits, RESULT_OK, "");
	assert_string_equal(waits->data, a->data);
	struct rig_run *all[] = {a, b, c, held1, held2, held3, held4, waits};
	rig_close(&r);
	assert_false(held2->done);
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		rig_free(all[i]);
	}
}

static void failures_are_told(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *run = rig_start_text(&r, "w", "fail:no luck\nat all");
	expect(&r, run, RESULT_FAILED, "no luck at all");
	assert_false(run->permanent);
	assert_int_equal(run->retry_after_ns, 1500 * NS_PER_MS);
	rig_free(run);
	run = rig_start_text(&r, "w", "return:the model is away");
	expect(&r, run, RESULT_RETURNED, "the model is away");
	assert_string_equal(run->reason, "breaker");
	assert_int_equal(run->retry_after_ns, 2500 * NS_PER_MS);
	assert_false(run->permanent);
	rig_free(run);
	run = rig_start_text(&r, "w", "never:hopeless");
	expect(&r, run, RESULT_FAILED, "hopeless");
	assert_true(run->permanent);
	rig_free(run);
	rig_close(&r);
}

static void a_crash_fails_its_tasks_and_the_process_comes_back(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *held_one = rig_start_text(&r, "w", "hold");
	struct rig_run *run = rig_start_text(&r, "w", "crash");
	expect(&r, run, RESULT_FAILED, "ended with exit code 3: out of luck");
	assert_string_equal(run->reason, "crash");
	expect(&r, held_one, RESULT_FAILED, "out of luck");
	rig_free(run);
	rig_free(held_one);
	int64_t began = clock_mono_ms();
	run = rig_start_text(&r, "w", "echo:again");
	expect(&r, run, RESULT_OK, "again");
	assert_in_range(clock_mono_ms() - began, 40, 5000); /* after the backoff */
	rig_free(run);
	rig_close(&r);
}

static void a_process_that_ends_well_is_started_again_at_once(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *run = rig_start_text(&r, "w", "quit");
	expect(&r, run, RESULT_OK, "bye");
	rig_free(run);
	rig_idle(&r, 300);
	run = rig_start_text(&r, "w", "echo:new");
	expect(&r, run, RESULT_OK, "new");
	rig_free(run);
	rig_close(&r);
}

static void what_is_no_frame_ends_the_process(void **state)
{
	(void)state;
	static const struct {
		const char *body, *words;
	} t[] = {
		{"garbage", "does it print to stdout?"},
		{"stranger", "answers no task"},
		{"big", "more than its limit"},
	};
	struct rig r;
	open_worker(&r, "--agent", "");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig_run *run = rig_start_text(&r, "w", t[i].body);
		expect(&r, run, RESULT_FAILED, t[i].words);
		rig_free(run);
	}
	rig_close(&r);
}

static void a_cancelled_task_is_let_go(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "");
	struct rig_run *pid = rig_do(&r, "w", "pid");
	struct rig_run *run = rig_start_text(&r, "w", "hold");
	rig_cancel_in(&r, run, 20);
	expect(&r, run, RESULT_FAILED, "let go");
	struct rig_run *again = rig_do(&r, "w", "pid");
	assert_string_equal(pid->data, again->data);
	rig_free(run);
	rig_free(pid);
	rig_free(again);
	rig_close(&r);
}

static void who_does_not_let_go_is_killed_and_the_others_go_back(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--deaf", "");
	struct rig_run *stuck = rig_start_text(&r, "w", "hold"), *innocent = rig_start_text(&r, "w", "hold");
	rig_cancel_in(&r, stuck, 100);
	expect(&r, stuck, RESULT_FAILED, "would not end");
	expect(&r, innocent, RESULT_RETURNED, "would not end");
	rig_free(stuck);
	rig_free(innocent);
	struct rig_run *run = rig_start_text(&r, "w", "echo:ready");
	expect(&r, run, RESULT_OK, "ready");
	rig_free(run);
	rig_close(&r);
}

static void a_missing_program_fails_all_for_good(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: w, kind: worker, command: [no-such-agent], agents: 1}\n");
	struct rig_run *a = rig_start_text(&r, "w", "x"), *b = rig_start_text(&r, "w", "y");
	expect(&r, a, RESULT_FAILED, "no-such-agent cannot be run: No such file");
	expect(&r, b, RESULT_FAILED, "no-such-agent cannot be run");
	assert_true(a->permanent);
	assert_true(b->permanent);
	rig_free(a);
	rig_free(b);
	rig_close(&r);
}

static void an_idle_process_ends(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "  idle: 100ms\n");
	struct rig_run *run = rig_do(&r, "w", "pid");
	pid_t pid = (pid_t)strtol(run->data, NULL, 10);
	assert_int_equal(kill(pid, 0), 0);
	rig_idle(&r, 600);
	assert_int_equal(kill(pid, 0), -1);
	assert_int_equal(errno, ESRCH);
	rig_free(run);
	run = rig_start_text(&r, "w", "echo:back");
	expect(&r, run, RESULT_OK, "back");
	rig_free(run);
	rig_close(&r);
}

static void closing_in_backoff_and_waiting(void **state)
{
	(void)state;
	struct rig r;
	open_worker(&r, "--agent", "  backoff_max: 1h\n  agents: 1\n");
	struct rig_run *run = rig_do(&r, "w", "crash");
	struct rig_run *waits = rig_start_text(&r, "w", "pid");
	rig_close(&r);
	assert_false(waits->done);
	rig_free(run);
	rig_free(waits);
}

int main(int argc, char **argv)
{
	AGENT_MAIN(argc, argv);
	RIG_MAIN(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(results_are_bytes),
		cmocka_unit_test(a_task_comes_with_its_facts),
		cmocka_unit_test(one_process_takes_several_at_once),
		cmocka_unit_test(a_second_process_starts_when_the_first_is_full),
		cmocka_unit_test(failures_are_told),
		cmocka_unit_test(a_crash_fails_its_tasks_and_the_process_comes_back),
		cmocka_unit_test(a_process_that_ends_well_is_started_again_at_once),
		cmocka_unit_test(what_is_no_frame_ends_the_process),
		cmocka_unit_test(a_cancelled_task_is_let_go),
		cmocka_unit_test(who_does_not_let_go_is_killed_and_the_others_go_back),
		cmocka_unit_test(a_missing_program_fails_all_for_good),
		cmocka_unit_test(an_idle_process_ends),
		cmocka_unit_test(closing_in_backoff_and_waiting),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
