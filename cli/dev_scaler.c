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

/* A path may hold anything. */
static void add_quoted(struct buf *b, const char *key, const char *text)
{
	buf_add_str(b, key);
	buf_add_str(b, "\"");
	for (; *text; text++) {
		if (*text == '"' || *text == '\\')
			buf_add_str(b, "\\");
		buf_add(b, text, 1);
	}
	buf_add_str(b, "\"\n");
}

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
	buf_add_str(&b, pool);
	if (o->handlers) {
		CLEANUP(free_ptr) char *full = realpath(o->handlers, NULL);

		add_quoted(&b, "    handlers: ", full ? full : o->handlers);
	}
	return files_write(path, b.data, b.len, 0600, e);
}

/*
 * The engines are the supervisor's: it starts them again when healing asks. Commands and disks are lists whose words commas
 * part: where a path has one, the supervisor alone brings engines back, later.
 */
static void add_healing(char ***argv, const char *dir)
{
	CLEANUP(free_ptr) char *self = proc_sibling("millrace");
	CLEANUP(free_ptr) char *broker = xasprintf("%s,dev,start,broker,--dir,%s", self, dir);
	CLEANUP(free_ptr) char *database = xasprintf("%s,dev,start,postgresql,--dir,%s", self, dir);
	CLEANUP(free_ptr) char *log = xasprintf("%s/log/heal.log", dir);
	const char *const words[] = {"--heal-away", "2s", "--heal-restart-broker", broker,
								 "--heal-restart-database", database, "--heal-log", log,
								 "--heal-disks", dir};

	size_t n = strchr(self, ',') || strchr(dir, ',') ? 0 : ARRAY_LEN(words);

	for (size_t i = 0; i < n; i++)
		argv_add(argv, words[i]);
}

char **dev_scaler_argv(const struct dev_options *o, const char *dir)
{
	CLEANUP(free_ptr) char *program = proc_sibling("millrace-scaler");
	CLEANUP(free_ptr) char *path = xasprintf("%s/scaler.yaml", dir);
	CLEANUP(free_ptr) char *own = xasprintf("%s/scaler", dir);
	char **argv = argv_make(program, "--config", o->scaler_config ? o->scaler_config : path,
							"--scaler-dir", own, "--scaler-tied", NULL);

	add_healing(&argv, dir);
	return argv;
}
