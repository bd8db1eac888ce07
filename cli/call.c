/*
 * Asking the system and waiting for the answer. It stands alone because all
 * commands ask in the same way and their users deserve the same sentences:
 * who did not answer, and what to do about it.
 *
 * Goes well: one request, one JSON answer. Fails: nobody serves the subject
 * (the component is not running), silence, an error that the service tells by
 * its headers, an answer that is no JSON. Each is its own code.
 *
 * A step that ends by deadline or Ctrl-C leaves nothing behind: requests are
 * cancelled, and what cannot be cancelled (a publish, a management request)
 * keeps its small state until its own deadline tells it to end.
 */
#include <stdio.h>

#include "cli/connect.h"

/* Longer than JS_API_TIMEOUT_MS: its own deadline tells more. */
#define JS_SPARE_MS 2000

struct wait {
	bool done;
	struct bus_msg *reply;
	struct err err;
};

static void on_reply(void *data, struct bus_msg **m, const struct err *e)
{
	struct wait *w = data;

	w->done = true;
	if (m && *m)
		w->reply = TAKE(*m);
	else
		w->err = *e;
}

/* Who serves a subject, for the one who misses the answer. */
static const char *server_of(const char *subject)
{
	if (strncmp(subject, "api.audit.", 10) == 0 || strncmp(subject, "api.state.", 10) == 0 ||
		strncmp(subject, "api.lock.", 9) == 0)
		return "millrace-store";
	if (strncmp(subject, "api.task.", 9) == 0 || str_eq(subject, "api.node.performance") ||
		str_eq(subject, "api.scaler.history") || str_eq(subject, "api.heal.history"))
		return "millrace-store";
	if (strncmp(subject, "api.scaler.", 11) == 0 || strncmp(subject, "api.pool.", 9) == 0 ||
		strncmp(subject, "api.agent.", 10) == 0 || strncmp(subject, "api.heal.", 9) == 0)
		return "millrace-scaler";
	if (strncmp(subject, "api.lane.", 9) == 0 || strncmp(subject, "api.node.", 9) == 0 ||
		strncmp(subject, "api.schedule.", 13) == 0 || strncmp(subject, "api.dead.", 9) == 0)
		return "millrace-router";
	if (strncmp(subject, "ctl.node.", 9) == 0)
		return "the node";
	return "any component";
}

static int err_of_status(long status)
{
	switch (status) {
	case 400:
	case 422:
		return ERR_INVALID;
	case 401:
	case 403:
		return ERR_DENIED;
	case 404:
		return ERR_NOT_FOUND;
	case 408:
	case 504:
		return ERR_TIMEOUT;
	case 409:
		return ERR_CONFLICT;
	case 413:
		return ERR_TOO_LARGE;
	case 429:
		return ERR_FULL;
	case 503:
		return ERR_UNREACHABLE;
	default:
		return ERR_FAILED;
	}
}

static int no_answer(const struct cli *c, const char *subject, const struct err *why, struct err *e)
{
	char waited[32];

	switch (why->code) {
	case ERR_NOT_FOUND:
		return err_set(e, ERR_UNREACHABLE,
					   "nobody answers %s: %s is not running; 'millrace doctor' tells more",
					   subject, server_of(subject));
	case ERR_TIMEOUT:
		duration_format(cli_timeout_ms(c) * NS_PER_MS, waited);
		return err_set(
			e, ERR_TIMEOUT,
			"no answer to %s within %s: %s is busy or cut off; 'millrace doctor' tells more",
			subject, waited, server_of(subject));
	default:
		err_set(e, why->code, "%s", why->text);
		return err_wrap(e, "%s", subject);
	}
}

static int answer(const char *subject, const struct bus_msg *m, json_t **ret, struct err *e)
{
	const char *error = bus_msg_header(m, "Nats-Service-Error");
	const char *code = bus_msg_header(m, "Nats-Service-Error-Code");
	json_error_t at;
	json_t *j;

	if (code || error)
		return err_set(e, err_of_status(code ? strtol(code, NULL, 10) : 500), "%s",
					   error && error[0] ? error : "refused");
	j = json_loadb(bus_msg_data(m), bus_msg_len(m), JSON_DECODE_ANY | JSON_ALLOW_NUL, &at);
	if (!j)
		return err_set(
			e, ERR_PROTOCOL,
			"the answer to %s is no JSON (%s at byte %d); are all components of one version?",
			subject, at.text, at.position);
	*ret = j;
	return 0;
}

static int call(struct cli *c, const struct bus_out *out, json_t **ret, struct err *e)
{
	struct wait w = {0};
	struct bus_call *pending = NULL;
	int rc;

	rc = cli_connect(c, e);
	if (rc)
		return rc;
	rc = bus_request(c->bus, out, cli_timeout_ms(c), on_reply, &w, &pending, e);
	if (rc)
		return rc;
	rc = cli_wait(c, &w.done, -1, e);
	if (rc) {
		bus_call_cancel(&pending);
		return rc;
	}
	if (!w.reply)
		return no_answer(c, out->subject, &w.err, e);
	rc = answer(out->subject, w.reply, ret, e);
	bus_msg_free(w.reply);
	return rc;
}

int cli_call(struct cli *c, const char *subject, const json_t *request, json_t **ret, struct err *e)
{
	char *text = request ? json_dumps(request, JSON_COMPACT | JSON_ENCODE_ANY) : NULL;
	struct bus_out out = {.subject = subject, .data = text, .len = text ? strlen(text) : 0};
	int rc = call(c, &out, ret, e);

	free(text);
	return rc;
}

int cli_call_record(struct cli *c, const char *subject, const ProtobufCMessage *request,
					json_t **ret, struct err *e)
{
	CLEANUP(buf_release) struct buf body = {0};
	struct bus_out out = {.subject = subject};

	codec_to_json_text(request, 0, &body);
	out.data = body.data;
	out.len = body.len;
	return call(c, &out, ret, e);
}

/* ---- JetStream ---- */

/* On the heap: a step may end before the answer. Then it is kept until the bus is closed and no
 * answer can come. */
struct api_wait {
	bool done, abandoned;
	json_t *reply;
	int server_code;
	uint64_t seq;
	bool duplicate;
	struct err err;
	struct api_wait *next;
};

void cli_abandoned_free(struct cli *c)
{
	for (struct api_wait *w = c->abandoned, *next; w; w = next) {
		next = w->next;
		free(w);
	}
	c->abandoned = NULL;
}

static void on_api(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct api_wait *w = data;

	if (w->abandoned)
		return;
	w->done = true;
	w->server_code = server_code;
	if (e)
		w->err = *e;
	else
		w->reply = json_deep_copy(reply);
}

/* 0, or the code of what went wrong. */
static int finish(struct cli *c, struct api_wait *w, int64_t timeout_ms, struct err *e)
{
	int rc = cli_wait(c, &w->done, timeout_ms, e);

	if (rc) {
		w->abandoned = true;
		w->next = c->abandoned;
		c->abandoned = w;
		return rc;
	}
	if (w->err.code)
		rc = err_set(e, w->err.code, "%s", w->err.text);
	return rc;
}

int cli_js_api(struct cli *c, const char *verb, const json_t *body, json_t **ret,
			   int *ret_server_code, struct err *e)
{
	struct api_wait *w;
	int rc = cli_connect(c, e);

	if (rc)
		return rc;
	w = xcalloc(1, sizeof(*w));
	rc = js_api(c->bus, verb, body, on_api, w, e);
	if (rc) {
		free(w);
		return rc;
	}
	rc = finish(c, w, JS_API_TIMEOUT_MS + JS_SPARE_MS, e);
	if (w->abandoned)
		return rc;
	if (ret_server_code)
		*ret_server_code = w->server_code;
	if (rc == 0)
		*ret = TAKE(w->reply);
	free(w);
	return rc;
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct api_wait *w = data;

	if (w->abandoned)
		return;
	w->done = true;
	if (e) {
		w->err = *e;
		return;
	}
	w->seq = ack->seq;
	w->duplicate = ack->duplicate;
}

int cli_publish(struct cli *c, const struct bus_out *out, uint64_t *ret_seq, bool *ret_duplicate,
				struct err *e)
{
	struct api_wait *w;
	int rc = cli_connect(c, e);

	if (rc)
		return rc;
	w = xcalloc(1, sizeof(*w));
	rc = js_publish(c->bus, out, cli_timeout_ms(c), on_puback, w, e);
	if (rc) {
		free(w);
		return rc;
	}
	rc = finish(c, w, cli_timeout_ms(c) + JS_SPARE_MS, e);
	if (w->abandoned)
		return rc;
	if (rc == 0 && ret_seq)
		*ret_seq = w->seq;
	if (rc == 0 && ret_duplicate)
		*ret_duplicate = w->duplicate;
	free(w);
	return rc;
}
