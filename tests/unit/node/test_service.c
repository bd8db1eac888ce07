/* Kind `service` against a bus that this file plays itself: what leaves, and what each answer means. */
#include "rig.h"

#include "common/task.h"

/* ---- the bus that the handler believes to speak to ---- */

struct bus_msg {
	const char *data;
	struct bus_header headers[4];
};

struct bus_call {
	bus_on_reply on_reply;
	void *data;
};

static struct {
	char subject[200];
	char body[200];
	char headers[1000]; /* "Name=value;" … */
	int64_t timeout_ms;
	struct bus_call *call;
	unsigned cancelled;
	int refuse; /* a code that bus_request fails with */
} bus;

int bus_request(struct bus *b, const struct bus_out *out, int64_t timeout_ms, bus_on_reply on_reply,
                void *data, struct bus_call **ret_call, struct err *e)
{
	(void)b;
	if (bus.refuse)
		return err_set(e, bus.refuse, "refused");
	snprintf(bus.subject, sizeof bus.subject, "%s", out->subject);
	snprintf(bus.body, sizeof bus.body, "%.*s", (int)out->len, (const char *)out->data);
	bus.headers[0] = '\0';
	for (size_t i = 0; i < out->nheaders; i++) {
		size_t used = strlen(bus.headers);
		snprintf(bus.headers + used, sizeof bus.headers - used, "%s=%s;", out->headers[i].name,
		         out->headers[i].value);
	}
	bus.timeout_ms = timeout_ms;
	bus.call = xcalloc(1, sizeof *bus.call);
	*bus.call = (struct bus_call){on_reply, data};
	*ret_call = bus.call;
	return 0;
}

void bus_call_cancel(struct bus_call **call)
{
	bus.cancelled++;
	free(*call);
	*call = NULL;
}

const char *bus_msg_header(const struct bus_msg *m, const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(m->headers) && m->headers[i].name; i++) {
		if (str_eq(m->headers[i].name, name))
			return m->headers[i].value;
	}
	return NULL;
}

bool bus_msg_headers_unreadable(const struct bus_msg *m UNUSED)
{
	return false;
}

const char *bus_msg_data(const struct bus_msg *m)
{
	return m->data;
}

size_t bus_msg_len(const struct bus_msg *m)
{
	return strlen(m->data);
}

static void reply(struct bus_msg *m, const struct err *e)
{
	struct bus_call *c = TAKE(bus.call);
	c->on_reply(c->data, m ? &m : NULL, e);
	free(c);
}

/* ---- the tests ---- */

static void the_task_leaves_as_a_request(void **state)
{
	(void)state;
	static const struct bus_header headers[] = {
		{"Task-Id", "t1"}, {"nats-msg-id", "t1/1/1"}, {"Nats-Expected-Stream", "X"},
		{"Task-Reply-To", "_INBOX.x"}, {"X-Colour", "red"},
	};
	struct rig r;
	rig_open(&r, "- {type: a, kind: service}\n- {type: b, kind: service, subject: my.own}\n");
	struct handler *h = handlers_find(r.handlers, "a");
	struct rig_run run = {.run = {.handler = h,
	                              .task = {.id = "t1", .type = "a", .body = "hi", .len = 2, .headers = headers,
	                                       .nheaders = ARRAY_LEN(headers), .epoch = 77, .timeout_ns = 3 * NS_PER_S},
	                              .on_done = rig_on_done}};
	h->kind->start(h, &run.run);
	assert_string_equal(bus.subject, "handle.a");
	assert_string_equal(bus.body, "hi");
	assert_string_equal(bus.headers, "Task-Id=t1;X-Colour=red;Task-Execution-Epoch=77;");
	assert_true(bus.timeout_ms >= 3000);
	struct bus_msg m = {"there", {{"Content-Type", "text/x"}}};
	reply(&m, NULL);
	assert_true(run.done);
	assert_int_equal(run.outcome, RESULT_OK);
	assert_string_equal(run.data, "there");
	assert_string_equal(run.content_type, "text/x");
	free(run.data);

	struct rig_run *other = rig_start_text(&r, "b", "x");
	assert_string_equal(bus.subject, "my.own");
	reply(&(struct bus_msg){""}, NULL);
	assert_int_equal(other->outcome, RESULT_OK);
	assert_int_equal(other->len, 0);
	rig_free(other);
	rig_close(&r);
}

static void answers_are_outcomes(void **state)
{
	(void)state;
	static const struct {
		struct bus_header headers[3];
		int code; /* instead of a reply */
		enum handler_outcome outcome;
		const char *words, *reason;
		bool permanent;
		int64_t after_ns;
	} t[] = {
		{{{"Nats-Service-Error-Code", "500"}, {"Nats-Service-Error", "no\r\nluck"}}, 0, RESULT_FAILED,
	     "no luck (service error 500)", "", false, 0},
		{{{"Nats-Service-Error-Code", "400"}}, 0, RESULT_FAILED, "(service error 400)", "", true, 0},
		{{{"Nats-Service-Error-Code", "429"}, {"Retry-After", "3"}}, 0, RESULT_FAILED, "429", "", false,
	     3 * NS_PER_S},
		{{{"Nats-Service-Error-Code", "503"}, {"Retry-After", "soon"}}, 0, RESULT_FAILED, "503", "", false, 0},
		{{{"Nats-Service-Error", "just words"}}, 0, RESULT_FAILED, "just words", "", false, 0},
		{{{0}}, ERR_NOT_FOUND, RESULT_RETURNED, "nobody answers on handle.a", "no-responders", false, 0},
		{{{0}}, ERR_UNREACHABLE, RESULT_RETURNED, "words", "no-responders", false, 0},
		{{{0}}, ERR_TIMEOUT, RESULT_FAILED, "words", "timeout", false, 0},
		{{{0}}, ERR_TOO_LARGE, RESULT_FAILED, "words", "", true, 0},
	};
	struct rig r;
	rig_open(&r, "- {type: a, kind: service}\n");
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct rig_run *run = rig_start_text(&r, "a", "x");
		struct bus_msg m = {"body", {t[i].headers[0], t[i].headers[1]}};
		struct err e;
		err_set(&e, t[i].code, "words");
		reply(t[i].code ? NULL : &m, t[i].code ? &e : NULL);
		assert_true(run->done);
		assert_int_equal(run->outcome, t[i].outcome);
		if (strstr(run->error, t[i].words) == NULL)
			fail_msg("%s; want %s", run->error, t[i].words);
		assert_string_equal(run->reason, t[i].reason);
		assert_int_equal(run->permanent, t[i].permanent);
		assert_int_equal(run->retry_after_ns, t[i].after_ns);
		rig_free(run);
	}
	rig_close(&r);
}

static void what_cannot_be_sent_is_told_at_once(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, NULL);
	struct handler *h = handlers_bridge(r.handlers, "shout");
	bus.refuse = ERR_UNREACHABLE;
	struct rig_run run = {.run = {.handler = h, .task = {.id = "t", .type = "shout", .body = ""}, .on_done = rig_on_done}};
	h->kind->start(h, &run.run);
	bus.refuse = 0;
	assert_int_equal(run.outcome, RESULT_RETURNED);
	free(run.data);
	rig_close(&r);
}

static void cancel_and_close_forget_the_request(void **state)
{
	(void)state;
	struct rig r;
	rig_open(&r, "- {type: a, kind: service}\n");
	bus.cancelled = 0;
	struct rig_run *run = rig_start_text(&r, "a", "x");
	run->run.handler->kind->cancel(run->run.handler, &run->run);
	assert_true(run->done);
	assert_int_equal(bus.cancelled, 1);
	struct rig_run *dropped = rig_start_text(&r, "a", "y");
	rig_close(&r);
	assert_int_equal(bus.cancelled, 2);
	assert_false(dropped->done);
	rig_free(run);
	rig_free(dropped);
}

int main(int argc, char **argv)
{
	RIG_MAIN(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_task_leaves_as_a_request),
		cmocka_unit_test(answers_are_outcomes),
		cmocka_unit_test(what_cannot_be_sent_is_told_at_once),
		cmocka_unit_test(cancel_and_close_forget_the_request),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
