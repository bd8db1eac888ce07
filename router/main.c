/* millrace-router: puts each submitted task on the lane of its type and requirements. */
#include <stdio.h>

#include "router/router.h"
#include "router/types.h"

static void on_stop(void *data)
{
	router_drain(data);
}

static int run(struct router *r, struct err *e)
{
	int rc = daemon_init(&r->daemon, router_program.name, &r->config.daemon, on_stop, r, e);

	if (rc)
		return rc;
	rc = router_start(r, e);
	int code = rc ? 1 : daemon_run(&r->daemon);
	router_release(r);
	daemon_release(&r->daemon);
	return rc ? rc : code;
}

int main(int argc, char **argv)
{
	static struct router r;
	struct config_extra extra = {0};
	struct err e = {0};
	int rc = config_load(&router_program, argc, argv, &r.config, &extra, &e);

	if (rc == 0 && !extra.done)
		rc = router_config_check(&r.config, &e);
	if (rc == 0 && !extra.done)
		rc = types_read(extra.file, extra.path, &r.types, &e);
	if (rc == 0 && !extra.done && !extra.check_only)
		rc = run(&r, &e);
	if (rc < 0)
		fprintf(stderr, "millrace-router: %s\n", e.text);
	types_free(&r.types);
	config_release(&router_program, &r.config, &extra);
	return rc == ERR_INVALID ? 2 : rc != 0;
}
