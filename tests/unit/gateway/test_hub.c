/* hub: one frame for all, a place for each; over the stated limits, what is said to happen. The server is played here. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "common/clock.h"
#include "gateway/hub.h"

/* ---- the server's part ---- */

struct http_request {
	struct http_stream stream;
	bool woken, closed;
};

void http_answer_header(struct http_request *r UNUSED, const char *name UNUSED,
						const char *value UNUSED)
{
}

void http_reply_stream(struct http_request *r, unsigned status, const char *content_type,
					   uint64_t len_bytes, const struct http_stream *s)
{
	assert_int_equal(status, 200);
	assert_string_equal(content_type, "text/event-stream");
	assert_true(len_bytes == UINT64_MAX);
	r->stream = *s;
	r->woken = true;
}

void http_stream_wake(struct http_request *r)
{
	r->woken = true;
}

static void leave(struct http_request *r)
{
	r->stream.on_close(r->stream.data);
}

/* All that it is told until it has to wait; heartbeats left out. By pieces of max bytes. */
static char *hear_by(struct http_request *r, size_t max)
{
	struct buf all = {0};
	char piece[4096];
	ssize_t n;

	buf_add_str(&all, "");
	if (!r->woken) /* as the server: nobody is asked who was not woken */
		return buf_take(&all);
	while ((n = r->stream.read(r->stream.data, piece, max)) > 0) {
		if (!(n == 3 && memcmp(piece, ":\n\n", 3) == 0))
			buf_add(&all, piece, (size_t)n);
	}
	r->woken = false;
	r->closed = n < 0;
	return buf_take(&all);
}

static char *hear(struct http_request *r)
{
	return hear_by(r, 4096);
}

/* The data of each event, by spaces, and the last id. */
static char *words(char *text_owned, char ret_id[64])
{
	struct buf out = {0};

	buf_add_str(&out, "");
	for (char *at = text_owned; (at = strstr(at, "id: ")); at++) {
		char event[16], data[64];

		assert_int_equal(sscanf(at, "id: %63s event: %15s data: %63s", ret_id, event, data), 3);
		buf_printf(&out, "%s%s", out.len ? " " : "", data);
	}
	free(text_owned);
	return buf_take(&out);
}

static void expect(struct http_request *r, const char *heard)
{
	char id[64];
	CLEANUP(free_ptr) char *got = words(hear(r), id);

	assert_string_equal(got, heard);
}

/* ---- the hub's owner's part ---- */

static uv_loop_t loop;
static struct timeouts *all;
static bool known = true;
static unsigned snapshots, left;
static size_t snapshot_bytes = 1;

static bool on_snapshot(void *data UNUSED, struct buf *out)
{
	if (!known)
		return false;
	snapshots++;
	buf_add_str(out, "S");
	while (out->len < snapshot_bytes)
		buf_add(out, "s", 1);
	return true;
}

static void on_leave(void *data UNUSED)
{
	left++;
}

static struct hub *make(size_t frames, size_t bytes, size_t held)
{
	const struct hub_limits limits = {frames, bytes, held};
	const struct hub_source source = {on_snapshot, on_leave, NULL};

	snapshots = left = 0;
	snapshot_bytes = 1;
	known = true;
	return hub_new(all, &limits, &source);
}

static void publish(struct hub *h, unsigned from, unsigned to)
{
	for (unsigned i = from; i <= to; i++) {
		char text[16];

		snprintf(text, sizeof(text), "%u", i);
		hub_publish(h, "delta", text, strlen(text));
	}
}

/* ---- what holds ---- */

static void a_newcomer_gets_a_snapshot_then_what_comes(void **state UNUSED)
{
	struct hub *h = make(8, 1000, 1000);
	struct http_request a = {0}, b = {0};

	publish(h, 1, 3);
	hub_listen(h, &a, NULL);
	expect(&a, "S");
	publish(h, 4, 5);
	assert_true(a.woken);
	expect(&a, "4 5");
	hub_listen(h, &b, NULL); /* shares the snapshot, and hears what came since */
	expect(&b, "S 4 5");
	assert_int_equal(snapshots, 1);
	assert_int_equal(hub_listeners(h), 2);
	leave(&a);
	leave(&b);
	assert_int_equal(left, 2);
	hub_free(&h);
}

static void one_waits_for_a_snapshot_that_is_not_there_yet(void **state UNUSED)
{
	struct hub *h = make(8, 1000, 1000);
	struct http_request a = {0};

	known = false;
	hub_listen(h, &a, NULL);
	expect(&a, "");
	known = true;
	hub_wake(h);
	expect(&a, "S");
	leave(&a);
	hub_free(&h);
}

static void a_known_id_goes_on_behind_it(void **state UNUSED)
{
	struct hub *h = make(4, 1000, 1000);
	struct http_request a = {0}, b = {0}, c = {0}, d = {0}, e = {0};
	char id[64], other[80], ahead[80];

	hub_listen(h, &a, NULL);
	expect(&a, "S");
	publish(h, 1, 2);
	free(words(hear(&a), id));
	publish(h, 3, 5);
	hub_listen(h, &b, id); /* of 2 */
	expect(&b, "3 4 5");
	publish(h, 6, 6);
	hub_listen(h, &c, id); /* 3 is just there still */
	expect(&c, "3 4 5 6");
	publish(h, 7, 7);
	hub_listen(h, &d, id); /* and now it is not */
	expect(&d, "S");
	/* Of another start, of the future, none at all. */
	snprintf(other, sizeof(other), "x%s", id);
	snprintf(ahead, sizeof(ahead), "%.*s-99", 16, id);
	const char *const bad[] = {other, ahead, "", "-", "5", "0123456789abcdef-"};
	for (size_t i = 0; i < ARRAY_LEN(bad); i++) {
		hub_listen(h, &e, bad[i]);
		expect(&e, "S");
		leave(&e);
	}
	leave(&a);
	leave(&b);
	leave(&c);
	leave(&d);
	hub_free(&h);
}

static void who_falls_out_of_the_ring_begins_anew(void **state UNUSED)
{
	struct hub *h = make(4, 1000, 1000);
	struct http_request slow = {0}, quick = {0};

	hub_listen(h, &slow, NULL);
	hub_listen(h, &quick, NULL);
	expect(&slow, "S");
	expect(&quick, "S");
	publish(h, 1, 4);
	expect(&quick, "1 2 3 4");
	publish(h, 5, 5);
	expect(&quick, "5");
	expect(&slow, "S");
	publish(h, 6, 6);
	expect(&slow, "6");
	leave(&slow);
	leave(&quick);
	hub_free(&h);
}

static void a_frame_that_is_being_sent_outlives_the_ring(void **state UNUSED)
{
	struct hub *h = make(2, 1000, 10000);
	struct http_request a = {0};
	char piece[8], id[64];
	struct buf text = {0};

	hub_listen(h, &a, NULL);
	expect(&a, "S");
	publish(h, 1, 1);
	assert_int_equal(a.stream.read(a.stream.data, piece, sizeof(piece)), sizeof(piece));
	buf_add(&text, piece, sizeof(piece));
	publish(h, 2, 9);
	a.woken = true;
	CLEANUP(free_ptr) char *rest = hear_by(&a, sizeof(piece));
	buf_add_str(&text, rest);
	CLEANUP(free_ptr) char *got = words(buf_take(&text), id);
	assert_string_equal(got, "1 S"); /* whole, then anew */
	leave(&a);
	hub_free(&h);
}

static void memory_is_the_rings_however_many_listen(void **state UNUSED)
{
	struct hub *h = make(16, 1000, 1000);
	static struct http_request many[500];

	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		many[i] = (struct http_request){0};
		hub_listen(h, &many[i], NULL);
		free(hear(&many[i]));
	}
	for (unsigned i = 1; i < 200; i++) {
		publish(h, i, i);
		assert_true(hub_bytes(h) <= 1000 + 100); /* and the snapshot that is kept */
	}
	for (size_t i = 0; i < ARRAY_LEN(many); i++)
		leave(&many[i]);
	hub_free(&h);
}

static void slow_ones_are_broken_off_when_they_hold_too_much(void **state UNUSED)
{
	struct hub *h = make(2, 100000, 5000);
	struct http_request slow[4] = {0}, late = {0};
	char piece[8];

	snapshot_bytes = 2000;
	/* Each is in the middle of a snapshot of its own when the ring has moved on. */
	for (size_t i = 0; i < ARRAY_LEN(slow); i++) {
		hub_listen(h, &slow[i], NULL);
		assert_true(slow[i].stream.read(slow[i].stream.data, piece, sizeof(piece)) > 0);
		publish(h, 1, 4);
	}
	assert_true(hub_bytes(h) > 5000);
	/* Who has fallen out is broken off once it needs another; a newcomer is not. */
	free(hear(&slow[0]));
	assert_true(slow[0].closed);
	hub_listen(h, &late, NULL);
	CLEANUP(free_ptr) char *got = hear(&late);
	assert_non_null(strstr(got, "Sss"));
	assert_false(late.closed);
	for (size_t i = 0; i < ARRAY_LEN(slow); i++)
		leave(&slow[i]);
	leave(&late);
	hub_free(&h);
}

static void the_end_comes_after_what_is_being_sent(void **state UNUSED)
{
	struct hub *h = make(4, 1000, 1000);
	struct http_request a = {0};

	hub_listen(h, &a, NULL);
	expect(&a, "S");
	hub_end(h);
	expect(&a, "");
	assert_true(a.closed);
	leave(&a);
	hub_free(&h);
}

static void on_enough(struct timeout *t UNUSED)
{
	uv_stop(&loop);
}

static void silence_is_broken_by_a_heartbeat(void **state UNUSED)
{
	struct hub *h = make(4, 1000, 1000);
	struct http_request a = {0};
	struct timeout enough;
	char piece[16];

	hub_listen(h, &a, NULL);
	free(hear(&a));
	assert_false(a.woken);
	timeout_init(&enough, all);
	timeout_start(&enough, HUB_BEAT_MS + 1000, on_enough);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_true(a.woken);
	assert_int_equal(a.stream.read(a.stream.data, piece, sizeof(piece)), 3);
	assert_memory_equal(piece, ":\n\n", 3);
	assert_int_equal(a.stream.read(a.stream.data, piece, sizeof(piece)), 0);
	leave(&a);
	hub_free(&h);
}

static int set_up(void **state UNUSED)
{
	uv_loop_init(&loop);
	all = timeouts_new(&loop);
	return 0;
}

static int tear_down(void **state UNUSED)
{
	timeouts_free(all);
	uv_run(&loop, UV_RUN_DEFAULT);
	return uv_loop_close(&loop);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_newcomer_gets_a_snapshot_then_what_comes),
		cmocka_unit_test(one_waits_for_a_snapshot_that_is_not_there_yet),
		cmocka_unit_test(a_known_id_goes_on_behind_it),
		cmocka_unit_test(who_falls_out_of_the_ring_begins_anew),
		cmocka_unit_test(a_frame_that_is_being_sent_outlives_the_ring),
		cmocka_unit_test(memory_is_the_rings_however_many_listen),
		cmocka_unit_test(slow_ones_are_broken_off_when_they_hold_too_much),
		cmocka_unit_test(the_end_comes_after_what_is_being_sent),
		cmocka_unit_test(silence_is_broken_by_a_heartbeat),
	};

	return cmocka_run_group_tests(tests, set_up, tear_down);
}
