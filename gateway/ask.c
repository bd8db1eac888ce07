/*
 * Questions to the components. It stands alone as the way that every route
 * goes: a request on NATS with a deadline, its reply as an HTTP answer. A
 * service's error keeps its code, which is HTTP's already. Nobody there, no
 * answer in time, the broker away: 503 and when to try again.
 */
#include "gateway/ask.h"

#include <stdio.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "gateway/gateway.h"

struct question {
	struct gateway *gateway;
	char subject[160];
	ask_on_answer on_answer;
	void *data;
	struct bus_call *call;
	struct err early;
	struct timeout timeout; /* for what failed at once */
	struct question *prev, *next;
};

static void finish(struct question *q, const struct ask_answer *a)
{
	DL_DELETE(q->gateway->questions, q);
	timeout_stop(&q->timeout);
	q->on_answer(q->data, a);
	free(q);
}

/* "api.pool.list" → who answers it, for a sentence. */
static const char *who_answers(const char *subject)
{
	static const struct {
		const char *prefix, *who;
	} known[] = {
		{"api.scaler.history", "store"},
		{"api.heal.history", "store"},
		{"api.scaler.", "leading scaler"},
		{"api.heal.", "scaler"},
		{"api.pool.", "leading scaler"},
		{"api.agent.", "leading scaler"},
		{"api.lane.scheduled", "store"},
		{"api.lane.", "router"},
		{"api.node.performance", "store"},
		{"api.node.", "router"},
		{"api.dead.", "router"},
		{"api.schedule.", "router"},
		{"ctl.node.", "node of that name"},
		{"$JS.API.", "broker's JetStream"},
		{"api.", "store"},
	};

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (strncmp(subject, known[i].prefix, strlen(known[i].prefix)) == 0)
			return known[i].who;
	}
	return "component";
}

static void finish_badly(struct question *q, const struct err *e)
{
	char text[900];
	struct ask_answer a = {.status = 503, .why = text};

	switch (e->code) {
	case ERR_NOT_FOUND:
		a.status = strncmp(q->subject, "ctl.node.", 9) == 0 ? 404 : 503;
		snprintf(text, sizeof(text), "no %s answers %s%s", who_answers(q->subject), q->subject,
				 a.status == 503 ? "; is it running?" : "");
		break;
	case ERR_TIMEOUT:
		snprintf(text, sizeof(text), "the %s did not answer %s in time", who_answers(q->subject),
				 q->subject);
		break;
	case ERR_UNREACHABLE:
	case ERR_CLOSED:
		snprintf(text, sizeof(text), "the broker cannot be reached: %s", e->text);
		break;
	case ERR_TOO_LARGE:
		a.status = 413;
		snprintf(text, sizeof(text), "%s", e->text);
		break;
	case ERR_INVALID:
		a.status = 400;
		snprintf(text, sizeof(text), "%s", e->text);
		break;
	default:
		a.status = 502;
		snprintf(text, sizeof(text), "%s", e->text);
	}
	finish(q, &a);
}

static void on_reply(void *data, struct bus_msg **reply, const struct err *e)
{
	struct question *q = data;
	const char *code;
	struct ask_answer a = {.status = 200, .why = ""};

	q->call = NULL;
	if (e) {
		finish_badly(q, e);
		return;
	}
	code = bus_msg_header(*reply, "Nats-Service-Error-Code");
	a.data = bus_msg_data(*reply);
	a.len = bus_msg_len(*reply);
	if (code) {
		const char *why = bus_msg_header(*reply, "Nats-Service-Error");
		long status = strtol(code, NULL, 10);

		a.status = status >= 400 && status <= 599 ? (unsigned)status : 502;
		a.why = why ? why : "refused without a reason";
		finish(q, &a);
		return;
	}
	json_t *json = json_loadb(a.data, a.len, JSON_DECODE_ANY | JSON_ALLOW_NUL, NULL);

	a.json = json;
	finish(q, &a);
	json_decref(json);
}

static void on_early(struct timeout *t)
{
	struct question *q = container_of(t, struct question, timeout);

	finish_badly(q, &q->early);
}

void ask(struct gateway *g, const char *subject, json_t *body, ask_on_answer on_answer, void *data)
{
	struct question *q = xcalloc(1, sizeof(*q));
	char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct bus_out out = {.subject = q->subject, .data = text ? text : "", .wants_nobody = true};

	if (body && !text) /* an empty request could ask for all instead of some */
		err_set(&q->early, ERR_INVALID, "what was asked cannot be written as JSON");
	json_decref(body);
	out.len = strlen(out.data);
	q->gateway = g;
	q->on_answer = on_answer;
	q->data = data;
	timeout_init(&q->timeout, bus_timeouts(g->bus));
	DL_APPEND(g->questions, q);
	if ((size_t)snprintf(q->subject, sizeof(q->subject), "%s", subject) >= sizeof(q->subject))
		err_set(&q->early, ERR_INVALID, "name: it is too long");
	if (q->early.code || bus_request(g->bus, &out, g->config.ask_timeout_ns / NS_PER_MS, on_reply,
									 q, &q->call, &q->early))
		timeout_start(&q->timeout, 0, on_early);
	free(text);
}

/* ---- answering an exchange ---- */

struct passing {
	struct http_request *request;
	unsigned status_ok;
	ask_shape shape;
};

void ask_fail(struct http_request *r, const struct ask_answer *a)
{
	char field[65];

	http_field_of(a->why, field);
	http_problem(r, a->status, a->status == 400 ? field : NULL, "%s", a->why);
}

static void on_pass(void *data, const struct ask_answer *a)
{
	struct passing *p = data;

	if (a->status != 200)
		ask_fail(p->request, a);
	else if (!a->json)
		http_problem(p->request, 502, NULL, "what came as an answer is no JSON");
	else if (p->shape)
		http_reply_json(p->request, p->status_ok, p->shape(p->request, a->json));
	else
		http_reply(p->request, p->status_ok, CONTENT_JSON, a->data, a->len);
	free(p);
}

static void pass(struct gateway *g, struct http_request *r, unsigned status_ok, const char *subject,
				 json_t *body, ask_shape shape)
{
	struct passing *p = xmalloc(sizeof(*p));

	*p = (struct passing){r, status_ok, shape};
	ask(g, subject, body, on_pass, p);
}

void ask_pass(struct gateway *g, struct http_request *r, unsigned status_ok, const char *subject,
			  json_t *body)
{
	pass(g, r, status_ok, subject, body, NULL);
}

void ask_shaped(struct gateway *g, struct http_request *r, const char *subject, json_t *body,
				ask_shape shape)
{
	pass(g, r, 200, subject, body, shape);
}

void ask_release(struct gateway *g)
{
	const struct ask_answer a = {.status = 503, .why = "the gateway is ending"};
	/* Who hears that may ask again; not for ever. */
	for (unsigned round = 0; g->questions && round < 2; round++) {
		struct question *all = g->questions;

		g->questions = NULL;
		while (all) {
			struct question *q = all;

			DL_DELETE(all, q);
			timeout_stop(&q->timeout);
			bus_call_cancel(&q->call);
			if (round == 0)
				q->on_answer(q->data, &a);
			free(q);
		}
	}
}
