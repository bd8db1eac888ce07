/*
 * The record of a running system as JSON. A pid is written with its start
 * time, since pids are used again: nothing is ever signalled by pid alone.
 */
#include "cli/dev_record.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_files.h"
#include "common/proc.h"
#include "common/clock.h"

static char *record_path(const char *dir)
{
	return xasprintf("%s/dev.json", dir);
}

int record_save(const struct dev_facts *f, struct err *e)
{
	CLEANUP(free_ptr) char *path = record_path(f->dir);
	json_t *list = json_array(), *j;
	char *text;
	int rc;

	for (size_t i = 0; i < f->n; i++) {
		const struct component *c = &f->components[i];

		if (c->kind == COMPONENT_SETUP && c->done)
			continue;
		json_array_append_new(
			list, json_pack("{s:s, s:i, s:s, s:i, s:I, s:s}", "name", c->name, "pid", (int)c->pid, "state",
		                    component_state_name(c->state), "restarts", (int)c->restarts, "start_ticks",
		                    (json_int_t)c->start_ticks, "log", c->log_path));
	}
	j = json_pack("{s:i, s:s, s:b, s:s, s:s, s:s, s:s, s:s, s:o}", "pid", (int)f->pid, "dir", f->dir,
	              "ready", f->ready, "nats_url", f->nats_url, "nats_monitor_url", f->monitor_url,
	              "database_url", f->database_url, "http_url", f->http_url, "control", f->control, "components",
	              list);
	text = json_dumps(j, JSON_INDENT(1));
	json_decref(j);
	rc = files_write(path, text, strlen(text), 0600, e);
	free(text);
	return rc;
}

int record_load(const char *dir, json_t **ret, struct err *e)
{
	CLEANUP(free_ptr) char *path = record_path(dir);
	json_error_t why;
	json_t *j;

	if (!files_locked(dir))
		return err_set(e, ERR_NOT_FOUND, "nothing runs in %s", dir);
	j = json_load_file(path, 0, &why);
	/* While it is only starting the file may be that of one that was killed. */
	if (!json_is_object(j) ||
		json_integer_value(json_object_get(j, "pid")) != files_lock_holder(dir)) {
		json_decref(j);
		return err_set(e, ERR_NOT_FOUND, "the system in %s is only starting; ask again in a moment",
					   dir);
	}
	*ret = j;
	return 0;
}

void record_remove(const char *dir)
{
	CLEANUP(free_ptr) char *path = record_path(dir);

	unlink(path);
}

/* Whether that very process lives (a zombie does not count: its parent, init, takes it away). */
static bool lives(pid_t pid, uint64_t start_ticks)
{
	return pid > 1 && start_ticks != 0 && proc_start_ticks(pid) == start_ticks;
}

void record_end_leftovers(const char *dir)
{
	CLEANUP(free_ptr) char *path = record_path(dir);
	json_t *j = json_load_file(path, 0, NULL);
	const json_t *c;
	int64_t patience_ms = clock_mono_ms() + 10000;
	size_t i;

	json_array_foreach(json_object_get(j, "components"), i, c)
	{
		pid_t pid = (pid_t)json_integer_value(json_object_get(c, "pid"));
		uint64_t ticks = (uint64_t)json_integer_value(json_object_get(c, "start_ticks"));

		/* The kernel told it to end when the supervisor died; it may be busy with that. */
		while (lives(pid, ticks)) {
			if (clock_mono_ms() > patience_ms)
				kill(pid, SIGKILL);
			usleep(20000);
		}
	}
	json_decref(j);
	unlink(path);
}

static const char *text_of(const json_t *object, const char *key)
{
	const char *s = json_string_value(json_object_get(object, key));

	return s ? s : "";
}

void record_print(const json_t *record, bool terminal)
{
	const char *bold = terminal ? "\033[1m" : "", *plain = terminal ? "\033[0m" : "";
	const json_t *c;
	size_t i;

	printf("%s%-12s %8s  %-10s %8s  %s%s\n", bold, "COMPONENT", "PID", "STATE", "RESTARTS", "LOG",
	       plain);
	json_array_foreach(json_object_get(record, "components"), i, c)
	{
		printf("%-12s %8" JSON_INTEGER_FORMAT "  %-10s %8" JSON_INTEGER_FORMAT "  %s\n",
		       text_of(c, "name"), json_integer_value(json_object_get(c, "pid")), text_of(c, "state"),
		       json_integer_value(json_object_get(c, "restarts")), text_of(c, "log"));
	}
	printf("\nNATS        %s   (monitoring: %s)\n", text_of(record, "nats_url"),
	       text_of(record, "nats_monitor_url"));
	printf("PostgreSQL  %s\n", text_of(record, "database_url"));
	if (*text_of(record, "http_url"))
		printf("Dashboard   %s\n", text_of(record, "http_url"));
}
