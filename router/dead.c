/*
 * Dead letters. Well: the original body and headers to dead.<type> with why
 * and how it ended, PubAck, then events.done, then the ack. What can't even be
 * sent there (headers that together with ours are too large, or that no
 * client could have written) goes without its own headers, and at last
 * without its body: a dead letter that says too little is better than a
 * message that comes back for ever. DEAD refusing holds it and stops the
 * intake.
 */
#include "router/dead.h"

#include <stdarg.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/task.h"
#include "router/record.h"
#include "router/shed.h"

#define DEADLINE_MS 10000 /* then: is the stream still there? */

enum cut { CUT_NOTHING, CUT_HEADERS, CUT_BODY };

static void publish(struct transit *t);

static void on_again(struct hold_item *item)
{
	publish(container_of(item, struct transit, hold));
}

static void refused(struct transit *t, const struct err *e)
{
	if ((e->code == ERR_TOO_LARGE || e->code == ERR_INVALID) && t->cut < CUT_BODY) {
		t->cut++;
		t->burial.left_out = t->cut == CUT_HEADERS ? "headers" : "body";
		log_warn(
			"a dead letter does not fit as it is", LOG_S("task", t->sub.id), LOG_S("why", e->text),
			LOG_S("left_out", t->cut == CUT_HEADERS ? "the publisher's headers" : "the body too"));
		publish(t);
		return;
	}
	t->hold.again = on_again;
	hold_put(&t->router->dead_full, &t->hold, e);
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct transit *t = data;

	if (e && (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE)) {
		publish(t);
		return;
	}
	if (e) {
		refused(t, e);
		return;
	}
	t->dead_seq = ack->seq;
	hold_clear(&t->router->dead_full);
	record_dead(t->router->record, t);
}

static void publish(struct transit *t)
{
	struct router *r = t->router;
	const struct submission *s = &t->sub;
	char msg_id[MSG_ID_MAX], subject[TOKEN_MAX + 8];
	struct err e;

	snprintf(subject, sizeof(subject), "dead.%s", s->lane.type[0] ? s->lane.type : "_invalid");
	headers_msg_id(s, "/dead", msg_id);
	if (t->cut == CUT_NOTHING)
		headers_make(&r->headers, TO_DEAD, s, msg_id, &t->burial);
	else
		headers_make_bare(&r->headers, TO_DEAD, s, msg_id, &t->burial);
	struct bus_out out = {.subject = subject,
						  .data = s->body,
						  .len = t->cut == CUT_BODY ? 0 : s->body_len,
						  .headers = r->headers.items,
						  .nheaders = r->headers.n};
	if (js_publish(r->bus, &out, DEADLINE_MS, on_puback, t, &e))
		refused(t, &e);
}

void dead_bury(struct transit *t, const char *reason, const char *fmt, ...)
{
	char words[OUTCOME_ERROR_MAX + 1];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(words, sizeof(words), fmt, ap);
	va_end(ap);
	free(t->error);
	t->error = xstrdup(words);
	t->burial.reason = reason;
	t->burial.error = t->error;
	fingerprint_make(t->sub.lane.type, t->error, t->burial.version, t->fingerprint);
	t->burial.fingerprint = t->fingerprint;
	if (!t->burial.finished_wall_ns)
		t->burial.finished_wall_ns = clock_wall_ns();
	if (!t->sub.id[0]) /* a node's act message without one: some id is needed to count it */
		snprintf(t->sub.id, sizeof(t->sub.id), "unknown-%s-%llx", t->router->instance,
				 (unsigned long long)clock_wall_ns());
	stats_dead(reason);
	log_info("dead letter", LOG_S("task", t->sub.id), LOG_S("type", t->sub.lane.type),
			 LOG_S("reason", reason), LOG_S("fingerprint", t->fingerprint));
	publish(t);
}

void dead_tell(struct transit *t)
{
	const struct submission *s = &t->sub;
	char subject[TOKEN_MAX + TASK_ID_MAX + 16], sentence[480];
	struct err e;

	/* A header is one line. */
	snprintf(sentence, sizeof(sentence), "%s", t->burial.error);
	for (char *p = sentence; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
	bool shed = t->burial.reason && str_eq(t->burial.reason, SHED_REASON);
	struct bus_header headers[6] = {
		{H_TASK_ID, s->id},
		{"Task-State", t->cancelled ? "cancelled" : "dead"},
		{"Nats-Service-Error-Code", t->cancelled ? "409" : shed ? "503" : "500"},
		{"Nats-Service-Error", sentence}};
	size_t n = 4;
	if (t->fingerprint[0]) /* what was cancelled has none */
		headers[n++] = (struct bus_header){H_OUTCOME_FINGERPRINT, t->fingerprint};
	if (shed)
		headers[n++] = (struct bus_header){"Retry-After", SHED_RETRY_AFTER_S};
	struct bus_out out = {.subject = subject, .headers = headers, .nheaders = n};
	snprintf(subject, sizeof(subject), "results.%s.%s", s->lane.type[0] ? s->lane.type : "_invalid",
			 s->id);
	if (bus_publish(t->router->bus, &out, &e))
		log_debug("notice not sent", LOG_S("task", s->id), LOG_S("why", e.text));
	if (!s->reply_to)
		return;
	out.subject = s->reply_to;
	if (bus_publish(t->router->bus, &out, &e))
		log_debug("notice not sent", LOG_S("task", s->id), LOG_S("why", e.text));
}
