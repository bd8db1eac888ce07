/* What a list of handlers may say, what is said about one that may not, and the built-ins. */
#include "rig.h"

static void check_error(const char *yaml, const char *words)
{
	struct handler_context ctx = {0}; /* no loop: only checked */
	struct handlers *hs = NULL;
	struct err e = {0};
	struct doc *d = rig_doc(yaml);
	int rc = handlers_open(d, &ctx, &hs, &e);
	doc_free(d);
	if (words == NULL) {
		if (rc < 0)
			fail_msg("%s\n%s", yaml, e.text);
		handlers_close(&hs, NULL, NULL);
		return;
	}
	assert_int_equal(rc, ERR_INVALID);
	assert_null(hs);
	if (strstr(e.text, words) == NULL)
		fail_msg("%s\ngot:  %s\nwant: %s", yaml, e.text, words);
}

static void lists_are_checked(void **state)
{
	(void)state;
	static const struct {
		const char *yaml, *words;
	} t[] = {
		{"[]", NULL},
		{"- type: echo", NULL},
		{"- {type: up, kind: echo, timeout: 5s, slots: 3}", NULL},
		{"- {type: w, kind: exec, command: [wc, -w], input: file, permanent: [64], limits: {cpu: "
		 "5s, memory: 1GiB, output: 10}}",
		 NULL},
		{"- {type: w, kind: worker, command: [x], processes: 2, agents: 3, env: {A: b}, directory: "
		 "/}",
		 NULL},
		{"- {type: w, kind: service, subject: handle.other}", NULL},
		{"a: b", "line 1: handlers is a list"},
		{"- echo", "line 1: a handler is a map"},
		{"- type: echo\n- kind: echo", "line 2: type is missing"},
		{"- type: a--b\n  kind: echo", "line 1"},
		{"- type: a b\n  kind: echo", "line 1"},
		{"- type: x", "kind is missing"},
		{"- type: x\n  kind: shell", "line 2: unknown kind \"shell\": there are echo, sleep"},
		{"- type: echo\n- type: echo", "line 2: type echo is there twice"},
		{"- type: echo\n  colour: red", "line 2: unknown key \"colour\""},
		{"- type: echo\n  timeout: soon", "line 2: timeout"},
		{"- type: echo\n  slots: -1", "line 2: slots"},
		{"- type: echo\n  slots: [1]", "line 2: slots takes one value"},
		{"- type: x\n  kind: exec", "command is missing"},
		{"- type: x\n  kind: exec\n  command: wc -w", "line 3: command is a list"},
		{"- type: x\n  kind: exec\n  command: [[wc]]", "command is a list of strings"},
		{"- type: x\n  kind: exec\n  command: []", "command is missing"},
		{"- type: x\n  kind: exec\n  command: [wc]\n  input: disk",
		 "line 4: input is stdin or file"},
		{"- type: x\n  kind: exec\n  command: [wc]\n  permanent: [abc]", "line 4: permanent"},
		{"- type: x\n  kind: exec\n  command: [wc]\n  limits:\n    memory: lots", "line 5: memory"},
		{"- type: x\n  kind: exec\n  command: [wc]\n  limits:\n    fuel: 3",
		 "line 5: unknown key \"fuel\""},
		{"- type: x\n  kind: exec\n  command: [wc]\n  env: [A]", "line 4: env is a map"},
		{"- type: x\n  kind: worker\n  command: [wc]\n  processes: 0", "line 4: processes"},
		{"- {type: x, kind: worker, command: [wc], spawned: true}", NULL},
		{"- {type: x, kind: worker, command: [wc], spawned: false, processes: 2, idle: 1s}", NULL},
		{"- type: x\n  kind: worker\n  spawned: true\n  command: [wc]\n  processes: 2",
		 "line 5: processes does not go with spawned"},
		{"- type: x\n  kind: worker\n  spawned: true\n  command: [wc]\n  agents: 2",
		 "line 5: agents does not go with spawned"},
		{"- type: x\n  kind: worker\n  spawned: true\n  command: [wc]\n  idle: 2s",
		 "line 5: idle does not go with spawned"},
		{"- {type: x, kind: exec, command: [wc], spawned: true}", "spawned"},
		{"- type: x\n  kind: service\n  subject: handle.*", "line 3: subject"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		check_error(t[i].yaml, t[i].words);
	}
}

static void without_a_list_there_are_the_built_ins(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, NULL);
	static const char *const names[] = {"echo", "sleep", "hash", "stats", "fail", "flaky"};
	assert_int_equal(handlers_count(r.handlers), ARRAY_LEN(names));
	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		assert_string_equal(handlers_at(r.handlers, i)->type, names[i]);
		assert_ptr_equal(handlers_find(r.handlers, names[i]), handlers_at(r.handlers, i));
	}
	assert_null(handlers_at(r.handlers, ARRAY_LEN(names)));
	assert_null(handlers_find(r.handlers, "exec"));
	struct handler *b = handlers_bridge(r.handlers, "shout");
	assert_string_equal(b->kind->name, "service");
	assert_ptr_equal(handlers_bridge(r.handlers, "shout"), b);
	assert_null(handlers_find(r.handlers, "shout"));
	assert_int_equal(handlers_count(r.handlers), ARRAY_LEN(names));
	rig_close(&r);
}

static void a_type_has_its_own_timeout_and_slots(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: up, kind: echo, timeout: 5s, slots: 3}\n"
	             "- {type: w, kind: worker, command: [x], processes: 2, agents: 4}\n"
	             "- {type: v, kind: worker, command: [x], slots: 3}\n");
	assert_int_equal(handlers_find(r.handlers, "up")->timeout_ns, 5 * NS_PER_S);
	assert_int_equal(handlers_find(r.handlers, "up")->slots, 3);
	assert_int_equal(handlers_find(r.handlers, "w")->slots, 8);
	assert_int_equal(handlers_find(r.handlers, "v")->slots, 3);
	rig_close(&r);
}

struct want {
	const char *type, *body;
	enum handler_outcome outcome;
	const char *text; /* of the result, or in the error */
	bool permanent;
};

static void check_run(const struct want *w, const struct rig_run *run)
{
	const char *got = run->outcome == RESULT_OK ? run->data : run->error;
	bool same = w->outcome == RESULT_OK ? str_eq(got, w->text) : strstr(got, w->text) != NULL;
	if (run->outcome != w->outcome || !same || run->permanent != w->permanent)
		fail_msg("%s(%.50s): outcome %d permanent %d: %s", w->type, w->body, run->outcome, run->permanent,
		         got);
}

static void built_ins_do_what_they_say(void **state)
{
	(void)state;
	static const struct want t[] = {
		{"echo", "hello", RESULT_OK, "hello"},
		{"echo", "", RESULT_OK, ""},
		{"sleep", "30ms", RESULT_OK, "30ms"},
		{"sleep", " 10ms\n", RESULT_OK, " 10ms\n"},
		{"sleep", "long", RESULT_FAILED, "duration", true},
		{"sleep", "", RESULT_FAILED, "duration", true},
		{"hash", "", RESULT_OK, "e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855"},
		{"hash", "abc", RESULT_OK, "ba7816bf8f01cfea414140de5dae2223b00361a396177a9cb410ff61f20015ad"},
		{"stats", "no numbers here", RESULT_FAILED, "no column of numbers", true},
		{"fail", "for a\nreason", RESULT_FAILED, "for a reason"},
		{"fail", "", RESULT_FAILED, "asked to fail"},
		{"flaky", "1", RESULT_OK, "1"},   /* the rig's attempt is the second */
		{"flaky", "2", RESULT_FAILED, "attempt 2 of 2"},
		{"flaky", "-1", RESULT_FAILED, "number", true},
		{"flaky", "x", RESULT_FAILED, "number", true},
	};
	struct rig r;
	rig_open(&r, NULL);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig_run *run = rig_do(&r, t[i].type, t[i].body);
		check_run(&t[i], run);
		rig_free(run);
	}
	rig_close(&r);
}

static void large_bodies_are_computed_in_threads(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, NULL);
	size_t len = 3 << 20;
	CLEANUP(free_ptr) char *body = xmalloc(len);
	for (size_t i = 0; i < len; i++) {
		body[i] = "1\n2\n3\n4\n"[i % 8];
	}
	struct rig_run *hash = rig_start(&r, "hash", body, len);
	struct rig_run *stats = rig_start(&r, "stats", body, len);
	assert_false(hash->done);
	assert_false(stats->done);
	rig_wait(&r, hash);
	rig_wait(&r, stats);
	assert_int_equal(hash->len, 64);
	assert_string_equal(stats->content_type, "application/json");
	assert_non_null(strstr(stats->data, "\"mean\":2.5,"));
	rig_free(hash);
	rig_free(stats);
	rig_close(&r);
}

static void a_cancelled_sleep_ends_soon(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, NULL);
	struct rig_run *run = rig_start_text(&r, "sleep", "1h");
	rig_cancel_in(&r, run, 10);
	rig_wait(&r, run);
	assert_int_equal(run->outcome, RESULT_FAILED);
	rig_free(run);
	rig_close(&r);
}

static void closing_drops_what_runs(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, NULL);
	size_t len = 2 << 20;
	CLEANUP(free_ptr) char *body = xcalloc(1, len);
	struct rig_run *runs[] = {rig_start_text(&r, "sleep", "1h"), rig_start(&r, "hash", body, len),
	                          rig_start_text(&r, "sleep", "2h")};
	rig_close(&r);
	for (size_t i = 0; i < ARRAY_LEN(runs); i++) {
		assert_false(runs[i]->done);
		rig_free(runs[i]);
	}
}

int main(int argc, char **argv)
{
	RIG_MAIN(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(lists_are_checked),
		cmocka_unit_test(without_a_list_there_are_the_built_ins),
		cmocka_unit_test(a_type_has_its_own_timeout_and_slots),
		cmocka_unit_test(built_ins_do_what_they_say),
		cmocka_unit_test(large_bodies_are_computed_in_threads),
		cmocka_unit_test(a_cancelled_sleep_ends_soon),
		cmocka_unit_test(closing_drops_what_runs),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
