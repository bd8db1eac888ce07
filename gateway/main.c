/* millrace-gateway: REST, live dashboard and metrics over HTTP. */
#include <stdio.h>

#include "gateway/gateway.h"
#include "gateway/routes.h"

static void on_stop(void *data)
{
	gateway_stop(data);
}

static int run(struct gateway *g, struct err *e)
{
	int rc = daemon_init(&g->daemon, gateway_program.name, &g->config.daemon, on_stop, g, e);

	if (rc)
		return rc;
	rc = gateway_start(g, e);
	int code = rc ? 1 : daemon_run(&g->daemon);
	gateway_release(g);
	daemon_release(&g->daemon);
	return rc ? rc : code;
}

int main(int argc, char **argv)
{
	static struct gateway g;
	struct config_extra extra = {0};
	struct err e = {0};

	if (argc == 2 && str_eq(argv[1], "--list-routes")) {
		routes_print(stdout);
		return 0;
	}
	int rc = config_load(&gateway_program, argc, argv, &g.config, &extra, &e);

	if (rc == 0 && !extra.done && g.config.access.new_token) {
		rc = access_new_token(&g.config.access, &e);
		extra.done = true;
	}
	if (rc == 0 && !extra.done)
		rc = gateway_config_check(&g.config, &e);
	if (rc == 0 && !extra.done && !extra.check_only)
		rc = run(&g, &e);
	if (rc < 0)
		fprintf(stderr, "millrace-gateway: %s\n", e.text);
	config_release(&gateway_program, &g.config, &extra);
	return rc == ERR_INVALID ? 2 : rc != 0;
}
