/*
 * The doctor's roll-call: every component is a NATS service and answers
 * $SRV.PING. It stands alone because nobody knows how many answers there will
 * be: it listens until it has been quiet for a while.
 */
#include "cli/doctor.h"

#include <stdio.h>

#define QUIET_MS 400
#define LISTEN_MOST_MS 3000

struct roll {
	json_t *names;    /* name → {"count", "version"} */
	bool mixed;       /* versions differ */
	char version[32]; /* the first seen of a component of ours */
	bool answered;
};

static bool ours(const char *name)
{
	return strncmp(name, "millrace-", 9) == 0;
}

static void count(struct roll *r, const char *name, const char *version)
{
	json_int_t n = json_integer_value(json_object_get(r->names, name));

	json_object_set_new(r->names, name, json_integer(n + 1));
	if (!ours(name) || !version)
		return;
	if (!r->version[0])
		snprintf(r->version, sizeof(r->version), "%s", version);
	r->mixed = r->mixed || !str_eq(r->version, version);
}

static void on_pong(void *data, struct bus_msg **m)
{
	struct roll *r = data;
	json_t *j = json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, NULL);
	const char *name = json_string_value(json_object_get(j, "name"));

	if (name && ours(name)) {
		count(r, name, json_string_value(json_object_get(j, "version")));
		r->answered = true;
	}
	json_decref(j);
}

static int collect(struct doctor *d, struct roll *r, struct err *e)
{
	int64_t deadline = clock_mono_ms() + LISTEN_MOST_MS;
	struct bus_inbox *inbox = bus_inbox_open(d->cli->bus, on_pong, r);
	struct bus_out ping = {.subject = "$SRV.PING", .reply = bus_inbox_address(inbox)};
	int rc = bus_publish(d->cli->bus, &ping, e);

	while (rc == 0 && clock_mono_ms() < deadline) {
		r->answered = false;
		rc = cli_wait(d->cli, &r->answered, QUIET_MS, e);
	}
	bus_inbox_close(&inbox);
	return rc == ERR_TIMEOUT ? 0 : rc;
}

static unsigned number_of(const struct roll *r, const char *name)
{
	return (unsigned)json_integer_value(json_object_get(r->names, name));
}

static void judge(struct doctor *d, const char *name, unsigned n, enum finding absent,
				  const char *remedy, const char *consequence)
{
	if (n)
		doctor_add(d, FINDING_OK, "components", NULL, "%s: %u", name, n);
	else
		doctor_add(d, absent, "components", remedy, "no %s answers: %s", name, consequence);
}

void doctor_components(struct doctor *d)
{
	struct roll r = {.names = json_object()};
	struct err e = {0};

	if (collect(d, &r, &e)) {
		doctor_add(d, FINDING_WRONG, "components", NULL, "cannot be asked: %s", e.text);
		json_decref(r.names);
		return;
	}
	d->routers = number_of(&r, "millrace-router");
	d->stores = number_of(&r, "millrace-store");
	d->nodes = number_of(&r, "millrace-node");
	d->scalers = number_of(&r, "millrace-scaler");
	d->gateways = number_of(&r, "millrace-gateway");
	judge(d, "millrace-router", d->routers, FINDING_WRONG, "start it: millrace-router",
		  "submitted tasks wait in TASKS");
	judge(d, "millrace-store", d->stores, FINDING_WRONG, "start it: millrace-store",
		  "outcomes wait in EVENTS, and nobody can be asked about tasks");
	judge(d, "millrace-node", d->nodes, FINDING_WRONG, "start one: millrace-node node-1",
		  "tasks wait in their lanes");
	/* Without one the nodes are as many as somebody starts: no fault. */
	if (d->scalers)
		doctor_add(d, FINDING_OK, "components", NULL, "millrace-scaler: %u", d->scalers);
	if (d->gateways)
		doctor_add(d, FINDING_OK, "components", NULL, "millrace-gateway: %u", d->gateways);
	if (r.mixed)
		doctor_add(d, FINDING_WARNING, "components",
				   "finish the upgrade: nats micro ls tells who is who",
				   "they are of different versions");
	json_decref(r.names);
}
