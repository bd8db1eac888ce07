/* Agent processes, real ones: this very program as the agent, told by each body what to do. */
#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>

#include "node/handlers/frame.h"
#include "rig.h"

/* ---- the agent ---- */

static bool read_all(void *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(0, (char *)to + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void write_all(const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(1, data + done, len - done);
		if (n <= 0)
			_exit(7);
		done += (size_t)n;
	}
}

static void answer(json_t *header, const void *body, size_t len)
{
	CLEANUP(buf_release) struct buf b = {0};
	struct err e;
	if (frame_write(header, body, len, &b, &e) < 0)
		_exit(8);
	json_decref(header);
	write_all(b.data, b.len);
}

static void answer_text(json_int_t run, const char *text)
{
	answer(json_pack("{s:s, s:I, s:s}", "op", "result", "run", run, "content_type", "text/plain"), text,
	       strlen(text));
}

static bool mute;
static json_int_t held[64];
static size_t nheld;

static bool starts(const char *body, const char *word)
{
	return strncmp(body, word, strlen(word)) == 0;
}

static void act(json_int_t run, const json_t *header, const char *body, size_t len)
{
	if (starts(body, "echo:")) {
		answer(json_pack("{s:s, s:I}", "op", "result", "run", run), body + 5, len - 5);
	} else if (starts(body, "pid")) {
		char text[16];
		snprintf(text, sizeof text, "%d", (int)getpid());
		answer_text(run, text);
	} else if (starts(body, "facts")) {
		char *dump = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
		answer_text(run, dump);
		free(dump);
	} else if (starts(body, "hold")) {
		held[nheld++] = run;
	} else if (starts(body, "release")) {
		for (size_t i = nheld; i > 0; i--) { /* in another order than they came */
			answer_text(held[i - 1], "released");
		}
		nheld = 0;
		answer_text(run, "all");
	} else if (starts(body, "fail:")) {
		answer(json_pack("{s:s, s:I, s:s, s:i}", "op", "fail", "run", run, "error", body + 5,
		                 "retry_after_ms", 1500),
		       NULL, 0);
	} else if (starts(body, "return:")) {
		answer(json_pack("{s:s, s:I, s:s, s:i, s:b}", "op", "return", "run", run, "error", body + 7,
		                 "retry_after_ms", 2500, "permanent", 1),
		       NULL, 0);
	} else if (starts(body, "never:")) {
		answer(json_pack("{s:s, s:I, s:s, s:b}", "op", "fail", "run", run, "error", body + 6, "permanent", 1),
		       NULL, 0);
	} else if (starts(body, "mute")) {
		mute = true;
		answer_text(run, "not a word more");
	} else if (starts(body, "who")) {
		char text[256];
		snprintf(text, sizeof text, "%s %s %s", getenv("MILLRACE_AGENT_ID"),
				 getenv("MILLRACE_AGENT_ROLE"), getenv("MILLRACE_PROJECT_ID"));
		answer_text(run, text);
	} else if (starts(body, "crash")) {
		fprintf(stderr, "out of luck\n");
		_exit(3);
	} else if (starts(body, "quit")) {
		answer_text(run, "bye");
		_exit(0);
	} else if (starts(body, "garbage")) {
		write_all("Hello, I am no frame at all\n", 28);
		pause();
	} else if (starts(body, "stranger")) {
		answer_text(run + 1000, "?");
		pause();
	} else if (starts(body, "big")) {
		size_t n = 5 << 20;
		CLEANUP(free_ptr) char *big = xcalloc(1, n);
		answer(json_pack("{s:s, s:I}", "op", "result", "run", run), big, n);
		pause();
	}
}

static bool deaf_to_cancel, says_ready;

static int agent_main(void)
{
	uint32_t n;
	while (read_all(&n, sizeof n)) {
		n = ntohl(n);
		CLEANUP(free_ptr) char *frame = xcalloc(1, n + 1);
		if (!read_all(frame, n))
			_exit(9);
		char *body = memchr(frame, '\n', n);
		json_t *h = json_loadb(frame, (size_t)(body - frame), 0, NULL);
		const char *op = json_string_value(json_object_get(h, "op"));
		json_int_t run = json_integer_value(json_object_get(h, "run"));
		if (str_eq(op, "hello") && says_ready) {
			if (json_integer_value(json_object_get(h, "heartbeat_interval_ms")) <= 0)
				_exit(11);
			answer(json_pack("{s:s, s:b}", "op", "ready", "ping", 1), NULL, 0);
		} else if (str_eq(op, "ping") && !mute) {
			answer(json_pack("{s:s}", "op", "pong"), NULL, 0);
		} else if (str_eq(op, "task")) {
			act(run, h, body + 1, n - (size_t)(body + 1 - frame));
		} else if (str_eq(op, "cancel") && !deaf_to_cancel) {
			answer(json_pack("{s:s, s:I, s:s}", "op", "fail", "run", run, "error", "let go"), NULL, 0);
		}
		json_decref(h);
	}
	_exit(0);
}

/* ---- the tests ---- */

static char *worker_yaml(const char *word, const char *more)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(n > 0);
	self[n] = '\0';
	/* No limit on memory: the sanitizers reserve terabytes of addresses. */
	return xasprintf("- type: w\n  kind: worker\n  command: ['%s', %s]\n  backoff_min: 50ms\n"
	                 "  limits: {grace: 300ms, memory: 0, output: 2MiB}\n%s",
	                 self, word, more);
}

static void open_worker(struct rig *r, const char *word, const char *more)
{
	CLEANUP(free_ptr) char *yaml = worker_yaml(word, more);
	rig_open(r, yaml);
}

static void expect(struct rig *r, struct rig_run *run, enum handler_outcome outcome, const char *words)
{
	rig_wait(r, run);
	const char *got = run->outcome == RESULT_OK ? run->data : run->error;
	if (run->outcome != outcome || strstr(got, words) == NULL)
		fail_msg("outcome %d: %s; want %s", run->outcome, got, words);
}

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

/* ---- agents that are placed by name ---- */

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
	if (argc > 1 &&
		(str_eq(argv[1], "--agent") || str_eq(argv[1], "--deaf") || str_eq(argv[1], "--pings"))) {
		deaf_to_cancel = str_eq(argv[1], "--deaf");
		says_ready = str_eq(argv[1], "--pings");
		return agent_main();
	}
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
