/*
 * The depth of a lane, as its stream's max_msgs. It stands alone because it
 * changes what exists: the stream is read, that one field is changed, and all
 * else (copies, bytes, what an operator set by hand) stays as it was. Any
 * number of routers may do it at once; they do the same. Badly: the broker
 * refuses or is away; that is logged, and told anew with the next setting.
 */
#include "router/lane_limit.h"

#include "common/jetstream.h"
#include "common/log.h"

static void failed(struct lane_entry *l, const struct err *e)
{
	log_warn("a lane's limit was not set", LOG_S("lane", l->lane.name), LOG_S("why", e->text));
	lane_unref(&l);
}

static void on_updated(void *data, const json_t *reply UNUSED, int server_code UNUSED,
					   const struct err *e)
{
	struct lane_entry *l = data;

	if (e)
		failed(l, e);
	else
		lane_unref(&l);
}

static void on_info(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct lane_entry *l = data;
	const json_t *config = json_object_get(reply, "config");
	json_int_t wanted = (json_int_t)l->depth;
	struct err why;

	if (e && server_code != JS_ERR_STREAM_NOT_FOUND) {
		failed(l, e);
		return;
	}
	if (e || json_integer_value(json_object_get(config, "max_msgs")) == wanted) {
		lane_unref(&l);
		return;
	}
	json_t *body = json_deep_copy(config);
	json_object_set_new(body, "max_msgs", json_integer(wanted));
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.UPDATE.LANE_%s", l->lane.name);
	if (js_api(l->router->bus, verb, body, on_updated, l, &why))
		failed(l, &why);
	json_decref(body);
}

void lane_limit_apply(struct lane_entry *l, uint64_t by_default)
{
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.INFO.LANE_%s", l->lane.name);
	struct err e;

	l->depth = MIN_OF(l->set.limit ? l->set.limit : by_default, (uint64_t)INT64_MAX);
	lane_ref(l);
	if (js_api(l->router->bus, verb, NULL, on_info, l, &e))
		failed(l, &e);
}
