/*
 * Command lines of nodes. It stands alone so that what a driver starts can be
 * read in one place. A node of ours is told its pool, that a scaler started
 * it, and how long it may be without one; the address of the broker it has
 * from our environment or our own flags. Commands of the driver exec run as
 * children with their words in <dir>/log/<pool>.commands.log; one that hangs is
 * killed after a minute.
 */
#include "scaler/node_command.h"

#include <stdio.h>
#include <utlist.h>

#include "common/proc.h"
#include "common/clock.h"
#include "common/section.h"
#include "scaler/command.h"

#define TIMEOUT_MS 60000

/* ---- a node of ours ---- */

static void add(char ***argv, const char *flag, const char *value)
{
	if (!value || !*value)
		return;
	strings_add(argv, xstrdup(flag));
	strings_add(argv, xstrdup(value));
}

static void add_number(char ***argv, const char *flag, int64_t n)
{
	CLEANUP(free_ptr) char *text = xasprintf("%lld", (long long)n);

	add(argv, flag, text);
}

char **node_command_argv(const struct scaler *s, const struct pool *p, const char *node)
{
	const struct pool_config *c = p->config;
	char **argv = NULL;
	char orphan[32];

	for (char *const *w = c->command; w && *w; w++)
		strings_add(&argv, xstrdup(*w));
	if (!argv)
		strings_add(&argv, proc_sibling("millrace-node"));
	strings_add(&argv, xstrdup(node));
	add(&argv, "--pool", c->name);
	strings_add(&argv, xstrdup("--scaled"));
	if (s->config.orphan_ns > 0) {
		duration_format(s->config.orphan_ns, orphan);
		add(&argv, "--orphan-after", orphan);
	}
	add_number(&argv, "--slots", c->agents ? MAX_OF(c->agents, c->slots) : c->slots);
	if (c->agents)
		add_number(&argv, "--agents-max", c->agents);
	add(&argv, "--capabilities", c->capabilities_text);
	add(&argv, "--handlers", c->handlers_path);
	return argv;
}

/* What we were told by flags or a file, where it is not in our environment already. Secrets stay off the command line. */
static void add_broker(char ***env, const struct bus_config *b)
{
	const struct {
		const char *name, *value;
	} all[] = {
		{"NATS_URL", b->url},         {"NATS_CREDS", b->creds},       {"NATS_NKEY", b->nkey},
		{"NATS_USER", b->user},       {"NATS_PASSWORD", b->password}, {"NATS_TOKEN", b->token},
		{"NATS_CERT", b->cert},       {"NATS_KEY", b->key},           {"NATS_CA", b->ca},
		{"NATS_CONTEXT", b->context},
	};

	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].value && *all[i].value)
			strings_add(env, xasprintf("%s=%s", all[i].name, all[i].value));
	}
}

char **node_command_env(const struct scaler *s, const struct pool *p, const char *node)
{
	char **env = NULL;

	add_broker(&env, &s->config.nats);
	strings_add(&env, xasprintf("MILLRACE_POOL=%s", p->config->name));
	strings_add(&env, xasprintf("MILLRACE_NODE=%s", node));
	strings_add(&env, xstrdup("NOTIFY_SOCKET="));
	for (char *const *v = p->config->env; v && *v; v++)
		strings_add(&env, xstrdup(*v));
	return env;
}

/* ---- commands ---- */

struct run {
	struct command *command;
	char node[TOKEN_MAX + 1];
	bool starting;
	node_command_on_done on_done;
	void *data;
	struct run *prev, *next;
};

/* A process has one scaler; what it runs is its own. */
static struct run *running;

static void run_free(struct run *r)
{
	DL_DELETE(running, r);
	command_leave(&r->command);
	free(r);
}

static void on_end(void *data, const struct err *e)
{
	struct run *r = data;

	r->command = NULL;
	r->on_done(r->data, r->node, r->starting, e);
	run_free(r);
}

static char *fill_in(const char *word, const char *node, const char *pool)
{
	CLEANUP(buf_release) struct buf b = {0};

	while (*word) {
		bool is_node = strncmp(word, "{node}", 6) == 0, is_pool = strncmp(word, "{pool}", 6) == 0;

		if (is_node || is_pool)
			buf_add_str(&b, is_node ? node : pool);
		else
			buf_add(&b, word, 1);
		word += is_node || is_pool ? 6 : 1;
	}
	return xstrdup(b.data ? b.data : "");
}

int node_command_run(struct scaler *s, const struct pool *p, const char *node, bool starting,
					 node_command_on_done on_done, void *data, struct err *e)
{
	CLEANUP(strings_free) char **argv = NULL;
	CLEANUP(strings_free) char **env = node_command_env(s, p, node);
	CLEANUP(free_ptr)
	char *log_path = xasprintf("%s/log/%s.commands.log", s->config.dir, p->config->name);
	struct run *r;
	unsigned n = 0;

	DL_COUNT(running, r, n);
	if (n >= COMMANDS_MAX)
		return err_set(e, ERR_FULL, "%d commands run already", COMMANDS_MAX);
	for (char *const *w = starting ? p->config->start : p->config->stop; *w; w++)
		strings_add(&argv, fill_in(*w, node, p->config->name));
	const struct command_spec spec = {
		.argv = argv, .env = env, .keep_env = true, .log_path = log_path, .timeout_ms = TIMEOUT_MS};
	r = xcalloc(1, sizeof(*r));
	if (command_start(&s->daemon.loop, &spec, on_end, r, &r->command, e)) {
		free(r);
		return e->code;
	}
	snprintf(r->node, sizeof(r->node), "%s", node);
	r->starting = starting;
	r->on_done = on_done;
	r->data = data;
	DL_APPEND(running, r);
	return 0;
}

void node_command_drop_all(void)
{
	struct run *r, *tmp;

	DL_FOREACH_SAFE (running, r, tmp)
		run_free(r);
}
