/*
 * Submits echo, hash and stats tasks at a steady rate until it is told to
 * end. Goes well: every 10 ms what is due is published. Fails: while the
 * broker is away or slow, at most LOAD_INFLIGHT_MAX wait for their PubAck and
 * what was due meanwhile is not made up for; a refusal is said once a second.
 */
#include "cli/dev_load.h"

#include <stdio.h>
#include <stdlib.h>

#include "common/task.h"
#include "common/ulid.h"

#define LOAD_INFLIGHT_MAX 2000u
#define LOAD_PERIOD_MS 10

struct load {
	struct cli *cli;
	uv_timer_t timer;
	unsigned per_s;
	int64_t started_ns, said_ms;
	uint64_t made, refused;
	bool done; /* never set: cli_wait ends on Ctrl-C alone */
};

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct load *l = data;

	(void)ack;
	if (!e)
		return;
	l->refused++;
	if (clock_mono_ms() - l->said_ms >= 1000) {
		l->said_ms = clock_mono_ms();
		cli_say(l->cli, "load: refused: %s", e->text);
	}
}

static void make_body(struct buf *body, uint64_t number, const char **ret_type)
{
	switch (number % 3) {
	case 0:
		*ret_type = "tasks.echo";
		buf_printf(body, "hello %llu", (unsigned long long)number);
		break;
	case 1:
		*ret_type = "tasks.hash";
		for (int i = 0; i < 8; i++)
			buf_printf(body, "%08lx", random());
		break;
	default:
		*ret_type = "tasks.stats";
		buf_add_str(body, "value\n");
		for (int i = 0; i < 20; i++)
			buf_printf(body, "%.3f\n", (double)(random() % 100000) / 1000.0);
		break;
	}
}

static void submit(struct load *l)
{
	CLEANUP(buf_release) struct buf body = {0};
	char id[ULID_LEN + 1];
	struct bus_header h = {H_MSG_ID, id};
	struct bus_out out = {.headers = &h, .nheaders = 1};
	struct err e = {0};

	ulid_new(id);
	make_body(&body, l->made, &out.subject);
	out.data = body.data;
	out.len = body.len;
	if (js_publish(l->cli->bus, &out, 30000, on_puback, l, &e) != 0)
		on_puback(l, NULL, &e);
}

static void on_timer(uv_timer_t *t)
{
	struct load *l = t->data;
	uint64_t due = (uint64_t)((double)(clock_mono_ns() - l->started_ns) / NS_PER_S * l->per_s);

	if (!bus_is_up(l->cli->bus) || js_publish_inflight(l->cli->bus) >= LOAD_INFLIGHT_MAX) {
		l->made = due;
		return;
	}
	for (; l->made < due && js_publish_inflight(l->cli->bus) < LOAD_INFLIGHT_MAX; l->made++)
		submit(l);
}

static void on_timer_closed(uv_handle_t *h)
{
	bool *closed = h->data;

	*closed = true;
}

int dev_load(struct cli *c, int argc, char **argv)
{
	struct load l = {.cli = c};
	struct err e = {0};
	bool closed = false;
	char *end;
	long per_s = strtol(argv[0], &end, 10);

	(void)argc;
	if (*end || per_s < 1 || per_s > 100000)
		return cli_usage(c, "R is a number of tasks a second, 1 to 100000, not '%s'", argv[0]);
	if (cli_connect(c, &e) != 0)
		return cli_fail(c, &e);
	l.per_s = (unsigned)per_s;
	l.started_ns = clock_mono_ns();
	uv_timer_init(&c->loop, &l.timer);
	l.timer.data = &l;
	uv_timer_start(&l.timer, on_timer, LOAD_PERIOD_MS, LOAD_PERIOD_MS);
	(void)!cli_wait(c, &l.done, -1, &e);
	l.timer.data = &closed;
	uv_close((uv_handle_t *)&l.timer, on_timer_closed);
	while (!closed)
		uv_run(&c->loop, UV_RUN_ONCE);
	/* PubAcks that come now would find no load. */
	bus_close(&c->bus);
	return EXIT_OK;
}
