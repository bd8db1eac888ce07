/*
 * A task as a request. Well: the body goes straight to its lane with an
 * address of ours as Task-Reply-To; the node that finishes it sends the result
 * there after its outcome is durable, and the requester gets those bytes with
 * Task-Id and Task-State. If that takes longer than Task-Wait, it gets the id
 * and status "running" and asks for the result later. What is wrong with the
 * request is said to the requester, and nothing is stored.
 *
 *   request ──▶ WAITING ──result, and recorded──▶ answered with it
 *                  ├─────Task-Wait──▶ recorded: answered "running"
 *                  │                  not yet:  answered 504, not known whether it will run
 *                  └─────too many, invalid──▶ 503, 400
 *
 * A router that dies takes only the waiting with it. Two requests with one id
 * wait for one task.
 */
#include "router/run.h"

#include <stdio.h>
#include <strings.h>
#include <uthash.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/log.h"
#include "common/task.h"
#include "router/dispatch.h"
#include "router/shed.h"

#define WAIT_MAX_NS (3600 * NS_PER_S)

struct run {
	struct router *router;
	struct bus_inbox *inbox;
	struct run_call *calls; /* by id; those with one id in a list */
	size_t n;
	uint64_t counter;
};

struct run_call {
	struct run *run;
	char id[TASK_ID_MAX + 1];
	struct service_request *req;
	struct transit *transit; /* until it is recorded */
	struct bus_msg *result;  /* came before that */
	struct timeout timeout;
	struct run_call *prev, *next;
	UT_hash_handle hh;
};

/* ---- the table ---- */

static void insert(struct run *r, struct run_call *c)
{
	struct run_call *first;

	HASH_FIND_STR(r->calls, c->id, first);
	if (first)
		HASH_DEL(r->calls, first);
	DL_APPEND(first, c);
	HASH_ADD_STR(r->calls, id, first);
	r->n++;
}

static void extract(struct run *r, struct run_call *c)
{
	struct run_call *first;

	HASH_FIND_STR(r->calls, c->id, first);
	HASH_DEL(r->calls, first);
	DL_DELETE(first, c);
	if (first)
		HASH_ADD_STR(r->calls, id, first);
	r->n--;
}

static void call_free(struct run_call *c)
{
	timeout_stop(&c->timeout);
	extract(c->run, c);
	if (c->transit)
		c->transit->call = NULL;
	bus_msg_free(c->result);
	free(c);
}

/* ---- answers ---- */

static void answer_result(struct run_call *c, const struct bus_msg *m)
{
	struct bus_header headers[16] = {{H_TASK_ID, c->id}};
	size_t n = 1, all;
	const struct bus_header *theirs = bus_msg_headers(m, &all);

	/* Task-State, Content-Type, Task-Node, Nats-Service-Error: as the node or dead.c wrote them. */
	for (size_t i = 0; i < all && n < ARRAY_LEN(headers); i++) {
		if (strcasecmp(theirs[i].name, H_TASK_ID) != 0)
			headers[n++] = theirs[i];
	}
	service_reply_with(TAKE(c->req), headers, n, bus_msg_data(m), bus_msg_len(m));
	call_free(c);
}

static void answer_running(struct run_call *c)
{
	char body[TASK_ID_MAX + 64];
	struct bus_header headers[] = {
		{H_TASK_ID, c->id}, {"Task-State", "running"}, {H_CONTENT_TYPE, CONTENT_JSON}};

	/* An id needs no escapes. */
	int len = snprintf(body, sizeof(body), "{\"id\":\"%s\",\"status\":\"running\"}", c->id);
	service_reply_with(TAKE(c->req), headers, ARRAY_LEN(headers), body, (size_t)len);
	call_free(c);
}

static void answer_late(struct run_call *c)
{
	if (!c->transit) {
		answer_running(c);
		return;
	}
	service_fail(TAKE(c->req), 504, "task %s could not be stored in time; it may still run", c->id);
	call_free(c);
}

static void on_timeout(struct timeout *t)
{
	answer_late(container_of(t, struct run_call, timeout));
}

static void on_result(void *data, struct bus_msg **m)
{
	struct run *r = data;
	const char *id = bus_msg_header(*m, H_TASK_ID);
	struct run_call *c, *tmp, *first = NULL;

	if (id)
		HASH_FIND_STR(r->calls, id, first);
	DL_FOREACH_SAFE (first, c, tmp) {
		if (!c->transit) {
			answer_result(c, *m);
		} else if (!c->result && !tmp) {
			c->result = TAKE(*m);
			return;
		}
	}
}

void run_durable(struct run_call *c)
{
	c->transit->call = NULL;
	c->transit = NULL;
	if (c->result)
		answer_result(c, c->result);
	else if (c->run->router->draining)
		answer_running(c);
}

/* ---- requests ---- */

static void make_id(struct run *r, struct submission *s)
{
	if (!s->id[0])
		snprintf(s->id, sizeof(s->id), "r%s-%llu", r->router->instance,
				 (unsigned long long)++r->counter);
}

static int decode(struct run *r, const struct bus_msg *m, struct submission *s, struct err *e)
{
	struct arrival a = {.subject = bus_msg_subject(m),
						.body = bus_msg_data(m),
						.body_len = bus_msg_len(m),
						.stored_wall_ns = clock_wall_ns()};

	a.headers = bus_msg_headers(m, &a.nheaders);
	a.headers_unreadable = bus_msg_headers_unreadable(m);
	return decode_submission(&r->router->rules, &a, s, e);
}

/* As service_fail does, and when to come again. */
static void refuse_shed(struct service_request *req, const char *why)
{
	struct bus_header headers[] = {{"Nats-Service-Error-Code", "503"},
								   {"Nats-Service-Error", why},
								   {"Retry-After", SHED_RETRY_AFTER_S}};

	stats_dead(SHED_REASON);
	service_reply_with(req, headers, ARRAY_LEN(headers), why, strlen(why));
}

void run_on_request(struct router *router, struct service_request *req)
{
	struct run *r = router->run;
	struct submission s;
	struct err e;

	if (r->n >= (size_t)router->config.run_max || !router_may_take(router) || !router->opened) {
		service_fail(
			req, 503,
			"too many requests wait, or a stream is full; publish on tasks.<type>, or try later");
		return;
	}
	if (decode(r, service_message(req), &s, &e)) {
		service_fail(req, 400, "%s", e.text);
		submission_release(&s);
		return;
	}
	const char *why = shed_why(router->shed, s.class);
	if (why) {
		refuse_shed(req, why);
		submission_release(&s);
		return;
	}
	/* The request ends before its task does. */
	submission_own(&s);
	make_id(r, &s);
	s.reply_to = bus_inbox_address(r->inbox);

	struct transit *t = transit_new(router, ORIGIN_RUN, NULL);
	struct run_call *c = xcalloc(1, sizeof(*c));
	t->sub = s;
	t->bytes = s.body_len + sizeof(*t);
	t->call = c;
	c->run = r;
	c->req = req;
	c->transit = t;
	snprintf(c->id, sizeof(c->id), "%s", s.id);
	timeout_init(&c->timeout, router->timeouts);
	timeout_start(&c->timeout,
				  MIN_OF(s.wait_ns ? s.wait_ns : router->config.run_wait_ns, WAIT_MAX_NS) /
					  NS_PER_MS,
				  on_timeout);
	insert(r, c);
	transit_count(t);
	stats_received(&router->stats, t->sub.lane.type);
	dispatch_task(t);
}

void run_answer_all(struct run *r)
{
	struct run_call *c, *tmp;

	HASH_ITER (hh, r->calls, c, tmp) {
		struct run_call *first = c, *next;
		for (; first; first = next) {
			next = first->next;
			if (!first->transit)
				answer_running(first);
		}
	}
}

struct run *run_new(struct router *router)
{
	struct run *r = xcalloc(1, sizeof(*r));

	r->router = router;
	r->inbox = bus_inbox_open(router->bus, on_result, r);
	return r;
}

void run_free(struct run **pr)
{
	struct run *r = TAKE(*pr);

	if (!r)
		return;
	while (r->calls)
		call_free(r->calls);
	bus_inbox_close(&r->inbox);
	free(r);
}
