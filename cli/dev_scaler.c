/*
 * A private system's scaler: one pool, `default`, to which the nodes that the
 * supervisor keeps belong as well; the scaler starts more beside them while
 * there is much to do. They are tied to it, so that nothing outlives a
 * supervisor that is killed.
 */
#include "cli/dev_scaler.h"

#include "cli/dev_broker.h"
#include "cli/dev_files.h"
#include "common/proc.h"

int dev_scaler_prepare(const struct dev_options *o, const char *dir, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	CLEANUP(buf_release) struct buf b = {0};

	if (o->scaler_config)
		return 0;
	CLEANUP(free_ptr) char *pool = xasprintf(
		"# Written by `millrace dev` at each start; --scaler-config FILE takes another.\n"
		"pools:\n"
		"  - name: default\n"
		"    min: %u          # those that `dev` keeps\n"
		"    max: %u\n"
		"    slots: %u\n"
		"    wait: 2s        # 95 %% of the tasks are to wait less\n",
		o->nodes, o->max_nodes, o->slots ? o->slots : 10);
	CLEANUP(free_ptr) char *self = proc_sibling("millrace");
	CLEANUP(free_ptr) char *heal = xasprintf(
		"heal:\n"
		"  away: 2s        # then an engine that does not answer is started again\n"
		"  restart_broker: %s,dev,start,broker,--dir,%s\n"
		"  restart_database: %s,dev,start,postgresql,--dir,%s\n"
		"  log: %s/log/heal.log\n"
		"  disks: %s\n",
		self, dir, self, dir, dir, dir);

	buf_add_str(&b, heal);
	buf_add_str(&b, pool);
	if (o->handlers) {
		CLEANUP(free_ptr) char *full = realpath(o->handlers, NULL);

		buf_add_str(&b, "    handlers: ");
		buf_add_str(&b, full ? full : o->handlers);
		buf_add_str(&b, "\n");
	}
	return files_write(path, b.data, b.len, 0600, e);
}

char **dev_scaler_argv(const struct dev_options *o, const char *dir)
{
	CLEANUP(free_ptr) char *program = proc_sibling("millrace-scaler");
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	CLEANUP(free_ptr) char *own = xasprintf("%s/scaler", dir);

	return argv_make(program, "--config", o->scaler_config ? o->scaler_config : path, "--scaler-dir", own,
					 "--scaler-tied", NULL);
}
