/*
 * Putting a private system together, before anything of it runs. Nothing is
 * started here but initdb. Fails: an engine that is not installed, a directory
 * that cannot be written, no free port.
 */
#include "cli/dev_plan.h"

#include <stdio.h>

#include "cli/dev_scaler.h"
#include "common/proc.h"

static struct component *add(struct dev_plan *p, const char *name, enum component_kind kind, char **argv)
{
	struct component *c;

	p->components = xreallocarray(p->components, p->n + 1, sizeof(*p->components));
	c = &p->components[p->n++];
	*c = (struct component){.kind = kind, .argv = argv};
	snprintf(c->name, sizeof(c->name), "%s", name);
	c->log_path = xasprintf("%s/log/%s.log", p->dir, name);
	return c;
}

static char **program(const char *name)
{
	CLEANUP(free_ptr) char *path = proc_sibling(name);

	return argv_make(path, NULL);
}

static void add_node(struct dev_plan *p, unsigned number)
{
	CLEANUP(free_ptr) char *name = xasprintf("node-%u", number);
	CLEANUP(free_ptr) char *slots = xasprintf("%u", p->options->slots);
	char **argv = program("millrace-node");

	argv_add(&argv, name);
	if (p->options->slots > 0) {
		argv_add(&argv, "--slots");
		argv_add(&argv, slots);
	}
	if (p->options->handlers) {
		argv_add(&argv, "--handlers");
		argv_add(&argv, p->options->handlers);
	}
	add(p, name, COMPONENT_NODE, argv);
}

/* Lends its slots to nodes that are plain NATS subscribers; has no handlers of its own. */
static void add_bridge(struct dev_plan *p)
{
	char **argv = program("millrace-node");

	argv_add(&argv, "bridge");
	argv_add(&argv, "--bridge");
	add(p, "bridge", COMPONENT_NODE, argv);
}

static char **gateway_argv(const struct dev_plan *p)
{
	CLEANUP(free_ptr) char *listen = xasprintf("127.0.0.1:%d", p->ports.http);
	char **argv = program("millrace-gateway");

	argv_add(&argv, "--http-listen");
	argv_add(&argv, listen);
	for (const char *const *word = p->options->gateway_words; word && *word; word++)
		argv_add(&argv, *word);
	return argv;
}

static int add_engines(struct dev_plan *p, struct err *e)
{
	char **argv;

	if (broker_prepare(&p->broker, p->dir, &p->ports, &argv, e) != 0)
		return e->code;
	add(p, "broker", COMPONENT_BROKER, argv);
	add(p, "postgresql", COMPONENT_POSTGRES, postgres_argv(&p->postgres, &p->ports));
	return 0;
}

static void add_services(struct dev_plan *p)
{
	CLEANUP(free_ptr) char *rate = xasprintf("%u", p->options->load_per_s);
	char **argv = program("millrace");

	argv_add(&argv, "setup");
	add(p, "setup", COMPONENT_SETUP, argv);
	add(p, "router", COMPONENT_ROUTER, program("millrace-router"));
	add(p, "store", COMPONENT_STORE, program("millrace-store"));
	for (unsigned i = 1; i <= p->options->nodes; i++)
		add_node(p, i);
	if (p->options->bridge)
		add_bridge(p);
	if (p->options->scaler)
		add(p, "scaler", COMPONENT_SCALER, dev_scaler_argv(p->options, p->dir));
	if (p->options->gateway)
		add(p, "gateway", COMPONENT_GATEWAY, gateway_argv(p));
	if (p->options->load_per_s > 0) {
		argv = program("millrace");
		argv_add(&argv, "dev");
		argv_add(&argv, "load");
		argv_add(&argv, rate);
		add(p, "load", COMPONENT_LOAD, argv);
	}
}

/* Addresses follow the ports: made before the first start, and again when one of them lost its port. */
static void make_addresses(struct dev_plan *p)
{
	free(p->nats_url);
	free(p->monitor_url);
	free(p->database_url);
	free(p->http_url);
	p->nats_url = xasprintf("nats://127.0.0.1:%d", p->ports.nats);
	p->monitor_url = xasprintf("http://127.0.0.1:%d", p->ports.nats_monitor);
	p->database_url = postgres_url(&p->postgres, &p->ports);
	p->http_url = p->options->gateway ? xasprintf("http://127.0.0.1:%d", p->ports.http) : xstrdup("");
	free(p->env[0]);
	free(p->env[1]);
	p->env[0] = xasprintf("NATS_URL=%s", p->nats_url);
	p->env[1] = xasprintf("DATABASE_URL=%s", p->database_url);
}

int plan_move(struct dev_plan *p, struct component *c, struct err *e)
{
	char **argv = NULL;
	int rc = 0;

	if (c->kind == COMPONENT_BROKER) {
		rc = ports_replace(p->dir, &p->ports, &p->ports.nats, e);
		if (rc == 0)
			rc = ports_replace(p->dir, &p->ports, &p->ports.nats_monitor, e);
		if (rc == 0)
			rc = broker_prepare(&p->broker, p->dir, &p->ports, &argv, e);
	} else if (c->kind == COMPONENT_POSTGRES) {
		rc = ports_replace(p->dir, &p->ports, &p->ports.postgres, e);
		if (rc == 0)
			argv = postgres_argv(&p->postgres, &p->ports);
	} else if (c->kind == COMPONENT_GATEWAY && p->options->http_port <= 0) {
		rc = ports_replace(p->dir, &p->ports, &p->ports.http, e);
		if (rc == 0)
			argv = gateway_argv(p);
	}
	if (rc == 0 && argv) {
		argv_free(&c->argv);
		c->argv = argv;
		make_addresses(p);
	}
	return rc;
}

int plan_make(struct dev_plan *p, const struct dev_options *o, const char *dir,
              const char *notify_name, struct err *e)
{
	p->options = o;
	p->dir = dir;
	p->env[2] = xasprintf("NOTIFY_SOCKET=%s", notify_name);
	if (broker_find(dir, &p->broker, e) != 0 || postgres_find(dir, &p->postgres, e) != 0 ||
	    ports_load(dir, o->http_port, &p->ports, e) != 0 || postgres_init(&p->postgres, dir, e) != 0)
		return e->code;
	make_addresses(p);
	if (add_engines(p, e) != 0)
		return e->code;
	if (p->options->scaler && dev_scaler_prepare(o, dir, e) != 0)
		return e->code;
	add_services(p);
	return 0;
}

void plan_release(struct dev_plan *p)
{
	for (size_t i = 0; i < p->n; i++) {
		argv_free(&p->components[i].argv);
		free(p->components[i].log_path);
	}
	free(p->components);
	for (size_t i = 0; i < ARRAY_LEN(p->env); i++)
		free(p->env[i]);
	free(p->nats_url);
	free(p->monitor_url);
	free(p->database_url);
	free(p->http_url);
	broker_release(&p->broker);
	postgres_release(&p->postgres);
	*p = (struct dev_plan){0};
}
