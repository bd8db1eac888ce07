/* millrace-node: takes tasks from the lanes it can serve, runs them, reports their outcomes. */
#include <stdio.h>
#include <sys/prctl.h>

#include "common/log.h"
#include "node/handlers/child.h"
#include "node/handlers/exec_child.h"
#include "node/node.h"

static void on_stop(void *data)
{
	node_stop(data);
}

/* --check-config: what the table can't check. Nothing is started. */
static int check(const struct node_config *c, struct err *e)
{
	const struct handler_context ctx = {.node = c->name};
	struct handlers *handlers = NULL;
	int rc = handlers_open(c->handlers, &ctx, &handlers, e);

	if (!rc)
		handlers_close(&handlers, NULL, NULL);
	return rc;
}

/*
 * Programs run as the node's own user, and its environment and memory hold the broker's password:
 * while they may run, /proc/<node>/environ, mem and fd are closed to them. It costs core dumps and
 * debuggers (root may still attach). The leak checker of a sanitizer needs it open again at the end.
 */
static void hide_from_programs(bool hide)
{
	(void)prctl(PR_SET_DUMPABLE, !hide, 0, 0, 0);
}

static int run(const struct node_config *c, struct err *e)
{
	struct daemon daemon;
	struct node node;
	int code = 0;

	hide_from_programs(true);
	int rc = daemon_init(&daemon, "millrace-node", &c->daemon, on_stop, &node, e);

	if (rc)
		return rc;
	rc = node_open(&node, &daemon, c, e);
	if (!rc) {
		code = daemon_run(&daemon);
		node_close(&node);
	}
	daemon_release(&daemon);
	hide_from_programs(child_count() > 0);
	return rc ? rc : code;
}

int main(int argc, char **argv)
{
	struct node_config c = {0};
	struct config_extra extra = {0};
	struct err e;

	if (exec_child_wanted(argc, argv))
		return exec_child_main(argc, argv);

	int rc = config_load(&node_program, argc, argv, &c, &extra, &e);

	if (!rc && !extra.done)
		rc = node_config_finish(&c, &extra, &e);
	if (!rc && !extra.done)
		rc = extra.check_only ? check(&c, &e) : run(&c, &e);
	if (rc < 0)
		fprintf(stderr, "millrace-node: %s\n", e.text);
	node_config_release(&c, &extra);
	/* 2: it was asked for what can't be; 1: it ended before it had finished. */
	return rc == ERR_INVALID ? 2 : rc ? 1 : 0;
}
