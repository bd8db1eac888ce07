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

/* A path as a YAML scalar, whatever is in it. */
static void add_quoted(struct buf *b, const char *text)
{
	buf_add(b, "\"", 1);
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add(b, "\\", 1);
		if ((unsigned char)*text < 0x20)
			buf_printf(b, "\\x%02x", (unsigned)(unsigned char)*text);
		else
			buf_add(b, text, 1);
	}
	buf_add(b, "\"", 1);
}

static void add_path(struct buf *b, const char *key, const char *before, const char *path)
{
	CLEANUP(free_ptr) char *value = xasprintf("%s%s", before, path);

	buf_add_str(b, key);
	add_quoted(b, value);
	buf_add_str(b, "\n");
}

/* Commands and disks are lists whose words commas part: where a path has one, `dev` alone brings engines back, later. */
static void add_heal(struct buf *b, const char *dir)
{
	CLEANUP(free_ptr) char *self = proc_sibling("millrace");
	CLEANUP(free_ptr) char *log = xasprintf("%s/log/heal.log", dir);
	CLEANUP(free_ptr) char *start = xasprintf("%s,dev,start,broker,--dir,", self);
	CLEANUP(free_ptr) char *start_database = xasprintf("%s,dev,start,postgresql,--dir,", self);

	buf_add_str(b, "heal:\n"
				   "  away: 2s        # then an engine that does not answer is started again\n");
	if (!strchr(self, ',') && !strchr(dir, ',')) {
		add_path(b, "  restart_broker: ", start, dir);
		add_path(b, "  restart_database: ", start_database, dir);
		add_path(b, "  disks: ", "", dir);
	}
	add_path(b, "  log: ", "", log);
}

int dev_scaler_prepare(const struct dev_options *o, const char *dir, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	CLEANUP(buf_release) struct buf b = {0};

	if (o->scaler_config)
		return 0;
	CLEANUP(free_ptr)
	char *pool =
		xasprintf("# Written by `millrace dev` at each start; --scaler-config FILE takes another.\n"
				  "pools:\n"
				  "  - name: default\n"
				  "    min: %u          # those that `dev` keeps\n"
				  "    max: %u\n"
				  "    slots: %u\n"
				  "    wait: 2s        # 95 %% of the tasks are to wait less\n",
				  o->nodes, o->max_nodes, o->slots ? o->slots : 10);

	add_heal(&b, dir);
	buf_add_str(&b, pool);
	if (o->handlers) {
		CLEANUP(free_ptr) char *full = realpath(o->handlers, NULL);

		add_path(&b, "    handlers: ", "", full ? full : o->handlers);
	}
	return files_write(path, b.data, b.len, 0600, e);
}

char **dev_scaler_argv(const struct dev_options *o, const char *dir)
{
	CLEANUP(free_ptr) char *program = proc_sibling("millrace-scaler");
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	CLEANUP(free_ptr) char *own = xasprintf("%s/scaler", dir);

	return argv_make(program, "--config", o->scaler_config ? o->scaler_config : path,
					 "--scaler-dir", own, "--scaler-tied", NULL);
}
