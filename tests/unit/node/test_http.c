/* The http handler against sockets of the test's own: what must not be left when it is closed, or cancelled. */
#include "rig.h"

#include <arpa/inet.h>
#include <sys/socket.h>

#include "node/handlers/http_host.h"

/* A host that takes connections and says nothing. */
static int mute(int *ret_port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	assert_int_equal(listen(fd, 16), 0);
	*ret_port = ntohs(a.sin_port);
	return fd;
}

static void open_at(struct rig *r, int port, const char *more)
{
	char yaml[512];

	snprintf(yaml, sizeof(yaml),
			 "- {type: one, kind: http, url: 'http://127.0.0.1:%d/x'%s}\n"
			 "- {type: two, kind: http, url: 'http://127.0.0.1:%d/y'%s}\n",
			 port, more, port, more);
	rig_open(r, yaml);
}

static void nothing_is_left_of_what_was_under_way(void **state)
{
	(void)state;
	struct rig r;
	int port, fd = mute(&port);
	open_at(&r, port, ", connections: 1");
	struct rig_run *a = rig_start_text(&r, "one", "body");
	struct rig_run *b = rig_start_text(&r, "two", "body"); /* waits for the one connection */
	rig_idle(&r, 100);
	assert_false(a->done || b->done);
	rig_close(&r);
	assert_false(a->done || b->done);
	rig_free(a);
	rig_free(b);
	close(fd);
}

static void a_cancel_ends_it_at_once_and_only_it(void **state)
{
	(void)state;
	struct rig r;
	int port, fd = mute(&port);
	open_at(&r, port, "");
	struct rig_run *a = rig_start_text(&r, "one", "body");
	struct rig_run *b = rig_start_text(&r, "one", "body");
	rig_idle(&r, 50);
	a->run.handler->kind->cancel(a->run.handler, &a->run);
	assert_true(a->done);
	assert_int_equal(a->outcome, RESULT_FAILED);
	assert_string_equal(a->reason, "timeout");
	rig_idle(&r, 50);
	assert_false(b->done);
	rig_close(&r);
	rig_free(a);
	rig_free(b);
	close(fd);
}

static void a_file_as_the_body_may_be_cancelled_while_it_is_read(void **state)
{
	(void)state;
	struct rig r;
	int port, fd = mute(&port);
	char path[] = "/tmp/millrace-test-XXXXXX";
	int file = mkstemp(path);
	assert_int_equal(ftruncate(file, 64 << 20), 0);
	open_at(&r, port, "");
	for (int turns = 0; turns < 20; turns++) {
		struct handler *h = handlers_find(r.handlers, "one");
		struct rig_run *a = xcalloc(1, sizeof(*a));
		a->run = (struct handler_run){.handler = h,
									  .task = {.id = "t",
											   .type = "one",
											   .body = xmemdup0("", 0),
											   .file = path,
											   .file_bytes = 64 << 20,
											   .attempt = 1,
											   .timeout_ns = 60 * NS_PER_S},
									  .on_done = rig_on_done};
		h->kind->start(h, &a->run);
		for (int i = 0; i < turns; i++)
			uv_run(&r.loop, UV_RUN_NOWAIT);
		if (!a->done)
			h->kind->cancel(h, &a->run);
		assert_true(a->done);
		rig_free(a);
	}
	rig_close(&r);
	unlink(path);
	close(file);
	close(fd);
}

static void types_of_one_host_share_its_breaker(void **state)
{
	(void)state;
	struct rig r;
	int port, fd = mute(&port);
	close(fd); /* nobody listens there any more */
	open_at(&r, port, ", breaker: {failures: 2, percent: 0, open: 60s}");
	for (int i = 0; i < 2; i++) {
		struct rig_run *a = rig_do(&r, "one", "body");
		assert_int_equal(a->outcome, RESULT_FAILED);
		assert_false(a->permanent);
		rig_free(a);
	}
	struct rig_run *b = rig_do(&r, "two", "body");
	assert_int_equal(b->outcome, RESULT_RETURNED);
	assert_string_equal(b->reason, "breaker");
	assert_true(b->retry_after_ns > 50 * NS_PER_S && b->retry_after_ns <= 60 * NS_PER_S);
	rig_free(b);
	rig_close(&r);
}

static void types_of_one_host_must_agree_about_it(void **state)
{
	(void)state;
	struct rig r = {0};
	struct err e = {0};
	struct doc *d = rig_doc("- {type: one, kind: http, url: 'http://h/', connections: 2}\n"
							"- {type: two, kind: http, url: 'http://h:80/', connections: 3}\n");
	uv_loop_init(&r.loop);
	r.ctx = (struct handler_context){.loop = &r.loop, .node = "rig"};
	assert_int_equal(handlers_open(d, &r.ctx, &r.handlers, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "line 2: http://h:80 is another handler's too"));
	uv_run(&r.loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&r.loop), 0);
	doc_free(d);
}

int main(int argc, char **argv)
{
	RIG_MAIN(argc, argv);
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(nothing_is_left_of_what_was_under_way),
		cmocka_unit_test(a_cancel_ends_it_at_once_and_only_it),
		cmocka_unit_test(a_file_as_the_body_may_be_cancelled_while_it_is_read),
		cmocka_unit_test(types_of_one_host_share_its_breaker),
		cmocka_unit_test(types_of_one_host_must_agree_about_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
