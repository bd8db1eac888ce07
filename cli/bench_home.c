/*
 * Where a bench runs. Goes well: a child `millrace dev` says READY=1, then
 * bus and database are connected. It ends with us, however we end: the
 * kernel tells it (and it tells its own). Fails: its log is shown.
 */
#include "cli/bench_home.h"

#include <fcntl.h>
#include <math.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/bench_samples.h"
#include "cli/dev_broker.h"
#include "cli/dev_child.h"
#include "cli/dev_files.h"
#include "common/proc.h"
#include "cli/dev_record.h"

static void replace(char **where, const char *value)
{
	free(*where);
	*where = value ? xstrdup(value) : NULL;
}

/* NULL: none are needed. */
static char *write_handlers(const struct bench_home *h, struct err *e)
{
	char *path = xasprintf("%s/lanes.yaml", h->dir);
	FILE *f = fopen(path, "we");

	if (f)
		fprintf(f, "handlers:\n  - type: echo\n");
	for (size_t i = 0; f && i < h->lanes; i++)
		fprintf(f, "  - type: lane%zu\n    kind: echo\n", i);
	if (!f || fclose(f) != 0) {
		err_set(e, ERR_IO, "%s: %s", path, strerror(errno));
		free(path);
		return NULL;
	}
	return path;
}

static int start(struct bench_home *h, struct err *e)
{
	int64_t nodes = 2, slots = 512;
	CLEANUP(free_ptr) char *self = proc_sibling("millrace");
	CLEANUP(free_ptr) char *log_path = xasprintf("%s/log/dev.log", h->dir);
	CLEANUP(free_ptr) char *socket_env = NULL, *nodes_text = NULL, *slots_text = NULL;
	CLEANUP(free_ptr) char *handlers = NULL;
	CLEANUP(argv_free) char **argv = NULL;
	struct notify n;
	int rc;

	if (cli_number(h->cli, "nodes", 1, 1000, &nodes, e) != 0 ||
	    cli_number(h->cli, "slots", 1, 10000, &slots, e) != 0 || notify_open(&n, e) != 0)
		return e->code;
	nodes_text = xasprintf("%lld", (long long)nodes);
	slots_text = xasprintf("%lld", (long long)slots);
	if (h->lanes > 0 && !(handlers = write_handlers(h, e)))
		return e->code;
	argv = argv_make(self, "dev", "--dir", h->dir, "--nodes", nodes_text, "--slots", slots_text,
	                 "--no-bridge", "--no-scaler", NULL);
	if (h->gateway) {
		argv_add(&argv, "--http-port");
		argv_add(&argv, "0");
	} else {
		argv_add(&argv, "--no-gateway");
	}
	if (handlers) {
		argv_add(&argv, "--handlers");
		argv_add(&argv, handlers);
	}
	socket_env = xasprintf("NOTIFY_SOCKET=%s", n.name);

	const char *env[] = {socket_env, NULL};
	struct proc_spec spec = {
		.argv = (const char *const *)argv,
		.env = env,
		.log_path = log_path,
		.death_signal = SIGTERM,
	};

	cli_say(h->cli, "bench: starting a system in %s", h->dir);
	cli_catch_signals(h->cli);
	rc = proc_spawn(&spec, &h->supervisor, e);
	if (rc == 0)
		rc = dev_child_await(h->cli, &n, h->supervisor, log_path, e);
	if (rc == ERR_FAILED)
		h->supervisor = 0; /* it ended by itself; its directory stays, to be looked at */
	notify_close(&n);
	return rc;
}

static int connect_database(struct bench_home *h, struct err *e)
{
	const struct pg_config *c = &h->cli->config.database;
	int64_t until_ms = clock_mono_ms() + 10000;

	if (!c->url) {
		cli_say(h->cli, "bench: no --database-url: rows are not counted, only `stored` notices");
		return 0;
	}
	if (pg_open(&h->cli->loop, c, "millrace bench", NULL, &h->pg, e) != 0)
		return e->code;
	while (!pg_is_up(h->pg)) {
		bool never = false;

		if (clock_mono_ms() > until_ms)
			return err_set(e, ERR_UNREACHABLE, "database: %s", pg_why_down(h->pg)->text);
		if (cli_wait(h->cli, &never, 20, e) == ERR_CLOSED)
			return e->code;
	}
	*e = (struct err){0};
	return 0;
}

static int find_system(struct bench_home *h, struct err *e)
{
	const char *dir = cli_value(h->cli, "dir");
	CLEANUP(free_ptr) char *given = dir ? xstrdup(dir) : xasprintf(".run/bench-%d", (int)getpid());
	struct err ignored = {0};

	if (!dir && access(".run", F_OK) != 0) {
		CLEANUP(free_ptr) char *parent = NULL;

		if (files_open_dir(".run", &parent, e) != 0)
			return e->code;
	}
	h->made_dir = access(given, F_OK) != 0;
	if (files_open_dir(given, &h->dir, e) != 0)
		return e->code;
	if (record_load(h->dir, &h->record, &ignored) == 0 && h->lanes > 0)
		return err_set(e, ERR_INVALID, "--dir: a system runs there, and this bench needs its own");
	if (!h->record) {
		if (start(h, e) != 0 || record_load(h->dir, &h->record, e) != 0)
			return e->code;
	}
	replace(&h->cli->config.nats.url, json_string_value(json_object_get(h->record, "nats_url")));
	replace(&h->cli->config.database.url,
	        json_string_value(json_object_get(h->record, "database_url")));
	return 0;
}

int bench_home_open(struct cli *c, struct bench_home *ret, struct err *e)
{
	struct bench_home h = {.cli = c, .lanes = ret->lanes, .gateway = ret->gateway};
	int rc = 0;

	if (cli_value(c, "url"))
		replace(&c->config.nats.url, cli_value(c, "url"));
	else
		rc = find_system(&h, e);
	if (rc == 0)
		rc = cli_connect(c, e);
	if (rc == 0)
		rc = connect_database(&h, e);
	if (rc != 0)
		bench_home_close(&h);
	else
		*ret = h;
	return rc;
}

void bench_home_close(struct bench_home *h)
{
	struct err e = {0};

	pg_close(&h->pg);
	bus_close(&h->cli->bus);
	json_decref(h->record);
	if (h->supervisor > 0) {
		cli_say(h->cli, "bench: ending the system");
		dev_child_end(h->cli, h->supervisor);
		if (h->made_dir && files_remove_tree(h->dir, &e) != 0)
			cli_say(h->cli, "bench: %s", e.text);
	}
	free(h->dir);
	*h = (struct bench_home){0};
}

const json_t *bench_home_components(struct bench_home *h)
{
	json_t *fresh = NULL;
	struct err ignored = {0};

	if (h->record && record_load(h->dir, &fresh, &ignored) == 0) {
		json_decref(h->record);
		h->record = fresh;
	}
	return h->record ? json_object_get(h->record, "components") : NULL;
}

struct query {
	void (*on_rows)(void *data, struct pg_rows rows);
	void *data;
	struct err e;
	bool done;
};

static void on_done(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct query *q = data;

	if (e)
		q->e = *e;
	else if (n > 0)
		q->on_rows(q->data, rows[0]);
	q->done = true;
}

int bench_sql(struct bench_home *h, const char *sql, const struct pg_param *params, size_t n,
              void (*on_rows)(void *data, struct pg_rows rows), void *data, struct err *e)
{
	/* On the heap: after Ctrl-C we do not wait for the answer any more. */
	struct query *q = xcalloc(1, sizeof(*q));
	int rc;

	q->on_rows = on_rows;
	q->data = data;
	if (pg_query(h->pg, sql, params, n, 120000, on_done, q, e) != 0 ||
	    cli_wait(h->cli, &q->done, -1, e) != 0) {
		pg_close(&h->pg);
		free(q);
		return e->code;
	}
	rc = q->e.code;
	if (rc != 0)
		*e = q->e;
	free(q);
	return rc;
}

double bench_fsync_us(const char *dir)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/fsync-probe", dir);
	static char block[4096];
	struct samples s = {0};
	double us;
	int fd = open(path, O_RDWR | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);

	if (fd < 0)
		return NAN;
	for (int i = 0; i < 200; i++) {
		int64_t start_ns = clock_mono_ns();

		if (pwrite(fd, block, sizeof(block), (off_t)i * (off_t)sizeof(block)) < 0 || fdatasync(fd) != 0)
			break;
		samples_add(&s, clock_mono_ns() - start_ns);
	}
	close(fd);
	unlink(path);
	us = samples_ms(&s, 0.5) * 1000;
	samples_release(&s);
	return us;
}
