/* Agents that are placed by name: hosted, dismissed, counted, pinged. */
#include "agent_rig.h"

static struct handler *open_spawned(struct rig *r, const char *word)
{
	open_worker(r, word, "  spawned: true\n");
	return handlers_find(r->handlers, "w");
}

static void host(struct handler *h, const char *id, const char *project)
{
	const struct handler_agent a = {id, project, 100};
	h->hosting->host(h, &a);
}

static struct handler_agent_status status_of(struct handler *h, const char *id)
{
	struct handler_agent_status s = {0};
	for (size_t i = 0; h->hosting->status(h, i, &s); i++) {
		if (str_eq(s.id, id))
			return s;
	}
	return (struct handler_agent_status){.state = "none"};
}

static void await_state(struct rig *r, struct handler *h, const char *id, const char *state)
{
	int64_t until = clock_mono_ms() + 20000;
	while (!str_eq(status_of(h, id).state, state)) {
		if (clock_mono_ms() > until)
			fail_msg("agent %s is %s, not %s", id, status_of(h, id).state, state);
		rig_idle(r, 10);
	}
}

static void expect_serves(struct handler *h, unsigned hosted, unsigned slots)
{
	assert_int_equal(h->hosted, hosted);
	assert_int_equal(h->slots, slots);
	assert_int_equal(handler_serves(h), hosted > 0);
}

static void without_an_agent_nothing_is_begun(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	expect_serves(h, 0, 0);
	struct rig_run *run = rig_start_text(&r, "w", "echo:x");
	expect(&r, run, RESULT_RETURNED, "no agent of its role");
	assert_string_equal(run->reason, "no-handler");
	rig_free(run);
	h->hosting->dismiss(h, "stranger");
	rig_close(&r);
}

static void each_agent_has_a_process_and_one_task(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "atlas");
	expect_serves(h, 1, 1);
	await_state(&r, h, "a1", "idle");
	assert_true(status_of(h, "a1").pid > 0);
	struct rig_run *who = rig_do(&r, "w", "who");
	assert_string_equal(who->data, "a1 w atlas");
	struct rig_run *held1 = rig_start_text(&r, "w", "hold"),
				   *held2 = rig_start_text(&r, "w", "who");
	assert_string_equal(status_of(h, "a1").state, "busy");
	rig_idle(&r, 50);
	assert_false(held2->done); /* one at a time */
	host(h, "a2", "");
	expect_serves(h, 2, 2);
	expect(&r, held2, RESULT_OK, "a2 w ");
	assert_int_equal(status_of(h, "a1").tasks, 1);
	assert_int_equal(status_of(h, "a2").tasks, 1);
	assert_true(status_of(h, "a2").active_wall_ns > status_of(h, "a1").started_wall_ns);
	rig_free(who);
	rig_free(held2);
	rig_close(&r);
	assert_false(held1->done);
	rig_free(held1);
}

static void a_dismissed_agent_finishes_what_it_has(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	struct rig_run *run = rig_start_text(&r, "w", "hold");
	pid_t pid = status_of(h, "a1").pid;
	h->hosting->dismiss(h, "a1");
	expect_serves(h, 0, 1); /* what it still does */
	rig_idle(&r, 50);
	assert_false(run->done);
	struct rig_run *late = rig_start_text(&r, "w", "pid");
	expect(&r, late, RESULT_RETURNED, "no agent");
	rig_cancel_in(&r, run, 1);
	expect(&r, run, RESULT_FAILED, "let go");
	await_state(&r, h, "a1", "none");
	assert_int_equal(kill(pid, 0), -1);
	expect_serves(h, 0, 0);
	/* And it may come again. */
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	rig_free(run);
	rig_free(late);
	rig_close(&r);
}

static void one_that_is_asked_back_while_it_drains_stays(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	pid_t pid = status_of(h, "a1").pid;
	struct rig_run *run = rig_start_text(&r, "w", "hold");
	h->hosting->dismiss(h, "a1");
	host(h, "a1", "");
	expect_serves(h, 1, 1);
	rig_cancel_in(&r, run, 1);
	expect(&r, run, RESULT_FAILED, "let go");
	assert_int_equal(status_of(h, "a1").errors, 0); /* it was called off */
	assert_int_equal(status_of(h, "a1").pid, pid);
	/* Idle and told to go, it is on its way out when it is asked back: another process then. */
	h->hosting->dismiss(h, "a1");
	host(h, "a1", "");
	rig_idle(&r, 100);
	await_state(&r, h, "a1", "idle");
	assert_int_not_equal(status_of(h, "a1").pid, pid);
	assert_int_equal(status_of(h, "a1").errors, 0);
	rig_free(run);
	rig_close(&r);
}

static void another_project_is_another_process(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "atlas");
	await_state(&r, h, "a1", "idle");
	host(h, "a1", "zeus");
	rig_idle(&r, 50);
	struct rig_run *who = rig_do(&r, "w", "who");
	assert_string_equal(who->data, "a1 w zeus");
	rig_free(who);
	rig_close(&r);
}

static void what_fails_is_counted_and_started_again(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	struct rig_run *run = rig_do(&r, "w", "fail:no luck");
	assert_int_equal(status_of(h, "a1").errors, 1);
	rig_free(run);
	run = rig_start_text(&r, "w", "crash");
	expect(&r, run, RESULT_FAILED, "exit code 3");
	assert_int_equal(status_of(h, "a1").errors, 2);
	assert_string_equal(status_of(h, "a1").state, "backoff");
	expect_serves(h, 1, 0); /* its type is served, but nothing can be begun now */
	rig_free(run);
	await_state(&r, h, "a1", "idle"); /* by itself */
	expect_serves(h, 1, 1);
	kill(status_of(h, "a1").pid, SIGKILL); /* without a task */
	await_state(&r, h, "a1", "backoff");
	assert_int_equal(status_of(h, "a1").errors, 3);
	await_state(&r, h, "a1", "idle");
	run = rig_start_text(&r, "w", "quit"); /* it has no reason of its own to end */
	expect(&r, run, RESULT_OK, "bye");
	await_state(&r, h, "a1", "backoff");
	assert_int_equal(status_of(h, "a1").errors, 4);
	h->hosting->dismiss(h, "a1");
	assert_string_equal(status_of(h, "a1").state, "none");
	rig_free(run);
	rig_close(&r);
}

static void who_answers_no_pings_is_killed(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--pings");
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	int64_t first_ns = status_of(h, "a1").heartbeat_wall_ns;
	rig_idle(&r, 1000);
	struct handler_agent_status s = status_of(h, "a1");
	assert_true(s.heartbeat_wall_ns > first_ns);
	assert_int_equal(s.errors, 0);
	struct rig_run *run = rig_do(&r, "w", "mute");
	struct rig_run *held_one = rig_start_text(&r, "w", "hold");
	expect(&r, held_one, RESULT_FAILED, "answered no ping");
	assert_string_equal(held_one->reason, "crash");
	await_state(&r, h, "a1", "idle");
	assert_int_equal(status_of(h, "a1").errors, 1);
	assert_int_not_equal(status_of(h, "a1").pid, s.pid);
	rig_free(run);
	rig_free(held_one);
	rig_close(&r);
}

static void who_never_said_ready_is_not_pinged(void **state)
{
	(void)state;
	struct rig r;
	struct handler *h = open_spawned(&r, "--agent");
	host(h, "a1", "");
	await_state(&r, h, "a1", "idle");
	struct handler_agent_status s = status_of(h, "a1");
	struct rig_run *run = rig_do(&r, "w", "mute");
	rig_idle(&r, 800);
	assert_int_equal(status_of(h, "a1").pid, s.pid);
	assert_int_equal(status_of(h, "a1").errors, 0);
	assert_true(status_of(h, "a1").heartbeat_wall_ns > s.heartbeat_wall_ns + 500 * NS_PER_MS);
	rig_free(run);
	rig_close(&r);
}

int main(int argc, char **argv)
{
	AGENT_MAIN(argc, argv);
	RIG_MAIN(argc, argv);
	signal(SIGPIPE, SIG_IGN);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(without_an_agent_nothing_is_begun),
		cmocka_unit_test(each_agent_has_a_process_and_one_task),
		cmocka_unit_test(a_dismissed_agent_finishes_what_it_has),
		cmocka_unit_test(one_that_is_asked_back_while_it_drains_stays),
		cmocka_unit_test(another_project_is_another_process),
		cmocka_unit_test(what_fails_is_counted_and_started_again),
		cmocka_unit_test(who_answers_no_pings_is_killed),
		cmocka_unit_test(who_never_said_ready_is_not_pinged),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
