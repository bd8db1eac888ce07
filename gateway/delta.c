/*
 * Rows that changed. It stands alone because it decides what hundreds of
 * listeners are sent: a row whose heartbeat is a second older, or whose load
 * moved by half a percent, is no news. What was told stays the measure, so that
 * small steps add up to a change.
 */
#include "gateway/delta.h"

#include <math.h>

static double step_of(const struct delta_slack *slack, const char *key)
{
	for (; slack && slack->key; slack++) {
		if (str_eq(slack->key, key))
			return slack->step;
	}
	return 0;
}

bool delta_same(const json_t *a, const json_t *b, const struct delta_slack *slack)
{
	const char *key;
	json_t *v;

	if (!json_is_object(a) || !json_is_object(b) || json_object_size(a) != json_object_size(b))
		return json_equal(a, b);
	json_object_foreach ((json_t *)(uintptr_t)a, key, v) {
		const json_t *w = json_object_get(b, key);
		double step = step_of(slack, key);

		if (step > 0 && json_is_number(v) && json_is_number(w) &&
			fabs(json_number_value(v) - json_number_value(w)) < step)
			continue;
		if (!json_equal(v, w))
			return false;
	}
	return true;
}

static void append(json_t **list, json_t *owned)
{
	if (!*list)
		*list = json_array();
	json_array_append_new(*list, owned);
}

void delta_rows(json_t *told, const json_t *rows, const char *key, const struct delta_slack *slack,
				json_t **ret_changed, json_t **ret_removed)
{
	json_t *there = json_object(), *changed = NULL, *removed = NULL, *row, *old;
	const char *name;
	size_t i;
	void *next;

	json_array_foreach (rows, i, row) {
		name = json_string_value(json_object_get(row, key));
		if (!name)
			continue;
		json_object_set_new(there, name, json_true());
		old = json_object_get(told, name);
		if (old && delta_same(old, row, slack))
			continue;
		append(&changed, json_incref(row));
		json_object_set(told, name, row);
	}
	json_object_foreach_safe (told, next, name, old) {
		if (json_object_get(there, name))
			continue;
		append(&removed, json_string(name));
		json_object_del(told, name);
	}
	json_decref(there);
	*ret_changed = changed;
	*ret_removed = removed;
}

json_t *delta_list(const json_t *told)
{
	json_t *list = json_array(), *row;
	const char *name;

	json_object_foreach ((json_t *)(uintptr_t)told, name, row) {
		json_array_append(list, row);
	}
	return list;
}
