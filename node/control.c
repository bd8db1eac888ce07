/*
 * Orders to one node, as endpoints of the service millrace-node. Each answers
 * {"ok":true} when the order is taken, not when it is carried out: draining
 * takes as long as its longest task, and is seen in the bucket `nodes`.
 */
#include "node/control.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/codec.h"

#define EPOCH_KEPT_MS 300000 /* as long as the longest lease */

static void ok(struct service_request *r)
{
	static const char answer[] = "{\"ok\":true}";

	service_reply(r, CONTENT_JSON, answer, sizeof(answer) - 1);
}

/*
 * A scaler's order carries the epoch of its leadership. One of a leader of the past, who was stopped between its look at
 * the lease and the order, is refused; people's orders have none. After EPOCH_KEPT_MS without a word of that later one
 * (a bucket that was made anew counts from 1) any is taken.
 */
static bool is_of_the_past(struct node *n, struct service_request *r)
{
	const char *text = bus_msg_header(service_message(r), "Scaler-Epoch");
	uint64_t epoch = text ? strtoull(text, NULL, 10) : 0;
	int64_t now_ms = clock_mono_ms();

	if (epoch == 0)
		return false;
	if (epoch < n->scaler_epoch && now_ms - n->scaler_epoch_ms < EPOCH_KEPT_MS) {
		service_fail(r, 409, "epoch %llu is of a leadership that is over; %llu leads", (unsigned long long)epoch,
					 (unsigned long long)n->scaler_epoch);
		return true;
	}
	n->scaler_epoch = epoch;
	n->scaler_epoch_ms = now_ms;
	return false;
}

static void set_drain(struct node *n, struct service_request *r, bool on)
{
	if (is_of_the_past(n, r))
		return;
	if (node_drain(n, on))
		ok(r);
	else
		service_fail(r, 409, "node %s is stopping", n->config->name);
}

static void on_drain(void *data, struct service_request *r)
{
	set_drain(data, r, true);
}

static void on_undrain(void *data, struct service_request *r)
{
	set_drain(data, r, false);
}

static void on_stop(void *data, struct service_request *r)
{
	struct node *n = data;

	if (is_of_the_past(n, r))
		return;
	ok(r);
	daemon_stop(n->daemon);
}

int control_open(struct node *n, struct service **ret, struct err *e)
{
	static const char *const verbs[] = {"drain", "undrain", "stop"};
	void (*const handlers[])(void *, struct service_request *) = {on_drain, on_undrain, on_stop};
	const char *const metadata[] = {"node", n->config->name, "pool", n->config->pool, NULL};
	struct service_endpoint endpoints[ARRAY_LEN(verbs)];
	char subjects[ARRAY_LEN(verbs)][TOKEN_MAX + 32];

	for (size_t i = 0; i < ARRAY_LEN(verbs); i++) {
		snprintf(subjects[i], sizeof(subjects[i]), "ctl.node.%s.%s", n->config->name, verbs[i]);
		endpoints[i] = (struct service_endpoint){
			.name = verbs[i], .subject = subjects[i], .on_request = handlers[i]};
	}
	return service_open(n->bus, "millrace-node", "Runs tasks.", metadata, endpoints,
						ARRAY_LEN(endpoints), n, ret, e);
}
