/*
 * What the broker says of messages that it will not deliver again: a consumer
 * whose max_deliver somebody set, or a stranger's +TERM. No consumer of ours
 * does either, so each is worth a line that names the message; it stays where
 * it is, and an operator decides. It stands alone because nothing waits for
 * it. An advisory that can't be read is counted and acked like the others.
 */
#include "router/advisories.h"

#include <jansson.h>

#include "common/log.h"
#include "router/feed.h"

#define BATCH 100
#define EXPIRES_MS 30000

struct advisories {
	struct router *router;
	struct feed *feed;
};

static unsigned room(void *data UNUSED)
{
	return BATCH;
}

static const char *word(const json_t *j, const char *key)
{
	const char *s = json_string_value(json_object_get(j, key));

	return s ? s : "?";
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta UNUSED)
{
	struct advisories *a = data;
	json_error_t je;
	json_t *j = json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, &je);
	bool terminated = strstr(bus_msg_subject(*m), ".MSG_TERMINATED.");

	stats_advisory(terminated ? "terminated" : "max-deliveries");
	log_warn(terminated ? "a message was terminated by a stranger"
						: "the broker delivers a message no more",
			 LOG_S("stream", word(j, "stream")), LOG_S("consumer", word(j, "consumer")),
			 LOG_I("sequence", json_integer_value(json_object_get(j, "stream_seq"))),
			 LOG_I("deliveries", json_integer_value(json_object_get(j, "deliveries"))));
	json_decref(j);
	js_ack(a->router->bus, bus_msg_reply(*m));
}

int advisories_open(struct router *r, struct advisories **ret, struct err *e)
{
	struct advisories *a = xcalloc(1, sizeof(*a));
	struct feed_config c = {
		.stream = "ADVISORIES",
		.consumer = "router",
		.batch = BATCH,
		.expires_ms = EXPIRES_MS,
		.room = room,
		.on_msg = on_msg,
		.data = a,
	};

	a->router = r;
	*ret = a;
	int rc = feed_open(r, &c, &a->feed, e);
	if (rc == 0)
		feed_poke(a->feed);
	return rc;
}

void advisories_poke(struct advisories *a)
{
	if (a)
		feed_poke(a->feed);
}

void advisories_free(struct advisories **pa)
{
	struct advisories *a = TAKE(*pa);

	if (!a)
		return;
	feed_close(&a->feed);
	free(a);
}
