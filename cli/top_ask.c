/*
 * The edge to the components. It stands alone because it is the one place of
 * `top` that knows subjects and time: nine questions and a call for everybody's
 * metrics leave at once, and what comes by the time of the picture is in it.
 *
 * Goes well: each answer takes the place of the one before. Fails: nobody
 * serves a question, or its answer is an error or no JSON: it is not known
 * from then on, and the picture says so; silence keeps what was told last
 * until the question's time is over. A broker that is away is a problem in the
 * picture as well; the bus comes back by itself.
 */
#include "cli/top_ask.h"

#include "common/service.h"

#define ANSWER_MS 3000

enum question {
	LANES,
	SCHEDULED,
	NODES,
	POOLS,
	SCALER,
	STATS,
	HEAL,
	HISTORY,
	GROUPS,
	QUESTIONS,
};

static const struct {
	const char *subject, *body;
} questions[QUESTIONS] = {
	[LANES] = {"api.lane.list", NULL},      [SCHEDULED] = {"api.lane.scheduled", NULL},
	[NODES] = {"api.node.list", NULL},      [POOLS] = {"api.pool.list", NULL},
	[SCALER] = {"api.scaler.status", NULL}, [STATS] = {"api.task.stats", NULL},
	[HEAL] = {"api.heal.status", NULL},     [HISTORY] = {"api.scaler.history", "{\"limit\":20}"},
	[GROUPS] = {"api.dead.groups", NULL},
};

struct asked {
	struct bus_call *call; /* NULL: not being asked */
	json_t *answer;        /* NULL: not known */
};

struct top_ask {
	struct cli *cli;
	struct asked asked[QUESTIONS];
	struct bus_inbox *metrics;
	struct rates *rates;
	json_t *standing; /* health_view's memory */
	bool looked;
};

static void on_answer(void *data, struct bus_msg **m, const struct err *e)
{
	struct asked *a = data;
	const struct bus_msg *reply = m ? *m : NULL;

	a->call = NULL;
	json_decref(a->answer);
	a->answer = NULL;
	if (!e && reply && !bus_msg_header(reply, "Nats-Service-Error-Code") &&
		!bus_msg_header(reply, "Nats-Service-Error"))
		a->answer = json_loadb(bus_msg_data(reply), bus_msg_len(reply), JSON_ALLOW_NUL, NULL);
}

static void on_metrics(void *data, struct bus_msg **m)
{
	struct top_ask *a = data;
	struct service_metrics from;

	if (service_metrics_read(*m, &from))
		rates_answer(a->rates, from.component, from.instance, from.part, from.parts,
					 bus_msg_data(*m), bus_msg_len(*m));
}

struct top_ask *top_ask_new(struct cli *c)
{
	struct top_ask *a = xcalloc(1, sizeof(*a));

	a->cli = c;
	a->standing = json_object();
	a->rates = rates_new();
	a->metrics = bus_inbox_open(c->bus, on_metrics, a);
	return a;
}

void top_ask_round(struct top_ask *a, bool groups)
{
	struct bus_out all = {.subject = "ctl.metrics", .reply = bus_inbox_address(a->metrics)};
	struct err e;

	if (!bus_is_up(a->cli->bus))
		return;
	for (size_t i = 0; i < QUESTIONS; i++) {
		const char *body = questions[i].body;
		struct bus_out out = {
			.subject = questions[i].subject, .data = body, .len = body ? strlen(body) : 0};

		if (a->asked[i].call || (i == GROUPS && !groups))
			continue;
		if (bus_request(a->cli->bus, &out, ANSWER_MS, on_answer, &a->asked[i], &a->asked[i].call,
						&e))
			a->asked[i].call = NULL; /* as if it were away: asked again with the next round */
	}
	if (bus_publish(a->cli->bus, &all, &e))
		return; /* the same */
}

void top_ask_take(struct top_ask *a)
{
	if (!bus_is_up(a->cli->bus))
		return;
	rates_look(a->rates, clock_mono_ms());
	a->looked = true;
}

json_t *top_ask_snapshot(const struct top_ask *a)
{
	const struct top_answers answers = {
		.lanes = a->asked[LANES].answer,
		.scheduled = a->asked[SCHEDULED].answer,
		.nodes = a->asked[NODES].answer,
		.pools = a->asked[POOLS].answer,
		.scaler = a->asked[SCALER].answer,
		.stats = a->asked[STATS].answer,
		.heal = a->asked[HEAL].answer,
		.history = a->asked[HISTORY].answer,
		.groups = a->asked[GROUPS].answer,
		.rates = a->rates,
		.broker = bus_is_up(a->cli->bus),
		.broker_why = a->cli->down.text,
		.looked = a->looked,
		.now_mono_ms = clock_mono_ms(),
		.standing = a->standing,
	};

	return top_snapshot(&answers, clock_wall_ns());
}

void top_ask_free(struct top_ask *a)
{
	if (!a)
		return;
	for (size_t i = 0; i < QUESTIONS; i++) {
		bus_call_cancel(&a->asked[i].call);
		json_decref(a->asked[i].answer);
	}
	bus_inbox_close(&a->metrics);
	rates_free(a->rates);
	json_decref(a->standing);
	free(a);
}
