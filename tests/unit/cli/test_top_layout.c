/* top_layout, top_table, top_text: the page in any width and height. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "cli/table.h"
#include "cli/top_layout.h"

static const char snapshot_text[] =
	"{\"at\":\"2026-01-02T03:04:05.000001Z\",\"overview\":{"
	"\"rates\":{\"submitted\":1234.4,\"started\":0.5,\"completed\":1200,\"failed\":2,\"retried\":0,"
	"\"dead\":null},"
	"\"depths\":{\"scheduled\":0,\"queued\":12345,\"running\":7,\"dead\":null},"
	"\"wait\":{\"p50_ms\":0.25,\"p95_ms\":12.5,\"p99_ms\":1500},\"run\":{\"p50_ms\":null},"
	"\"nodes\":{\"ready\":2,\"draining\":1,\"slots\":20,\"used\":7},\"sla\":{\"target_ms\":500,"
	"\"compliance\":0.9987}},"
	"\"components\":{\"router\":1,\"store\":0,\"node\":3},"
	"\"lanes\":[{\"name\":\"b\",\"queued\":5,\"running\":1,\"paused\":false},{\"name\":\"a\","
	"\"queued\":5,\"bytes\":2048},"
	"{\"name\":\"c\",\"queued\":900}],"
	"\"nodes\":[{\"name\":\"node-1\",\"state\":\"ready\",\"slots\":10,\"used\":7,\"cpu_percent\":"
	"12.34,"
	"\"heartbeat_age_s\":1.5,\"capabilities\":[\"gpu\",\"big\"]}],"
	"\"pools\":[{\"pool_name\":\"default\",\"process_count\":2,\"target\":3,\"reason\":\"many "
	"wait\"}],"
	"\"health\":{\"ok\":false,\"problems\":[{\"level\":\"critical\",\"what\":\"no node\\u001b[31m "
	"answers\",\"remedy\":\"start one\"},"
	"{\"level\":\"warning\",\"what\":\"two\",\"remedy\":\"\"},{\"level\":\"warning\",\"what\":"
	"\"three\"}]},"
	"\"decisions\":[{\"at\":\"2026-01-02T03:04:00Z\",\"pool\":\"default\",\"action\":\"target\","
	"\"to\":3,\"reason\":\"many wait\"}],"
	"\"dead\":null}";

static struct buf page_of(struct top_ui *ui)
{
	json_t *s = json_loads(snapshot_text, 0, NULL);
	struct buf out = {0};

	assert_non_null(s);
	ui->url = ui->url ? ui->url : "nats://127.0.0.1:4222";
	top_layout(s, ui, INT64_C(1767323045) * 1000000000, &out);
	buf_add(&out, "", 1);
	json_decref(s);
	return out;
}

static bool has(const struct buf *page, const char *text)
{
	return strstr(page->data, text) != NULL;
}

static void a_plain_page_has_everything(void **state)
{
	struct top_ui ui = {0};
	struct buf page = page_of(&ui);

	(void)state;
	assert_true(has(&page, "millrace top  nats://127.0.0.1:4222  2026-01-02T03:04:05Z\n"));
	assert_true(has(&page, "submitted 1,234/s   started 0.5/s   completed 1,200/s   failed 2/s   "
						   "retried 0/s   dead -/s\n"));
	assert_true(
		has(&page,
			"queued 12,345   running 7   dead -   nodes 2 ready (others drain) slots 7 of 20\n"));
	assert_true(has(&page, "wait p50 250\xc2\xb5s p95 12.5ms p99 1.5s   run p50 - p95 - p99 -   "
						   "99.87% wait less than 500 ms"));
	assert_true(has(&page, "up: router 1 node 3\n"));
	assert_true(has(
		&page,
		"critical no node\\x1b[31m answers -> start one\n")); /* nobody's words reach the terminal as they are */
	assert_true(has(&page, "LANE"));
	assert_true(has(&page, "NODE"));
	assert_true(has(&page, "gpu,big"));
	assert_true(has(&page, "default      2       3"));
	assert_true(has(&page, "5s ago"));
	assert_false(has(&page, "COUNT")); /* dead letters were not asked for */
	assert_false(has(&page, "\x1b"));
	buf_release(&page);
}

static void it_fits_any_terminal(void **state)
{
	(void)state;
	for (unsigned width = 1; width <= 160; width += width < 30 ? 1 : 7) {
		for (unsigned height = 1; height <= 60; height += height < 30 ? 1 : 9) {
			for (int view = 0; view < TOP_VIEWS; view++) {
				struct top_ui ui = {.view = (enum top_view)view,
									.width = width,
									.height = height,
									.interval_ms = 2000,
									.color = (width + height) % 2,
									.help = height % 3 == 0};
				struct buf page = page_of(&ui);
				size_t lines = 0;

				for (const char *p = page.data, *stop; (stop = strchr(p, '\n'));
					 p = stop + 1, lines++)
					assert_true(top_seen(p, (size_t)(stop - p)) <= width);
				assert_true(lines <= height);
				buf_release(&page);
			}
		}
	}
}

static size_t place_of(const struct buf *page, const char *text)
{
	const char *at = strstr(page->data, text);

	assert_non_null(at);
	return (size_t)(at - page->data);
}

static void rows_are_sorted_by_the_column_that_was_chosen(void **state)
{
	struct top_ui ui = {.width = 100, .height = 40};

	(void)state;
	assert_true(top_sort_by(&ui, "queued"));
	struct buf page = page_of(&ui);
	assert_true(has(&page, "QUEUED\xe2\x96\xbe"));
	assert_true(place_of(&page, "\nc ") < place_of(&page, "\na ")); /* most first */
	assert_true(place_of(&page, "\na ") < place_of(&page, "\nb ")); /* equals by their name */
	buf_release(&page);
	ui.reverse[TOP_LANES] = true;
	page = page_of(&ui);
	assert_true(has(&page, "QUEUED\xe2\x96\xb4"));
	assert_true(place_of(&page, "\nb ") < place_of(&page, "\nc "));
	buf_release(&page);
	assert_false(top_sort_by(&ui, "colour"));
	struct buf keys = {0};
	top_sort_keys(TOP_DEAD_LETTERS, &keys);
	buf_add(&keys, "", 1);
	assert_string_equal(keys.data, "count, type, reason, last_at, error, fingerprint");
	buf_release(&keys);
	for (int i = 0; i < 100; i++)
		top_sort_next(&ui); /* around, never out */
	page = page_of(&ui);
	buf_release(&page);
}

static void scrolling_ends_with_the_rows(void **state)
{
	struct top_ui ui = {.width = 100, .height = 16, .scroll = 1000000};
	struct buf page = page_of(&ui);

	(void)state;
	assert_true(ui.scroll <= 3);
	assert_true(has(&page, "\nc "));
	buf_release(&page);
}

static void problems_that_have_no_room_are_counted(void **state)
{
	struct top_ui ui = {.width = 100, .height = 12};
	struct buf page = page_of(&ui);

	(void)state;
	assert_true(has(&page, "problems more: millrace doctor"));
	buf_release(&page);
}

static void columns_give_way_whole(void **state)
{
	struct top_ui ui = {.width = 34, .height = 40};
	struct buf page = page_of(&ui);

	(void)state;
	assert_true(has(&page, "QUEUED"));
	assert_false(has(&page, "BYTES"));
	assert_false(has(&page, "NORM"));
	buf_release(&page);
}

static void what_nobody_tells_is_said(void **state)
{
	struct top_ui ui = {.view = TOP_DEAD_LETTERS, .width = 100, .height = 30, .url = "x"};
	struct buf page = page_of(&ui);

	(void)state;
	assert_true(has(&page, "dead letters: no router tells them (yet)"));
	buf_release(&page);
}

static void colours_are_neither_counted_nor_cut(void **state)
{
	static const struct {
		const char *line;
		unsigned width;
		const char *fit;
	} rows[] = {
		{"abc", 0, "abc"},
		{"abc", 3, "abc"},
		{"abcd", 3, "ab\xe2\x80\xa6"},
		{"\x1b[31mabc\x1b[0m", 3, "\x1b[31mabc\x1b[0m"},
		{"\x1b[31mabcd\x1b[0m", 3, "\x1b[31mab\xe2\x80\xa6\x1b[0m"},
		{"a\xc3\xa4\xc3\xb6x", 3, "a\xc3\xa4\xe2\x80\xa6"},
		{"ab\x1b[1mcd", 2, "a\xe2\x80\xa6"},
		{"abc", 1, "\xe2\x80\xa6"},
		{"", 5, ""},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct buf out = {0};

		top_fit(&out, rows[i].line, strlen(rows[i].line), rows[i].width);
		buf_add(&out, "", 1);
		assert_string_equal(out.data, rows[i].fit);
		buf_release(&out);
	}
	assert_int_equal(top_seen("\x1b[1;31mx\x1b[0m", 12), 1);
	assert_int_equal(top_seen("\x1b[", 2), 0);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_plain_page_has_everything),
		cmocka_unit_test(it_fits_any_terminal),
		cmocka_unit_test(rows_are_sorted_by_the_column_that_was_chosen),
		cmocka_unit_test(scrolling_ends_with_the_rows),
		cmocka_unit_test(problems_that_have_no_room_are_counted),
		cmocka_unit_test(columns_give_way_whole),
		cmocka_unit_test(what_nobody_tells_is_said),
		cmocka_unit_test(colours_are_neither_counted_nor_cut),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
