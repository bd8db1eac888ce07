/*
 * Orders, as far as all of them have something in common: the list of those
 * under way, so that none is forgotten at the end, and the one that needs a
 * single statement, the unique key's claim. cancel.c, reassign.c and retry.c
 * are the others; sweep.c sees to what orders leave behind.
 *
 * It goes well: a request, some statements and publishes, an answer. It fails:
 * broker or database away are 503 to whoever asks, and what was done till
 * then is finished by the sweep of any store.
 */
#include "store/control.h"

#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "control.pb-c.h"
#include "store/control_internal.h"
#include "common/request.h"

#define UNIQUE_KEY_MAX 255u

/* ---- orders ---- */

void order_begin(struct control *c, struct order *o, struct service_request *r,
				 void (*release)(struct order *o))
{
	o->control = c;
	o->r = r;
	o->release = release;
	DL_APPEND(c->orders, o);
}

void order_end(struct order *o)
{
	DL_DELETE(o->control->orders, o); /* NOLINT(clang-analyzer-core.NullDereference): it is in it */
	o->release(o);
}

void order_answer(struct order *o, const ProtobufCMessage *record)
{
	if (o->r != NULL) {
		request_answer(o->r, record);
	}
	order_end(o);
}

void order_refuse(struct order *o, const struct err *e)
{
	if (o->r != NULL) {
		request_refuse(o->r, e);
	}
	order_end(o);
}

/* ---- api.task.claim ---- */

struct claim {
	struct order order;
	char id[TASK_ID_MAX + 1];
};

static void free_claim(struct order *o)
{
	free(container_of(o, struct claim, order));
}

static void on_claimed(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct claim *x = data;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	Millrace__TaskClaimed answer = MILLRACE__TASK_CLAIMED__INIT;
	const char *holder = pg_get(rows[0], 0, 0, NULL);
	answer.granted = str_eq(holder, x->id);
	answer.holder = (char *)(uintptr_t)holder; /* packed only */
	order_answer(&x->order, &answer.base);
}

static int ask_claim(struct claim *x, const Millrace__TaskClaim *q, struct err *e)
{
	char keep[24];
	if (task_id_check(q->id, e) < 0 || token_check("type", q->type, e) < 0) {
		return e->code;
	}
	size_t len = strlen(q->key);
	if (len == 0 || len > UNIQUE_KEY_MAX || !utf8_ok(q->key, len)) {
		return err_set(e, ERR_INVALID, "key: 1 to %u bytes of UTF-8", UNIQUE_KEY_MAX);
	}
	snprintf(x->id, sizeof(x->id), "%s", q->id);
	snprintf(keep, sizeof(keep), "%lld", (long long)MAX_OF(q->keep_ms, 0));
	struct pg_param p[] = {PG_ARG(q->id), PG_ARG(q->type), PG_ARG(q->key), PG_ARG(keep)};
	return pg_query(x->order.control->pg, "SELECT millrace.claim_unique($1, $2, $3, $4)", p,
					ARRAY_LEN(p), CONTROL_QUERY_MS, on_claimed, x, e);
}

void control_claim(struct control *c, struct service_request *r)
{
	struct claim *x = xcalloc(1, sizeof(*x));
	ProtobufCMessage *q = NULL;
	struct err e;
	order_begin(c, &x->order, r, free_claim);
	int rc = request_read(service_message(r), &millrace__task_claim__descriptor, &q, &e);
	if (rc == 0) {
		rc = ask_claim(x, (const Millrace__TaskClaim *)q, &e);
	}
	codec_free(q);
	if (rc < 0) {
		order_refuse(&x->order, &e);
	}
}

/* ---- begin and end ---- */

static void on_marker(void *data, const struct marker *m)
{
	struct control *c = data;
	if (m->kind == MARKER_GROUP && c->sweep != NULL) {
		sweep_poke(c);
	}
}

int control_open(struct bus *bus, struct pg *pg, int64_t keep_ns, struct control **ret,
				 struct err *e)
{
	struct control *c = xcalloc(1, sizeof(*c));
	uint8_t bytes[8];
	c->bus = bus;
	c->pg = pg;
	c->keep_ms = keep_ns / NS_PER_MS;
	if (getentropy(bytes, sizeof(bytes)) != 0) {
		abort();
	}
	for (size_t i = 0; i < sizeof(bytes); i++) {
		snprintf(c->instance + 2 * i, 3, "%02x", bytes[i]);
	}
	*ret = c;
	int rc = cancels_open(bus, &(struct cancels_events){.on_marker = on_marker, .data = c},
						  &c->cancels, e);
	return rc < 0 ? rc : sweep_open(c, e);
}

void control_close(struct control **pc)
{
	struct control *c = TAKE(*pc);
	if (c == NULL) {
		return;
	}
	sweep_close(c);
	while (c->orders != NULL) {
		order_end(c->orders);
	}
	cancels_close(&c->cancels);
	free(c);
}
