/*
 * Why nodes do not start or are not more. It stands alone because the scaler
 * knows the reasons: a pool that is suspended, one that is at its bound, nobody
 * who leads. Without a scaler there is nothing to say: nodes are then started
 * by whoever runs them.
 */
#include "cli/doctor.h"

static json_int_t number(const json_t *o, const char *key)
{
	return json_integer_value(json_object_get(o, key));
}

static const char *text(const json_t *o, const char *key)
{
	const char *v = json_string_value(json_object_get(o, key));

	return v ? v : "";
}

static void check_pool(struct doctor *d, const json_t *pool)
{
	const char *name = text(pool, "pool_name");
	json_int_t nodes = number(pool, "process_count"), target = number(pool, "target");
	CLEANUP(free_ptr) char *resume = xasprintf("their logs tell why; then: millrace pool resume %s", name);
	CLEANUP(free_ptr) char *more = xasprintf("a larger max: for pool %s, more slots, or another machine", name);

	if (json_is_true(json_object_get(pool, "suspended")))
		doctor_add(d, FINDING_WRONG, "scaling", resume,
				   "pool %s: its nodes die soon after their start, so none is started", name);
	else if (number(pool, "waiting") > 0 && target >= number(pool, "max") &&
			 json_real_value(json_object_get(pool, "oldest_s")) >
				 json_real_value(json_object_get(pool, "promise_s")))
		doctor_add(d, FINDING_WARNING, "scaling", more,
				   "pool %s has all the %lld nodes that it may have, and tasks wait longer than promised: %s", name,
				   (long long)number(pool, "max"), text(pool, "reason"));
	else if (nodes + number(pool, "starting") < target && !str_eq(text(pool, "driver"), "advise"))
		doctor_add(d, FINDING_WARNING, "scaling", "the scaler's log tells what it tried: millrace scaler history",
				   "pool %s has %lld nodes of %lld that it shall have", name, (long long)nodes,
				   (long long)target);
	else
		doctor_add(d, FINDING_OK, "scaling", NULL, "pool %s: %lld nodes, %s", name, (long long)nodes,
				   text(pool, "reason"));
}

void doctor_scaler(struct doctor *d)
{
	struct err e = {0};
	json_t *page, *pool;
	size_t i;

	if (!d->scalers)
		return;
	if (cli_call(d->cli, "api.pool.list", NULL, &page, &e)) {
		doctor_add(d, FINDING_WARNING, "scaling",
				   "wait for the lease's time (6 s); then look at their logs", "%u scalers run, and none leads: %s",
				   d->scalers, e.text);
		return;
	}
	json_array_foreach (json_object_get(page, "pools"), i, pool)
		check_pool(d, pool);
	json_decref(page);
}
