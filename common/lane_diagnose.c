/*
 * Why tasks wait in a lane that no node serves. It stands alone because it is
 * pure, and because it is what users ask most: which type or which capability
 * is missing, and where. The doctor, the page and /health say it in the same words.
 */
#include <stdio.h>

#include "common/lane_diagnose.h"

static bool has(const json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach(list, i, item)
	{
		const char *v = json_string_value(item);
		if (v && str_eq(v, text))
			return true;
	}
	return false;
}

static bool alive(const json_t *node)
{
	const char *state = json_string_value(json_object_get(node, "state"));

	return state && (str_eq(state, "ready") || str_eq(state, "draining"));
}

static bool draining(const json_t *node)
{
	const char *state = json_string_value(json_object_get(node, "state"));

	return state && str_eq(state, "draining");
}

/* The capabilities that the node lacks, by commas. */
static void lacking(const json_t *node, const json_t *requires, struct buf *out)
{
	json_t *item;
	size_t i;

	json_array_foreach(requires, i, item)
	{
		const char *capability = json_string_value(item);
		if (capability && !has(json_object_get(node, "capabilities"), capability))
			buf_printf(out, "%s%s", out->len ? "," : "", capability);
	}
}

struct sought {
	const char *type;
	size_t alive, of_type, drained;
	char nearest[80];   /* the node that lacks least */
	struct buf missing; /* what it lacks */
};

static void consider(struct sought *s, const json_t *node, const json_t *requires)
{
	struct buf missing = {0};
	const char *name = json_string_value(json_object_get(node, "name"));

	if (!alive(node))
		return;
	s->alive++;
	if (!has(json_object_get(node, "types"), s->type))
		return;
	s->of_type++;
	lacking(node, requires, &missing);
	if (missing.len == 0) {
		s->drained += draining(node);
		return;
	}
	if (s->missing.len == 0 || missing.len < s->missing.len) {
		buf_release(&s->missing);
		s->missing = missing;
		snprintf(s->nearest, sizeof(s->nearest), "%s", name ? name : "?");
		return;
	}
	buf_release(&missing);
}

void lane_diagnose(const json_t *lane, const json_t *nodes, struct buf *ret_detail,
				   struct buf *ret_remedy)
{
	const char *type = json_string_value(json_object_get(lane, "type"));
	struct sought s = {.type = type ? type : ""};
	json_t *node;
	size_t i;

	json_array_foreach(nodes, i, node)
	{
		consider(&s, node, json_object_get(lane, "requires"));
	}
	if (s.alive == 0) {
		buf_add_str(ret_detail, "no node is running");
		buf_add_str(ret_remedy, "start one: millrace-node node-1");
	} else if (s.of_type == 0) {
		buf_printf(ret_detail, "no node handles type %s", s.type);
		buf_printf(ret_remedy,
				   "give a node a handler for %s (its --handlers file), or start one with --bridge "
				   "and answer "
				   "handle.%s",
				   s.type, s.type);
	} else if (s.drained) {
		buf_printf(ret_detail, "the nodes that could serve it are draining");
		buf_add_str(ret_remedy, "millrace node undrain NAME, or start another");
	} else if (s.missing.len) {
		buf_printf(ret_detail, "no node that handles type %s has capability %s (nearest: %s)",
				   s.type, s.missing.data, s.nearest);
		buf_printf(ret_remedy, "start a node with --capabilities %s", s.missing.data);
	} else {
		buf_add_str(ret_detail, "a node that fits is there but does not take from it");
		buf_add_str(ret_remedy, "look at the node's log; restart it if it is silent");
	}
	buf_release(&s.missing);
}
