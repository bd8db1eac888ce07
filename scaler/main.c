/* millrace-scaler: watches lag and load, starts and drains nodes, keeps agents, heals. */
#include <stdio.h>

#include "scaler/scaler.h"

static void on_stop(void *data)
{
	scaler_stop(data);
}

static int run(struct scaler *s, struct err *e)
{
	int rc = daemon_init(&s->daemon, scaler_program.name, &s->config.daemon, on_stop, s, e);

	if (rc)
		return rc;
	rc = scaler_start(s, e);
	int code = rc ? 1 : daemon_run(&s->daemon);
	scaler_release(s);
	daemon_release(&s->daemon);
	return rc ? rc : code;
}

int main(int argc, char **argv)
{
	static struct scaler s;
	struct config_extra extra = {0};
	struct err e = {0};
	int rc = config_load(&scaler_program, argc, argv, &s.config, &extra, &e);

	if (rc == 0 && !extra.done)
		rc = scaler_config_finish(&s.config, &extra, &e);
	if (rc == 0 && !extra.done && !extra.check_only)
		rc = run(&s, &e);
	if (rc < 0)
		fprintf(stderr, "millrace-scaler: %s\n", e.text);
	scaler_config_release(&s.config, &extra);
	return rc == ERR_INVALID ? 2 : rc != 0;
}
