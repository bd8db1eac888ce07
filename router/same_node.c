/*
 * Asking the store for another task's node. It stands alone as the one thing
 * that the router asks anybody for. Well: api.task.get answers within a
 * millisecond or two. Badly: the store is away or slow, or too much is asked
 * at once; that is an answer as well, and the task waits for its next try in
 * DELAYED instead of here.
 */
#include "router/same_node.h"

#include <jansson.h>
#include <utlist.h>

#include "common/token.h"

#define ASK_MS 2000
#define ASKED_MAX 1024

struct question {
	struct same_node *owner;
	struct transit *transit;
	void (*then)(struct transit *t, enum same_node_answer answer, const char *node);
	struct question *prev, *next;
};

struct same_node {
	struct router *router;
	struct question *open; /* what the bus leaves unanswered at its end is still here */
	size_t n;
};

static bool is_final(const char *state)
{
	return state &&
		   (str_eq(state, "completed") || str_eq(state, "dead") || str_eq(state, "cancelled"));
}

static enum same_node_answer read_answer(struct bus_msg *m, json_t **ret_task,
										 const char **ret_node)
{
	const char *code = bus_msg_header(m, "Nats-Service-Error-Code");
	json_t *j;

	if (code)
		return str_eq(code, "404") ? SAME_NODE_UNKNOWN : SAME_NODE_SILENT;
	j = json_loadb(bus_msg_data(m), bus_msg_len(m), 0, NULL);
	const char *node = json_string_value(json_object_get(j, "node")),
			   *state = json_string_value(json_object_get(j, "state"));
	*ret_task = j;
	if (!state)
		return SAME_NODE_SILENT;
	if (node && token_ok(node, strlen(node))) {
		*ret_node = node;
		return SAME_NODE_FOUND;
	}
	return is_final(state) ? SAME_NODE_NEVER : SAME_NODE_NOT_YET;
}

static void settle(struct question *q, enum same_node_answer answer, const char *node)
{
	struct transit *t = q->transit;
	void (*then)(struct transit *, enum same_node_answer, const char *) = q->then;

	DL_DELETE(q->owner->open, q);
	q->owner->n--;
	free(q);
	then(t, answer, node);
}

static void on_reply(void *data, struct bus_msg **reply, const struct err *e)
{
	struct question *q = data;
	json_t *task = NULL;
	const char *node = NULL;
	enum same_node_answer answer = e ? SAME_NODE_SILENT : read_answer(*reply, &task, &node);

	settle(q, answer, node);
	json_decref(task);
}

void same_node_ask(struct transit *t, const char *task_id,
				   void (*then)(struct transit *t, enum same_node_answer answer, const char *node))
{
	struct same_node *s = t->router->same_node;
	struct bus_out out = {.subject = "api.task.get", .data = task_id, .len = strlen(task_id)};
	struct question *q;
	struct err e;

	if (s->n < ASKED_MAX) {
		q = xcalloc(1, sizeof(*q));
		*q = (struct question){.owner = s, .transit = t, .then = then};
		if (bus_request(t->router->bus, &out, ASK_MS, on_reply, q, NULL, &e) == 0) {
			DL_APPEND(s->open, q);
			s->n++;
			return;
		}
		free(q);
	}
	then(t, SAME_NODE_SILENT, NULL);
}

struct same_node *same_node_new(struct router *r)
{
	struct same_node *s = xcalloc(1, sizeof(*s));

	s->router = r;
	return s;
}

void same_node_free(struct same_node **ps)
{
	struct same_node *s = TAKE(*ps);
	struct question *q, *tmp;

	if (!s)
		return;
	DL_FOREACH_SAFE (s->open, q, tmp)
		free(q);
	free(s);
}
