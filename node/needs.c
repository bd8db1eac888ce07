/*
 * A broker that was never set up would make every later step fail in its own
 * way. Here it is one line that says what is missing, repeated only when that
 * changes, and a look every two seconds until all is there.
 */
#include "node/needs.h"

#include <stdio.h>

#include "common/jetstream.h"
#include "common/log.h"
#include "node/agents.h"

static const char *const streams[] = {"EVENTS",      "DIRECT",    "KV_nodes",   "KV_lanes",
									  "KV_settings", "KV_limits", "KV_cancels", "KV_agents"};

struct needs {
	struct node *node;
	void (*on_met)(struct node *n);
	struct timeout again;
	size_t at;      /* the stream that is looked for */
	char told[200]; /* the last complaint */
	bool asking, met;
};

static void ask(struct needs *s);

static void on_again(struct timeout *t)
{
	needs_look(container_of(t, struct needs, again));
}

static void complain(struct needs *s, const char *words)
{
	if (!str_eq(s->told, words)) {
		snprintf(s->told, sizeof(s->told), "%s", words);
		log_warn("waiting for the broker's set-up; looking every 2 s",
				 LOG_S("missing", streams[s->at]), LOG_S("error", words),
				 LOG_S("hint", "millrace setup"));
	}
	timeout_start(&s->again, NEEDS_RETRY_MS, on_again);
}

static void on_info(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct needs *s = data;

	(void)reply;
	(void)server_code;
	s->asking = false;
	if (e) {
		complain(s, e->text);
		return;
	}
	s->at++;
	ask(s);
}

static void ask(struct needs *s)
{
	char verb[64];
	struct err e;

	/* The last is for those who host agents. */
	if (s->at == ARRAY_LEN(streams) - (agents_wanted(s->node) ? 0 : 1)) {
		s->met = true;
		s->on_met(s->node);
		return;
	}
	snprintf(verb, sizeof(verb), "STREAM.INFO.%s", streams[s->at]);
	if (js_api(s->node->bus, verb, NULL, on_info, s, &e)) {
		complain(s, e.text);
		return;
	}
	s->asking = true;
}

void needs_look(struct needs *s)
{
	if (!s->met && !s->asking && bus_is_up(s->node->bus))
		ask(s);
}

struct needs *needs_open(struct node *n, void (*on_met)(struct node *n))
{
	struct needs *s = xcalloc(1, sizeof(*s));

	s->node = n;
	s->on_met = on_met;
	timeout_init(&s->again, bus_timeouts(n->bus));
	return s;
}

void needs_close(struct needs **sp)
{
	struct needs *s = TAKE(*sp);

	if (!s)
		return;
	timeout_stop(&s->again);
	free(s);
}
