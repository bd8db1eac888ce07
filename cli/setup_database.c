/*
 * The database's part of setup: the migrations are millrace-store's, so its
 * program is run, the one beside ours (two versions must not meet), with our
 * environment. Goes well: it prints what it applied and exits 0. Fails: the
 * program is not there, cannot start, or exits otherwise; its words have said
 * why. It is awaited without a deadline, because a migration may take as long
 * as a large table needs; Ctrl-C ends it, and a migration is one transaction.
 */
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "common/proc.h"
#include "cli/setup.h"

struct child {
	uv_process_t process;
	bool done, closed;
	int64_t status;
	int signal;
};

static void on_close(uv_handle_t *h)
{
	((struct child *)h->data)->closed = true;
}

static void on_exit_(uv_process_t *p, int64_t status, int signal)
{
	struct child *c = p->data;

	c->status = status;
	c->signal = signal;
	c->done = true;
	uv_close((uv_handle_t *)p, on_close);
}

static bool names_database(const char *variable)
{
	static const char *const names[] = {"DATABASE_URL=", "DATABASE_URL_FILE=", "MILLRACE_DATABASE_URL=",
										"MILLRACE_DATABASE_URL_FILE="};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strncmp(variable, names[i], strlen(names[i])) == 0)
			return true;
	}
	return false;
}

/* Our environment, with the database that was told by flag or file. */
static char **environment(const char *database_url)
{
	size_t n = 0, kept = 0;
	char **env;

	while (environ[n])
		n++;
	env = xcalloc(n + 2, sizeof(*env));
	for (size_t i = 0; i < n; i++) {
		if (!database_url || !names_database(environ[i]))
			env[kept++] = xstrdup(environ[i]);
	}
	if (database_url)
		env[kept] = xasprintf("DATABASE_URL=%s", database_url);
	return env;
}

static int run(struct setup *s, char *path, struct child *c, struct err *e)
{
	char *argv[] = {path, (char *)"--migrate", NULL};
	/* Its words are words for us too: stdout is for data. */
	uv_stdio_container_t stdio[] = {
		{.flags = UV_IGNORE},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
		{.flags = UV_INHERIT_FD, .data.fd = STDERR_FILENO},
	};
	char **env = environment(s->cli->config.database.url);
	uv_process_options_t options = {
		.file = path, .args = argv, .env = env, .stdio = stdio, .stdio_count = 3, .exit_cb = on_exit_};
	int rc;

	c->process.data = c;
	rc = uv_spawn(&s->cli->loop, &c->process, &options);
	for (char **p = env; *p; p++)
		free(*p);
	free(env);
	if (rc) {
		uv_close((uv_handle_t *)&c->process, on_close);
		err_set(e, ERR_FAILED, "%s: %s", path, uv_strerror(rc));
	} else {
		rc = cli_wait(s->cli, &c->done, -1, e);
		if (rc)
			uv_process_kill(&c->process, SIGTERM);
	}
	while (!c->closed)
		uv_run(&s->cli->loop, UV_RUN_ONCE);
	return rc ? e->code : 0;
}

int setup_database(struct setup *s, struct err *e)
{
	CLEANUP(free_ptr) char *path = proc_sibling("millrace-store");
	struct child c = {0};
	json_t *row;
	int rc;

	if (s->dry_run) {
		setup_row(s, "database", "millrace", "not looked at");
		return 0;
	}
	rc = run(s, path, &c, e);
	if (rc == ERR_CLOSED)
		return rc;
	if (rc == 0 && c.status == EXIT_UNREACHABLE)
		return err_set(e, ERR_UNREACHABLE,
					   "the database cannot be reached; start PostgreSQL, or say where it is by "
					   "--database-url or DATABASE_URL");
	row = setup_row(s, "database", "millrace", "migrated");
	if (rc == 0 && (c.status != 0 || c.signal != 0))
		rc = c.signal ? err_set(e, ERR_FAILED, "millrace-store --migrate was ended by signal %d", c.signal)
					  : err_set(e, ERR_FAILED, "millrace-store --migrate failed (exit %d)", (int)c.status);
	if (rc) {
		json_object_set_new(row, "result", json_string("differs"));
		json_object_set_new(row, "error", json_string(e->text));
		s->differs++;
	}
	return 0;
}
