/*
 * The depth of a lane, as its stream's max_msgs. It stands alone because it
 * changes what exists: the stream is read, that one field is changed, and all
 * else (copies, bytes, what an operator set by hand) stays as it was. Any
 * number of routers may do it at once; they do the same. Badly: the broker
 * refuses: that is logged, and told anew with the next setting; or is away: in a few seconds.
 * nats-server before 2.10.6 drops the oldest messages of a stream that holds
 * more than its new limit: where the server does not show that it is newer,
 * a limit is lowered once the lane holds no more than half of it.
 */
#include "router/lane_limit.h"

#include "common/jetstream.h"
#include "common/log.h"

#define LATER_MS 5000

static void look(struct lane_entry *l);

static void on_later(struct timeout *t)
{
	look(container_of(t, struct lane_entry, lowering));
}

static void failed(struct lane_entry *l, const struct err *e)
{
	log_warn("a lane's limit was not set", LOG_S("lane", l->lane.name), LOG_S("why", e->text));
	if (e->code == ERR_UNREACHABLE || e->code == ERR_TIMEOUT)
		timeout_start(&l->lowering, LATER_MS, on_later);
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

/* Servers from 2.11 on write their version into each stream's metadata. */
static bool keeps_what_waits(const json_t *config)
{
	return json_is_string(json_object_get(json_object_get(config, "metadata"), "_nats.ver"));
}

static bool must_wait(const json_t *reply, json_int_t wanted)
{
	const json_t *config = json_object_get(reply, "config");
	json_int_t now = json_integer_value(json_object_get(config, "max_msgs"));
	json_int_t waiting =
		json_integer_value(json_object_get(json_object_get(reply, "state"), "messages"));

	return !keeps_what_waits(config) && (now <= 0 || wanted < now) && waiting > wanted / 2;
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
	if (must_wait(reply, wanted)) {
		log_info("a lane's limit waits until fewer tasks do: this broker would drop them",
				 LOG_S("lane", l->lane.name), LOG_I("limit", wanted));
		timeout_start(&l->lowering, LATER_MS, on_later);
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

static void look(struct lane_entry *l)
{
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.INFO.LANE_%s", l->lane.name);
	struct err e;

	lane_ref(l);
	if (js_api(l->router->bus, verb, NULL, on_info, l, &e))
		failed(l, &e);
}

void lane_limit_apply(struct lane_entry *l, uint64_t by_default)
{
	l->depth = MIN_OF(l->set.limit ? l->set.limit : by_default, (uint64_t)INT64_MAX);
	timeout_stop(&l->lowering);
	look(l);
}
