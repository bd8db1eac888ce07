/* The scaler's configuration: one table, and the section `pools:` (pool_file.c). What each key means stands in its help. */
#include "scaler/config.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "scaler/heal_words.h"

static const struct config_key keys[] = {
	BUS_CONFIG_KEYS(struct scaler_config, nats),
	DAEMON_CONFIG_KEYS(struct scaler_config, daemon),
	{"scaler.name", CONFIG_STRING, offsetof(struct scaler_config, name), NULL,
	 "who it is, in leases and decisions; default the host's name"},
	{"scaler.dir", CONFIG_STRING, offsetof(struct scaler_config, dir), NULL,
	 "where it notes the nodes that it started, and where their logs lie; scalers of one machine and system share it; "
	 "default $XDG_RUNTIME_DIR/millrace-<broker>, else /tmp/millrace-<uid>-<broker>"},
	{"scaler.tick", CONFIG_DURATION, offsetof(struct scaler_config, tick_ns), "1s",
	 "between looks at lag and load", NULL, 100 * NS_PER_MS, 60 * NS_PER_S},
	{"scaler.lease", CONFIG_DURATION, offsetof(struct scaler_config, lease_ns), "6s",
	 "a leader that was silent for so long leads no more", NULL, NS_PER_S, 300 * NS_PER_S},
	{"scaler.orphan_after", CONFIG_DURATION, offsetof(struct scaler_config, orphan_ns), "5m",
	 "a node that a scaler started ends by itself when nobody has led for so long; 0: never"},
	{"scaler.keep_nodes", CONFIG_BOOL, offsetof(struct scaler_config, keep_nodes), "false",
	 "an orderly end leaves the nodes to the next scaler; else it drains them first, unless another leads"},
	{"scaler.tied", CONFIG_BOOL, offsetof(struct scaler_config, tied), "false",
	 "its nodes are told to end when it dies, however; else they go on, and the next scaler adopts them"},
	{"nodes.max", CONFIG_INT, offsetof(struct scaler_config, nodes_max), "100",
	 "most nodes of all pools that run at once", "MAX_WORKERS", 1, 10000},
	HEAL_CONFIG_KEYS(struct scaler_config, heal),
	{0},
};

static const struct config_key *const tables[] = {keys, NULL};

const struct config_program scaler_program = {
	.name = "millrace-scaler",
	.summary = "Watches lag and load, starts and drains nodes, keeps agents, heals.",
	.usage = "[options]",
	.tables = tables,
	.sections = "pools",
	.epilog = "Pools are the list `pools:` of the file; without one there is the pool `default`, one to ten\n"
			  "nodes with the built-in handlers. docs/scaling.md tells how it decides.",
};

static char *default_name(void)
{
	char host[256] = "", name[TOKEN_MAX + 1];
	size_t len = 0;

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	for (const char *p = host; *p && *p != '.' && len < TOKEN_MAX; p++) {
		char one[2] = {*p, '\0'};

		if (token_ok(one, 1))
			name[len++] = *p;
	}
	name[len] = '\0';
	return xstrdup(len ? name : "scaler");
}

/* One for each broker: scalers of two systems must not take each other's nodes for theirs. */
static char *default_dir(const struct bus_config *b)
{
	const char *run = getenv("XDG_RUNTIME_DIR");
	const char *of = b->url && *b->url ? b->url : b->context && *b->context ? b->context : "default";
	char name[64];
	size_t len = 0;

	/* Credentials in an address are no part of a name. */
	if (strrchr(of, '@'))
		of = strrchr(of, '@') + 1;
	for (; *of && len < sizeof(name) - 1; of++)
		name[len++] = token_ok((char[]){*of, '\0'}, 1) ? *of : '-';
	name[len] = '\0';
	if (run && *run == '/')
		return xasprintf("%s/millrace-%s", run, name);
	return xasprintf("/tmp/millrace-%u-%s", (unsigned)getuid(), name);
}

int scaler_config_finish(struct scaler_config *c, const struct config_extra *extra, struct err *e)
{
	const struct doc *list = extra->file ? doc_get(extra->file, "pools") : NULL;

	if (!c->name || !*c->name) {
		free(c->name);
		c->name = default_name();
	}
	if (!c->dir || !*c->dir) {
		free(c->dir);
		c->dir = default_dir(&c->nats);
	}
	if (token_check("scaler.name", c->name, e))
		return e->code;
	if (c->dir[0] != '/')
		return err_set(e, ERR_INVALID, "scaler.dir: \"%s\" is no absolute path", c->dir);
	if (heal_config_check(&c->heal, e))
		return e->code;
	return pool_file_read(list, extra->path, &c->pools, &c->npools, e);
}

void scaler_config_release(struct scaler_config *c, struct config_extra *extra)
{
	pool_file_free(c->pools, c->npools);
	c->pools = NULL;
	c->npools = 0;
	config_release(&scaler_program, c, extra);
}
