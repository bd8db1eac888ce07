/*
 * Kind `service`, and the bridge: the task becomes a NATS request on
 * handle.<type>, which plain subscribers answer, in whatever language, as a
 * queue group. The reply is the result.
 *
 * It goes well: the body and the headers leave as a request; one of the
 * group replies. It fails: a reply with Nats-Service-Error-Code or
 * Nats-Service-Error is a failed attempt (for good where the code is a 4xx
 * that no waiting mends). Nobody subscribes, or the broker is away: the task
 * goes back unspent. Silence: the node cancels when the task's time is over.
 */
#include <stdio.h>
#include <strings.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/task.h"
#include "node/handlers/kinds.h"
#include "common/section.h"
#include "node/handlers/tail.h"

/* The node's own clock ends a run; the request's is only there should that fail. */
enum { SPARE_MS = 5000, HEADERS_MAX = 256 };

struct service_handler {
	struct handler *handler;
	char *subject;
	struct asked *asked;
};

struct asked {
	struct service_handler *service;
	struct handler_run *run;
	struct bus_call *call;
	struct asked *prev, *next;
};

static const struct config_key keys[] = {
	{"subject", CONFIG_STRING, offsetof(struct service_handler, subject), NULL,
	 "where the request goes; default handle.<type>"},
	{0},
};

static void finish(struct asked *a, struct handler_result *r)
{
	struct handler_run *run = a->run;
	DL_DELETE(a->service->asked, a);
	free(a);
	handler_done(run, r);
}

/* 408 too late, 409 conflict, 423 locked, 425 too early, 429 too many: these pass. */
static bool code_is_final(long code)
{
	return code >= 400 && code < 500 && code != 408 && code != 409 && code != 423 && code != 425 &&
	       code != 429;
}

static void take_failure(struct asked *a, const struct bus_msg *m, const char *code, const char *text)
{
	char words[TAIL_LINE_MAX], error[TAIL_LINE_MAX + 64];
	text = text ? text : "";
	line_clean(text, strlen(text), words, sizeof words);
	long number = code ? strtol(code, NULL, 10) : 0;
	snprintf(error, sizeof error, "%s%s(service error %ld)", words, *words ? " " : "", number);
	struct handler_result r = {.outcome = RESULT_FAILED, .error = error, .permanent = code_is_final(number)};
	const char *after = bus_msg_header(m, "Retry-After");
	if (after && duration_parse(after, &r.retry_after_ns, NULL) < 0)
		r.retry_after_ns = 0;
	finish(a, &r);
}

static void take_result(struct asked *a, const struct bus_msg *m)
{
	size_t len = bus_msg_len(m);
	struct handler_result r = {
		.outcome = RESULT_OK,
		.data = len ? xmemdup0(bus_msg_data(m), len) : NULL,
		.len = len,
		.content_type = bus_msg_header(m, H_CONTENT_TYPE),
	};
	finish(a, &r);
}

static void take_error(struct asked *a, const struct err *e)
{
	struct handler_result r = {.outcome = RESULT_FAILED, .error = e->text, .reason = "timeout"};
	char error[200];
	if (e->code == ERR_NOT_FOUND) {
		snprintf(error, sizeof error, "nobody answers on %.128s", a->service->subject);
		r = (struct handler_result){
			.outcome = RESULT_RETURNED, .error = error, .reason = "no-responders"};
	} else if (e->code == ERR_UNREACHABLE) {
		r.outcome = RESULT_RETURNED;
		r.reason = "no-responders";
	} else if (e->code != ERR_TIMEOUT) {
		r.reason = NULL;
		r.permanent = e->code == ERR_INVALID || e->code == ERR_TOO_LARGE;
	}
	finish(a, &r);
}

static void on_reply(void *data, struct bus_msg **reply, const struct err *e)
{
	struct asked *a = data;
	a->call = NULL;
	if (e) {
		take_error(a, e);
		return;
	}
	const struct bus_msg *m = *reply;
	const char *code = bus_msg_header(m, "Nats-Service-Error-Code");
	const char *text = bus_msg_header(m, "Nats-Service-Error");
	/* Among what can't be read may be that it failed. */
	if (bus_msg_headers_unreadable(m))
		text = "the reply's headers can't be read: one has no value, or a line is no header";
	if (code || text) {
		take_failure(a, m, code, text);
	} else {
		take_result(a, m);
	}
}

/* The broker's own headers mean something on every publish, and the reply is ours: neither goes along. */
static bool passes(const char *name)
{
	return strncasecmp(name, "Nats-", 5) != 0 && strcasecmp(name, H_TASK_REPLY_TO) != 0;
}

static size_t headers_of(const struct handler_task *t, char epoch[24], struct bus_header *out)
{
	size_t n = 0;
	for (size_t i = 0; i < t->nheaders && n < HEADERS_MAX - 1; i++) {
		if (passes(t->headers[i].name))
			out[n++] = t->headers[i];
	}
	snprintf(epoch, 24, "%llu", (unsigned long long)t->epoch);
	out[n++] = (struct bus_header){"Task-Execution-Epoch", epoch};
	return n;
}

static void start(struct handler *h, struct handler_run *run)
{
	struct service_handler *s = h->state;
	struct asked *a = xcalloc(1, sizeof *a);
	a->service = s;
	a->run = run;
	run->state = a;
	DL_APPEND(s->asked, a);
	char epoch[24];
	struct bus_header headers[HEADERS_MAX];
	struct bus_out out = {
		.subject = s->subject,
		.data = run->task.body,
		.len = run->task.len,
		.headers = headers,
		.nheaders = headers_of(&run->task, epoch, headers),
	};
	struct err e = {0};
	int64_t timeout_ms = run->task.timeout_ns / NS_PER_MS + SPARE_MS;
	if (bus_request(h->ctx->bus, &out, timeout_ms, on_reply, a, &a->call, &e) < 0)
		take_error(a, &e);
}

static void cancel(struct handler *h, struct handler_run *run)
{
	(void)h;
	struct asked *a = run->state;
	bus_call_cancel(&a->call);
	struct handler_result r = {.outcome = RESULT_FAILED, .error = "no answer in time", .reason = "timeout"};
	finish(a, &r);
}

static int open_service(struct handler *h, const struct doc *config, struct err *e)
{
	struct service_handler *s = xcalloc(1, sizeof *s);
	s->handler = h;
	h->state = s;
	int rc = section_read(config, keys, SECTION_COMMON_KEYS, s, e);
	if (rc < 0)
		return rc;
	if (s->subject == NULL)
		s->subject = xasprintf("handle.%s", h->type);
	/* A wildcard or blank in it would never reach anybody. */
	if (strpbrk(s->subject, "*> \t\r\n") || strlen(s->subject) > 128)
		return err_set(e, ERR_INVALID, "line %u: subject: \"%.64s\" is none to send to",
		               doc_get(config, "subject") ? doc_get(config, "subject")->line : 0, s->subject);
	return 0;
}

static void close_service(struct handler *h)
{
	struct service_handler *s = h->state;
	struct asked *a = NULL, *next = NULL;
	DL_FOREACH_SAFE(s->asked, a, next) {
		bus_call_cancel(&a->call);
		free(a);
	}
	section_release(keys, s);
	free(s);
	h->state = NULL;
	handler_closed(h);
}

const struct handler_kind kind_service = {"service", open_service, start, cancel, close_service, OBJECT_AS_HEADER};
