/*
 * The loop of a command, and its connection. It stands alone because here a
 * program that works step by step meets a loop that never blocks: cli_wait
 * runs the loop until the step is done.
 *
 * Goes well: cli_connect opens the bus once and returns when it is up. Fails:
 * nobody answers within the deadline, or the broker refuses us; the sentence
 * names the address, the reason and the remedy. A broker that leaves later is
 * told on stderr once and waited for, as long as the step's deadline allows.
 *
 * Ctrl-C ends the step with ERR_CLOSED, so that a command can say how far it
 * came; a second one ends the process.
 */
#include "cli/connect.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#define CONNECT_TIMEOUT_MS 2000
#define REQUEST_TIMEOUT_MS 5000

static void on_signal(uv_signal_t *h, int signum)
{
	struct cli *c = h->data;

	(void)signum;
	if (c->interrupted) {
		if (c->on_abrupt_end)
			c->on_abrupt_end();
		_exit(EXIT_INTERRUPTED);
	}
	c->interrupted = true;
	uv_stop(&c->loop);
}

static void on_timer(uv_timer_t *t)
{
	uv_stop(t->loop); /* cli_wait looks at the clock itself */
}

void cli_open(struct cli *c, const struct cli_command *command, struct cli_flag_value *flags,
			  size_t nflags)
{
	const char *no_color = getenv("NO_COLOR");
	const char *term = getenv("TERM");

	uv_loop_init(&c->loop);
	uv_signal_init(&c->loop, &c->intr);
	uv_signal_init(&c->loop, &c->term);
	uv_timer_init(&c->loop, &c->timer);
	c->intr.data = c;
	c->term.data = c;
	uv_unref((uv_handle_t *)&c->intr);
	uv_unref((uv_handle_t *)&c->term);
	signal(SIGPIPE, SIG_IGN);
	c->command = command;
	c->flags = flags;
	c->nflags = nflags;
	c->terminal = isatty(STDOUT_FILENO);
	c->color = c->terminal && !c->config.no_color && !(no_color && no_color[0]) &&
			   !(term && str_eq(term, "dumb"));
}

static void close_handle(uv_handle_t *h, void *arg)
{
	(void)arg;
	if (!uv_is_closing(h))
		uv_close(h, NULL);
}

void cli_close(struct cli *c)
{
	bus_close(&c->bus);
	cli_abandoned_free(c);
	uv_walk(&c->loop, close_handle, NULL);
	for (int turns = 0; turns < 100 && uv_run(&c->loop, UV_RUN_NOWAIT); turns++)
		;
	/* A read of stdin that is stuck in its thread keeps the loop busy; the end of the process ends
	 * it. */
	(void)uv_loop_close(&c->loop);
}

static void on_up(void *data)
{
	struct cli *c = data;

	if (c->lost)
		cli_say(c, "connected to %s again", bus_url(c->bus));
	c->lost = false;
	c->was_up = true;
	c->settled = true;
}

static void on_down(void *data, const struct err *why)
{
	struct cli *c = data;

	if (why)
		c->down = *why;
	c->settled = why && why->code == ERR_DENIED;
	if (c->was_up && !c->lost) {
		c->lost = true;
		cli_say(c, "lost %s (%s); waiting for it", bus_url(c->bus),
				why ? why->text : "no reason known");
	}
}

static void on_async_error(void *data, const struct err *e)
{
	cli_say(data, "broker: %s", e->text);
}

int64_t cli_timeout_ms(const struct cli *c)
{
	return c->config.timeout_ns ? MAX_OF(c->config.timeout_ns / NS_PER_MS, 1) : REQUEST_TIMEOUT_MS;
}

void cli_catch_signals(struct cli *c)
{
	if (c->signals_on)
		return;
	c->signals_on = true;
	uv_signal_start(&c->intr, on_signal, SIGINT);
	uv_signal_start(&c->term, on_signal, SIGTERM);
}

int cli_wait(struct cli *c, const bool *done, int64_t timeout_ms, struct err *e)
{
	int64_t deadline = clock_mono_ms() + MAX_OF(timeout_ms, 0);

	cli_catch_signals(c);
	while (!*done && !c->interrupted) {
		int64_t left = deadline - clock_mono_ms();

		if (timeout_ms >= 0) {
			if (left <= 0)
				return err_set(e, ERR_TIMEOUT, "timed out");
			uv_update_time(&c->loop);
			uv_timer_start(&c->timer, on_timer, (uint64_t)left, 0);
		}
		if (!uv_run(&c->loop, UV_RUN_ONCE) && !*done && timeout_ms < 0 && !uv_loop_alive(&c->loop))
			return err_set(e, ERR_CLOSED, "nothing is left to wait for");
	}
	uv_timer_stop(&c->timer);
	if (*done)
		return 0;
	return err_set(e, ERR_CLOSED, "interrupted");
}

/* "nats://… (reason)": the reason alone where it names the address itself. */
static int unreachable(const struct cli *c, struct err *e)
{
	const char *url = bus_url(c->bus);
	const char *why = c->down.text[0] ? c->down.text : "no answer";
	CLEANUP(free_ptr) char *what = strstr(why, url) ? xstrdup(why) : xasprintf("%s (%s)", url, why);

	if (c->down.code == ERR_DENIED)
		return err_set(e, ERR_UNREACHABLE,
					   "NATS refuses us: %s; give credentials by NATS_CREDS, NATS_USER and "
					   "NATS_PASSWORD, NATS_TOKEN, or a "
					   "context by --nats-context",
					   what);
	return err_set(e, ERR_UNREACHABLE,
				   "cannot reach NATS: %s; start a whole system with 'millrace dev', or say where "
				   "yours is by --nats-url "
				   "or NATS_URL",
				   what);
}

int cli_connect(struct cli *c, struct err *e)
{
	const struct bus_events events = {
		.on_up = on_up, .on_down = on_down, .on_async_error = on_async_error, .data = c};
	int rc;

	if (!c->bus) {
		/* The first time, or once more after a bench closed it. */
		c->settled = c->was_up = c->lost = false;
		c->down = (struct err){0};
		if (bus_open(&c->loop, &c->config.nats, "millrace", &events, &c->bus, e))
			return e ? e->code : ERR_FAILED;
	}
	rc = cli_wait(c, &c->settled, c->config.timeout_ns ? cli_timeout_ms(c) : CONNECT_TIMEOUT_MS, e);
	if (rc == ERR_CLOSED)
		return rc;
	return bus_is_up(c->bus) ? 0 : unreachable(c, e);
}
