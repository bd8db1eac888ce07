/*
 * A look at the broker before work begins. Only `millrace setup` creates
 * what is declared; a router that came first says what it waits for and goes
 * on looking. The same look tells when TASKS was created, which is part of the
 * ids that are made from its sequence; so it is had again, and nothing taken
 * until then, whenever TASKS may have been deleted and made anew.
 */
#include "router/setup.h"

#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/lanes.h"

#define AGAIN_MS 2000

static const char *const needed[] = {
	"STREAM.INFO.TASKS",         "STREAM.INFO.EVENTS",        "STREAM.INFO.DEAD",
	"STREAM.INFO.DELAYED",       "STREAM.INFO.KV_lanes",      "STREAM.INFO.KV_settings",
	"STREAM.INFO.KV_nodes",      "STREAM.INFO.KV_cancels",    "STREAM.INFO.KV_schedules",
	"STREAM.INFO.KV_replays",    "STREAM.INFO.DIRECT",
	"CONSUMER.INFO.TASKS.router", "CONSUMER.INFO.EVENTS.act",
};
#define NEEDED ARRAY_LEN(needed)

struct question {
	struct setup *setup;
	const char *verb;
	unsigned round;
	struct question *prev, *next;
};

struct setup {
	struct router *router;
	struct timeout timeout;
	unsigned round; /* answers to an earlier one don't count */
	unsigned left;
	const char *missing;
	struct err why;
	bool complete, complained;
	struct question
		*open; /* of any round; what the bus leaves unanswered at its end is still here */
};

static void question_free(struct question *q)
{
	DL_DELETE(q->setup->open,
			  q); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	free(q);
}

static void on_timeout(struct timeout *t)
{
	setup_look(container_of(t, struct setup, timeout));
}

static void conclude(struct setup *s)
{
	if (!s->missing) {
		s->complete = true;
		if (s->complained)
			log_info("the broker has what is needed now");
		s->complained = false;
		router_learned(s->router);
		router_poke(s->router);
		return;
	}
	if (!s->complained)
		log_warn("the broker lacks something; `millrace setup` creates it; looking again",
				 LOG_S("what", s->missing), LOG_S("why", s->why.text), LOG_I("retry_ms", AGAIN_MS));
	s->complained = true;
	timeout_start(&s->timeout, AGAIN_MS, on_timeout);
}

static void on_answer(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct question *q = data;
	struct setup *s = q->setup;
	const char *created = json_string_value(json_object_get(reply, "created"));
	int64_t ns;

	if (q->round != s->round) {
		question_free(q);
		return;
	}
	if (e && !s->missing) {
		/* "STREAM.INFO.TASKS": what follows INFO. */
		s->missing = strstr(q->verb, "INFO.") + 5;
		s->why = *e;
	}
	if (!e && str_eq(q->verb, "STREAM.INFO.TASKS")) {
		const json_t *config = json_object_get(reply, "config");
		json_int_t replicas = json_integer_value(json_object_get(config, "num_replicas"));

		if (created && time_parse(created, &ns, NULL) == 0)
			s->router->rules.stream_created_s = ns / NS_PER_S;
		lanes_replicas(s->router->lanes, MAX_OF(replicas, 1));
	}
	question_free(q);
	if (--s->left == 0)
		conclude(s);
}

void setup_look(struct setup *s)
{
	struct err e;

	s->round++;
	s->left = 0;
	s->missing = NULL;
	s->complete = false;
	timeout_stop(&s->timeout);
	if (!bus_is_up(s->router->bus))
		return; /* it begins anew with the connection */
	s->left = 1;
	for (size_t i = 0; i < NEEDED; i++) {
		struct question *q = xmalloc(sizeof(*q));
		*q = (struct question){.setup = s, .verb = needed[i], .round = s->round};
		DL_APPEND(s->open, q);
		if (js_api(s->router->bus, needed[i], NULL, on_answer, q, &e) == 0) {
			s->left++;
			continue;
		}
		question_free(q);
		if (!s->missing) {
			s->missing = needed[i];
			s->why = e;
		}
	}
	if (--s->left == 0)
		conclude(s);
}

bool setup_complete(const struct setup *s)
{
	return s->complete;
}

struct setup *setup_new(struct router *r)
{
	struct setup *s = xcalloc(1, sizeof(*s));

	s->router = r;
	timeout_init(&s->timeout, r->timeouts);
	return s;
}

void setup_free(struct setup **ps)
{
	struct setup *s = TAKE(*ps);

	while (s && s->open)
		question_free(s->open);
	free(s);
}
