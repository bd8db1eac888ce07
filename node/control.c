/*
 * Orders to one node, as endpoints of the service millrace-node. Each answers
 * {"ok":true} when the order is taken, not when it is carried out: draining
 * takes as long as its longest task, and is seen in the bucket `nodes`.
 */
#include "node/control.h"

#include <stdio.h>

#include "common/codec.h"

static void ok(struct service_request *r)
{
	static const char answer[] = "{\"ok\":true}";

	service_reply(r, CONTENT_JSON, answer, sizeof(answer) - 1);
}

static void set_drain(struct node *n, struct service_request *r, bool on)
{
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
