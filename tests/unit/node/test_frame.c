/* Frames: whole, in pieces, many at once, and what no frame may be. */
#include <arpa/inet.h>
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>

#include <cmocka.h>

#include "node/handlers/frame.h"

static const char body[] = "binary \0 body\nwith lines\xff";

static void add_frame(struct buf *b, int number)
{
	struct err e;
	json_t *h = json_pack("{s:s, s:i}", "op", "result", "run", number);
	assert_int_equal(frame_write(h, body, sizeof body, b, &e), 0);
	json_decref(h);
}

static void check(struct frame *f, int number)
{
	assert_int_equal(json_integer_value(json_object_get(f->header, "run")), number);
	assert_int_equal(f->len, sizeof body);
	assert_memory_equal(f->body, body, sizeof body);
	json_decref(f->header);
}

static void frames_come_back_in_any_pieces(void **state)
{
	(void)state;
	CLEANUP(buf_release) struct buf b = {0};
	for (int i = 0; i < 5; i++) {
		add_frame(&b, i);
	}
	for (size_t piece = 1; piece <= b.len; piece++) {
		CLEANUP(frame_reader_release) struct frame_reader r = {.body_max_bytes = 100};
		int seen = 0;
		for (size_t at = 0; at < b.len; at += piece) {
			frame_feed(&r, b.data + at, MIN_OF(piece, b.len - at));
			struct frame f;
			struct err e;
			int rc;
			while ((rc = frame_next(&r, &f, &e)) == 1) {
				check(&f, seen++);
			}
			assert_int_equal(rc, 0);
		}
		assert_int_equal(seen, 5);
	}
}

static int feed(const char *bytes, size_t len, size_t max, struct err *e)
{
	CLEANUP(frame_reader_release) struct frame_reader r = {.body_max_bytes = max};
	frame_feed(&r, bytes, len);
	struct frame f;
	int rc = frame_next(&r, &f, e);
	if (rc == 1)
		json_decref(f.header);
	return rc;
}

static void empty_bodies_are_frames(void **state)
{
	(void)state;
	struct err e;
	assert_int_equal(feed("\0\0\0\3{}\n", 7, 0, &e), 1);
}

static void what_is_no_frame_is_refused(void **state)
{
	(void)state;
	static const struct {
		const char *bytes;
		size_t len;
		int rc;
	} t[] = {
		{"", 0, 0},
		{"\0\0\0", 3, 0},
		{"\0\0\0\3{}", 6, 0},
		{"Hello, world!\n", 14, ERR_TOO_LARGE},
		{"\xff\xff\xff\xff", 4, ERR_TOO_LARGE},
		{"\0\0\0\0", 4, ERR_PROTOCOL},
		{"\0\0\0\2{}", 6, ERR_PROTOCOL},
		{"\0\0\0\3[]\n", 7, ERR_PROTOCOL},
		{"\0\0\0\4abc\n", 8, ERR_PROTOCOL},
		{"\0\0\0\1\n", 5, ERR_PROTOCOL},
		{"\0\0\0\x0e{}\n01234567890", 18, ERR_TOO_LARGE},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct err e = {0};
		int rc = feed(t[i].bytes, t[i].len, 10, &e);
		if (rc != t[i].rc)
			fail_msg("case %zu: %d %s", i, rc, e.text);
	}
}

static void a_long_first_line_is_refused(void **state)
{
	(void)state;
	size_t n = FRAME_HEADER_MAX + 5;
	CLEANUP(free_ptr) char *bytes = xcalloc(1, n + 4);
	uint32_t len = htonl((uint32_t)n);
	memcpy(bytes, &len, 4);
	memset(bytes + 4, ' ', n);
	bytes[4 + n - 1] = '\n';
	struct err e;
	assert_int_equal(feed(bytes, n + 4, 100, &e), ERR_PROTOCOL);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(frames_come_back_in_any_pieces),
		cmocka_unit_test(empty_bodies_are_frames),
		cmocka_unit_test(what_is_no_frame_is_refused),
		cmocka_unit_test(a_long_first_line_is_refused),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
