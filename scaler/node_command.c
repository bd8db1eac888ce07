/*
 * Command lines of nodes. It stands alone so that what a driver starts can be
 * read in one place. A node of ours is told its pool, that a scaler started
 * it, and how long it may be without one; the address of the broker it has
 * from our environment or our own flags. Commands of the driver exec run as
 * children with their words in <dir>/log/<pool>.commands.log; one that hangs is
 * killed after a minute.
 */
#include "scaler/node_command.h"

#include <signal.h>
#include <stdio.h>
#include <sys/pidfd.h>
#include <sys/wait.h>
#include <unistd.h>
#include <utlist.h>

#include "common/log.h"
#include "common/proc.h"
#include "common/clock.h"
#include "common/section.h"

#define TIMEOUT_MS 60000
#define WORDS_MAX 300

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
		{"NATS_URL", b->url},   {"NATS_CREDS", b->creds},       {"NATS_NKEY", b->nkey},
		{"NATS_USER", b->user}, {"NATS_PASSWORD", b->password}, {"NATS_TOKEN", b->token},
		{"NATS_CERT", b->cert}, {"NATS_KEY", b->key},           {"NATS_CA", b->ca},
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

struct command {
	char node[TOKEN_MAX + 1];
	bool starting;
	void (*on_done)(void *data, const char *node, bool starting, int code, const char *words);
	void *data;
	char *log_path;
	pid_t pid;
	int fd;
	uv_poll_t poll;
	uv_timer_t timer;
	unsigned open_handles;
	struct command *prev, *next;
};

/* A process has one scaler; what it runs is its own. */
static struct command *running;

static void on_closed(uv_handle_t *h)
{
	struct command *c = h->data;

	if (--c->open_handles)
		return;
	close(c->fd);
	free(c->log_path);
	free(c);
}

static void command_close(struct command *c)
{
	DL_DELETE(running, c);
	uv_close((uv_handle_t *)&c->poll, on_closed);
	uv_close((uv_handle_t *)&c->timer, on_closed);
}

static void on_ended(uv_poll_t *h, int status, int events)
{
	struct command *c = h->data;
	CLEANUP(buf_release) struct buf tail = {0};
	int code = -1, wait_status;
	char how[64] = "nobody saw how it ended";

	(void)status;
	(void)events;
	if (waitpid(c->pid, &wait_status, WNOHANG) == c->pid) {
		proc_status_text(wait_status, how, sizeof(how));
		code = WIFEXITED(wait_status) ? WEXITSTATUS(wait_status) : -1;
	}
	buf_add_str(&tail, how);
	buf_add_str(&tail, ": ");
	proc_log_tail(c->log_path, WORDS_MAX, &tail);
	while (tail.len && tail.data[tail.len - 1] == '\n')
		tail.data[--tail.len] = '\0';
	c->on_done(c->data, c->node, c->starting, code, tail.data);
	command_close(c);
}

static void on_timeout(uv_timer_t *t)
{
	struct command *c = t->data;

	log_warn("a command takes too long: killed", LOG_S("node", c->node));
	(void)pidfd_send_signal(c->fd, SIGKILL, NULL, 0);
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

static int spawn(struct command *c, const struct scaler *s, const struct pool *p, const char *node,
				 char *const *words, struct err *e)
{
	CLEANUP(strings_free) char **argv = NULL;
	CLEANUP(strings_free) char **env = node_command_env(s, p, node);

	for (char *const *w = words; *w; w++)
		strings_add(&argv, fill_in(*w, node, p->config->name));
	struct proc_spec spec = {.argv = (const char *const *)(uintptr_t)argv,
							 .env = (const char *const *)(uintptr_t)env,
							 .log_path = c->log_path,
							 .keep_env = true};
	int rc = proc_spawn(&spec, &c->pid, e);
	if (rc)
		return rc;
	c->fd = pidfd_open(c->pid, 0);
	return c->fd < 0 ? err_set(e, ERR_IO, "cannot follow process %d: %s", (int)c->pid, strerror(errno)) : 0;
}

int node_command_run(struct scaler *s, const struct pool *p, const char *node, bool starting,
					 void (*on_done)(void *data, const char *node, bool starting, int code,
									 const char *words),
					 void *data, struct err *e)
{
	struct command *c, *other;
	unsigned n = 0;

	DL_COUNT(running, other, n);
	if (n >= COMMANDS_MAX)
		return err_set(e, ERR_FULL, "%d commands run already", COMMANDS_MAX);
	c = xcalloc(1, sizeof(*c));
	c->log_path = xasprintf("%s/log/%s.commands.log", s->config.dir, p->config->name);
	if (spawn(c, s, p, node, starting ? p->config->start : p->config->stop, e)) {
		free(c->log_path);
		free(c);
		return e->code;
	}
	snprintf(c->node, sizeof(c->node), "%s", node);
	c->starting = starting;
	c->on_done = on_done;
	c->data = data;
	c->open_handles = 2;
	uv_poll_init(&s->daemon.loop, &c->poll, c->fd);
	uv_timer_init(&s->daemon.loop, &c->timer);
	c->poll.data = c->timer.data = c;
	uv_poll_start(&c->poll, UV_READABLE, on_ended);
	uv_timer_start(&c->timer, on_timeout, TIMEOUT_MS, 0);
	DL_APPEND(running, c);
	return 0;
}

void node_command_drop_all(struct scaler *s)
{
	struct command *c, *tmp;

	(void)s;
	DL_FOREACH_SAFE (running, c, tmp)
		command_close(c);
}
