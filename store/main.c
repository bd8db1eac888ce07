/* millrace-store: brings events into PostgreSQL and answers questions about tasks. */
#include <stdio.h>

#include "store/migrate.h"
#include "store/store.h"

static void on_stop(void *data)
{
	store_drain(data);
}

static int run(struct store *s, struct err *e)
{
	int rc = daemon_init(&s->daemon, store_program.name, &s->config.daemon, on_stop, s, e);

	if (rc)
		return rc;
	rc = store_start(s, e);
	int code = rc ? 1 : daemon_run(&s->daemon);
	store_release(s);
	daemon_release(&s->daemon);
	return rc ? rc : code;
}

int main(int argc, char **argv)
{
	static struct store s;
	struct config_extra extra = {0};
	struct err e = {0};
	int rc = config_load(&store_program, argc, argv, &s.config, &extra, &e);

	if (rc == 0 && !extra.done && !extra.check_only)
		rc = s.config.migrate ? migrate(&s.config.database, s.config.database_wait_ns, &e)
							  : run(&s, &e);
	if (rc < 0)
		fprintf(stderr, "millrace-store: %s\n", e.text);
	config_release(&store_program, &s.config, &extra);
	/* 5: `millrace setup` tells a database that is away from a migration that failed. */
	return rc == ERR_INVALID ? 2 : rc == ERR_UNREACHABLE ? 5 : rc != 0;
}
