/*
 * /api/v1/lanes and /api/v1/nodes: lists that a component tells whole, in
 * pages, by capability where that is asked for. What of a lane waits for its
 * time only the store knows: without it the lanes are told all the same.
 */
#include "gateway/gather.h"
#include "gateway/list_page.h"
#include "gateway/routes.h"
#include "gateway/words.h"

static const struct ask_param capability_params[] = {
	{"capability", NULL, ASK_LIST}, {"type", NULL, ASK_TEXT}, LIST_PARAMS, {0}};

static bool holds(const json_t *list, const char *text)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		if (str_eq(json_string_value(item), text))
			return true;
	}
	return false;
}

/* Whether record has all of the capabilities under key. */
static bool has_all(const json_t *record, const char *key, const json_t *wanted)
{
	json_t *item;
	size_t i;

	json_array_foreach (wanted, i, item) {
		if (!holds(json_object_get(record, key), json_string_value(item)))
			return false;
	}
	return true;
}

/* ---- lanes ---- */

/* By name; a lane that has only what is scheduled need not be a stream yet. */
static void add_scheduled(json_t *lanes, const json_t *scheduled)
{
	json_t *by_name = json_object(), *lane;
	size_t i;

	json_array_foreach (scheduled, i, lane)
		json_object_set(by_name, words_text(lane, "name"), json_object_get(lane, "scheduled"));
	json_array_foreach (lanes, i, lane) {
		json_t *n = json_object_get(by_name, words_text(lane, "name"));

		json_object_set_new(lane, "scheduled",
							!scheduled ? json_null()
							: n        ? json_incref(n)
									   : json_integer(0));
	}
	json_decref(by_name);
}

static json_t *lanes(const struct http_request *r UNUSED, const struct gathered *x)
{
	const char *type = words_text(x->query, "type");
	json_t *chosen = json_array(), *lane, *told;
	size_t i;

	json_array_foreach (json_object_get(x->part[0], "lanes"), i, lane) {
		if ((!*type || str_eq(type, words_text(lane, "type"))) &&
			has_all(lane, "requires", json_object_get(x->query, "capability")))
			json_array_append(chosen, lane);
	}
	told = list_answer(chosen, "name", "lanes", x->query);
	add_scheduled(json_object_get(told, "lanes"), json_object_get(x->part[1], "lanes"));
	json_decref(chosen);
	return told;
}

/* ---- nodes ---- */

static json_t *nodes(const struct http_request *r UNUSED, const struct gathered *x)
{
	const char *type = words_text(x->query, "type");
	json_t *chosen = json_array(), *node, *told;
	size_t i;

	json_array_foreach (json_object_get(x->part[0], "nodes"), i, node) {
		if ((!*type || holds(json_object_get(node, "types"), type)) &&
			has_all(node, "capabilities", json_object_get(x->query, "capability")))
			json_array_append(chosen, node);
	}
	told = list_answer(chosen, "name", "nodes", x->query);
	json_decref(chosen);
	return told;
}

const struct http_route list_routes[] = {
	GATHER("/api/v1/lanes", {{"api.lane.list", NULL, true}, {"api.lane.scheduled", NULL, false}},
		   lanes, capability_params),
	GATHER("/api/v1/nodes", {{"api.node.list", NULL, true}}, nodes, capability_params),
	{0},
};
