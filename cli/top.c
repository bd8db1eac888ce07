/*
 * `millrace top`: the dashboard at a terminal. It stands alone as what joins
 * the parts: questions (top_ask.c), the object they make (top_snapshot.c),
 * its page (top_layout.c) and the terminal (top_screen.c).
 *
 * Goes well: every interval all are asked; a moment later, when the answers
 * are there, the picture is drawn. Keys draw it again from what is known.
 * Without a terminal, or with --once: two rounds an interval apart, one plain
 * picture; with --json one object an interval. Fails: no broker at the start
 * (5); one that leaves later is told in the picture, and waited for.
 */
#include <stdio.h>

#include "cli/cli.h"
#include "cli/top_ask.h"
#include "cli/top_layout.h"
#include "cli/top_screen.h"

#define INTERVAL_NS (2 * NS_PER_S)
#define INTERVAL_LEAST_NS NS_PER_S
#define ONCE_INTERVAL_NS NS_PER_S
#define ANSWERS_MS 400 /* from the questions to the picture */
#define PAGE_ROWS 10

struct top {
	struct cli *cli;
	struct top_ask *ask;
	struct top_screen *screen;
	struct top_ui ui;
	json_t *snapshot;
	uv_timer_t timer;
	bool gathering; /* the timer is for the picture, else for the next round */
	bool over;
	bool closed; /* the timer is */
};

static int run_top(struct cli *c, int argc, char **argv);

static const struct cli_flag flags[] = {
	{.name = "once", .help = "one plain picture, then end (so it is without a terminal)"},
	{.name = "interval",
	 .value = "D",
	 .help = "between two looks, 1s at least (default 2s; with --once 1s)"},
	{.name = "view", .value = "V", .help = "lanes, nodes or dead: which table is shown first"},
	{.name = "sort",
	 .value = "KEY",
	 .help = "by which of that table's columns, as --json calls it"},
	{.name = "reverse", .help = "the other way round"},
	{0},
};

const struct cli_command commands_top[] = {
	{.name = "top",
	 .usage = "[--interval D] [--view V] [--sort KEY] [--once]",
	 .help = "the whole system on one screen: rates, depths, lanes, nodes, problems, decisions",
	 .text = "Keys: l lanes, n nodes, d dead letters; s sorts by the next column, r reverses; "
			 "arrows and pages "
			 "scroll;\n"
			 "space looks now; ? explains; q or Ctrl-C leaves. Asks api.* and ctl.metrics: no "
			 "gateway is needed.\n"
			 "examples:\n"
			 "  millrace top --view nodes --sort cpu_percent\n"
			 "  millrace top --once | mail -s millrace ops@example.com\n"
			 "  millrace top --json --interval 10s | jq -c '.overview.rates'\n",
	 .flags = flags,
	 .run = run_top},
	{0},
};

/* ---- the picture ---- */

static void draw(struct top *t)
{
	CLEANUP(buf_release) struct buf page = {0};

	if (!t->screen || t->over)
		return;
	top_screen_size(t->screen, &t->ui.width, &t->ui.height);
	t->ui.url = bus_url(t->cli->bus); /* another one, after a reconnect */
	top_layout(t->snapshot, &t->ui, clock_wall_ns(), &page);
	top_screen_draw(t->screen, &page);
}

static void end(struct top *t)
{
	t->over = true;
	uv_stop(&t->cli->loop);
}

static void show(struct top *t)
{
	if (t->screen) {
		draw(t);
	} else if (t->cli->config.json) {
		cli_print_json(t->snapshot);
		if (cli_output_closed())
			end(t);
	}
}

static void look(struct top *t)
{
	top_ask_take(t->ask);
	json_decref(t->snapshot);
	t->snapshot = top_ask_snapshot(t->ask);
	t->ui.wanting = false;
}

/* ---- rounds ---- */

static void on_timer(uv_timer_t *h);

static void later(struct top *t, int64_t ms)
{
	uv_update_time(&t->cli->loop);
	uv_timer_start(&t->timer, on_timer, (uint64_t)ms, 0);
}

static void ask(struct top *t)
{
	top_ask_round(t->ask, t->ui.view == TOP_DEAD_LETTERS);
	t->gathering = true;
	later(t, ANSWERS_MS);
}

static void on_timer(uv_timer_t *h)
{
	struct top *t = h->data;

	if (t->over)
		return;
	if (!t->gathering) {
		ask(t);
		return;
	}
	t->gathering = false;
	look(t);
	show(t);
	if (!t->over)
		later(t, MAX_OF(t->ui.interval_ms - ANSWERS_MS, (int64_t)1));
}

/* ---- keys ---- */

static void choose(struct top *t, enum top_view view)
{
	t->ui.help = false;
	t->ui.scroll = 0;
	if (t->ui.view == view)
		return;
	t->ui.view = view;
	/* They are asked for only while they are looked at. */
	if (view == TOP_DEAD_LETTERS && !t->gathering)
		ask(t);
}

static void scroll(struct top *t, int64_t by)
{
	int64_t to = (int64_t)t->ui.scroll + by;

	t->ui.scroll = to > 0 ? (size_t)to : 0; /* the layout knows the other end */
}

static void on_key(void *data, enum top_key key)
{
	struct top *t = data;

	switch (key) {
	case KEY_NONE:
		return;
	case KEY_QUIT:
		end(t);
		return;
	case KEY_LANES:
		choose(t, TOP_LANES);
		break;
	case KEY_NODES:
		choose(t, TOP_NODES);
		break;
	case KEY_DEAD:
		choose(t, TOP_DEAD_LETTERS);
		break;
	case KEY_SORT:
		top_sort_next(&t->ui);
		break;
	case KEY_REVERSE:
		t->ui.reverse[t->ui.view] = !t->ui.reverse[t->ui.view];
		break;
	case KEY_NOW:
		if (!t->gathering)
			ask(t);
		return;
	case KEY_REDRAW:
		top_screen_forget(t->screen);
		break;
	case KEY_HELP:
		t->ui.help = !t->ui.help;
		break;
	case KEY_UP:
		scroll(t, -1);
		break;
	case KEY_DOWN:
		scroll(t, 1);
		break;
	case KEY_PAGE_UP:
		scroll(t, -PAGE_ROWS);
		break;
	case KEY_PAGE_DOWN:
		scroll(t, PAGE_ROWS);
		break;
	case KEY_HOME:
		t->ui.scroll = 0;
		break;
	case KEY_END:
		t->ui.scroll = SIZE_MAX / 4;
		break;
	}
	draw(t);
}

static void on_redraw(void *data)
{
	draw(data);
}

static void on_gone(void *data)
{
	end(data);
}

/* ---- a run ---- */

static int read_flags(struct cli *c, struct top *t, bool once, struct err *e)
{
	int64_t interval_ns = once ? ONCE_INTERVAL_NS : INTERVAL_NS;
	const char *view = cli_value(c, "view"), *sort = cli_value(c, "sort");

	if (cli_duration(c, "interval", &interval_ns, e))
		return e->code;
	if (interval_ns < INTERVAL_LEAST_NS)
		return err_set(e, ERR_INVALID,
					   "--interval: 1s is the shortest: each look asks every component");
	if (view && !top_view_parse(view, &t->ui.view))
		return err_set(e, ERR_INVALID, "--view: '%s' is none of lanes, nodes, dead", view);
	if (t->ui.view == TOP_LANES)
		(void)top_sort_by(&t->ui, "queued");
	if (sort && !top_sort_by(&t->ui, sort)) {
		CLEANUP(buf_release) struct buf keys = {0};

		top_sort_keys(t->ui.view, &keys);
		return err_set(e, ERR_INVALID, "--sort: '%s' is none of %s", sort, keys.data);
	}
	t->ui.reverse[t->ui.view] = cli_has(c, "reverse");
	t->ui.interval_ms = interval_ns / NS_PER_MS;
	return 0;
}

static int wait_ms(struct top *t, int64_t ms, struct err *e)
{
	bool never = false;
	int rc = cli_wait(t->cli, &never, ms, e);

	return rc == ERR_TIMEOUT ? 0 : rc;
}

/* Two rounds: a rate is what lies between two looks. */
static int once(struct top *t, struct err *e)
{
	CLEANUP(buf_release) struct buf page = {0};
	int rc = 0;

	for (int round = 0; round < 2 && !rc; round++) {
		top_ask_round(t->ask, t->ui.view == TOP_DEAD_LETTERS);
		rc = wait_ms(t, ANSWERS_MS, e);
		look(t);
		if (!rc && round == 0)
			rc = wait_ms(t, t->ui.interval_ms - ANSWERS_MS, e);
	}
	if (rc)
		return rc;
	if (t->cli->config.json) {
		cli_print_json(t->snapshot);
		return 0;
	}
	t->ui.interval_ms = 0;
	t->ui.url = bus_url(t->cli->bus);
	top_layout(t->snapshot, &t->ui, clock_wall_ns(), &page);
	fwrite(page.data, 1, page.len, stdout);
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	struct top *t = h->data;

	t->closed = true;
}

static int stream(struct top *t, struct err *e)
{
	const struct top_screen_events events = {
		.on_key = on_key, .on_redraw = on_redraw, .on_gone = on_gone, .data = t};
	struct cli *c = t->cli;
	int rc;

	if (!c->config.json && top_screen_open(&c->loop, &events, &t->screen, e))
		return e->code;
	c->on_abrupt_end = t->screen ? top_screen_restore : NULL;
	uv_timer_init(&c->loop, &t->timer);
	t->timer.data = t;
	t->snapshot = json_object();
	t->ui.wanting = true;
	draw(t);
	ask(t);
	rc = cli_wait(c, &t->over, -1, e);
	t->over = true;
	top_screen_close(&t->screen);
	c->on_abrupt_end = NULL;
	/* t is the caller's: nothing of it may be on the loop when this returns. */
	uv_close((uv_handle_t *)&t->timer, on_closed);
	while (!t->closed)
		uv_run(&c->loop, UV_RUN_NOWAIT);
	return rc;
}

static int run_top(struct cli *c, int argc, char **argv)
{
	bool one = cli_has(c, "once") || (!c->terminal && !c->config.json);
	struct top t = {.cli = c, .ui = {.color = c->color && !one}};
	struct err e = {0};
	int code = EXIT_OK;

	(void)argc;
	(void)argv;
	if (read_flags(c, &t, one, &e))
		return cli_usage(c, "%s", e.text);
	if (cli_connect(c, &e))
		return cli_fail(c, &e);
	t.ask = top_ask_new(c);
	int rc = one ? once(&t, &e) : stream(&t, &e);
	if (rc == ERR_CLOSED)
		code = EXIT_INTERRUPTED;
	else if (rc)
		code = cli_fail(c, &e);
	top_ask_free(t.ask);
	json_decref(t.snapshot);
	return code;
}
