/*
 * Acts. They stand together because each is short, and the same things hold
 * for all: bounded, asynchronous, one sentence at the end.
 *
 *   clear_caches   objects that dead nodes had fetched; the kernel's page cache
 *                  where that is permitted and we are root. Other programs'
 *                  caches are not ours.
 *   clean_temp     directories of dead nodes' tasks, rotated logs
 *   restart_*      the configured command; restart_node: the scaler's pools
 *   remove_stale   the silent node's entry of bucket `nodes`
 *   quarantine     the node is drained: it finishes what runs, takes nothing new
 *   alert          a warning in the log, and the configured command
 *
 * It fails: each act has its own way, told in its sentence; nothing is tried
 * again here, for the next look asks again after its cooldown.
 */
#include "scaler/heal_actions.h"

#include <errno.h>
#include <fcntl.h>
#include <stdarg.h>
#include <stdio.h>
#include <unistd.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "scaler/heal_clean.h"
#include "scaler/command.h"
#include "scaler/heal_words.h"

#define REQUEST_MS 5000

struct act {
	struct heal_actions *of;
	enum heal_action action;
	struct heal_finding finding;
	char *json;
	heal_on_done on_done;
	void *data;
	int64_t begin_mono_ms;
	bool ok;
	char reason[256];
	struct timeout soon; /* an end that was known at once */
	struct bus_call *call;
	struct command *command;
	struct turns *turns;
	uv_work_t work;
	bool working;         /* on a thread */
	char **live;          /* nodes that are there, for the thread */
	int64_t heartbeat_at; /* of the entry that is to go */
	struct act *prev, *next;
};

/* Commands that run one after the other. */
struct turns {
	struct act *running;
	unsigned waiting;
};

struct heal_actions {
	const struct heal_config *config;
	struct bus *bus;
	struct heal_hooks hooks;
	char **restart_broker, **restart_database, **alert;
	char **directories, **log_directories;
	bool drop_page_cache;
	bool stopped, freed;
	struct act *acts;
	unsigned n;
	struct turns restarts, alerts;
};

/* ---- the end of an act ---- */

static void free_act(struct act *x)
{
	struct heal_actions *a = x->of;

	timeout_stop(&x->soon);
	bus_call_cancel(&x->call);
	command_leave(&x->command);
	heal_words_free(x->live);
	free(x->json);
	DL_DELETE(a->acts, x); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	a->n--;
	free(x);
}

static void start_command(struct act *x);

static void leave_turns(struct act *x)
{
	struct turns *l = TAKE(x->turns);
	struct act *next;

	if (!l || l->running != x)
		return;
	l->running = NULL;
	DL_FOREACH (x->of->acts, next) {
		if (next != x && next->turns == l) {
			l->waiting--;
			start_command(next);
			return;
		}
	}
}

static void finish(struct act *x)
{
	struct heal_actions *a = x->of;

	leave_turns(x);
	if (!a->stopped)
		x->on_done(x->data, x->ok, x->reason, clock_mono_ms() - x->begin_mono_ms);
	free_act(x);
}

static void PRINTF_LIKE(3, 4) note(struct act *x, bool ok, const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	vsnprintf(x->reason, sizeof(x->reason), fmt, args);
	va_end(args);
	x->ok = ok;
}

static void on_soon(struct timeout *t)
{
	finish(container_of(t, struct act, soon));
}

/* Ends it, with what note says, when this turn is over. */
static void finish_soon(struct act *x)
{
	timeout_start(&x->soon, 0, on_soon);
}

/* ---- commands ---- */

static void on_command(void *data, const struct err *e)
{
	struct act *x = data;

	x->command = NULL;
	if (e)
		note(x, false, "%.240s", e->text);
	else
		note(x, true, "%s ran: %.120s", heal_action_name(x->action), x->finding.reason);
	finish(x);
}

static char **command_of(const struct act *x)
{
	return x->action == HEAL_RESTART_BROKER     ? x->of->restart_broker
		   : x->action == HEAL_RESTART_DATABASE ? x->of->restart_database
												: x->of->alert;
}

static void start_command(struct act *x)
{
	const struct heal_config *c = x->of->config;
	const struct command_spec spec = {
		.argv = command_of(x),
		.input = x->action == HEAL_ALERT ? x->json : NULL,
		.log_path = c->log,
		.timeout_ms = c->timeout_ns / NS_PER_MS,
	};
	struct err e;

	x->turns->running = x;
	if (command_start(bus_loop(x->of->bus), &spec, on_command, x, &x->command, &e) < 0) {
		note(x, false, "%.240s", e.text);
		finish_soon(x);
	}
}

static void run_command(struct act *x, struct turns *turns)
{
	if (!command_of(x)) {
		note(x, false, "no command is set for it (heal.%s)", heal_action_name(x->action));
		finish_soon(x);
		return;
	}
	x->turns = turns;
	if (turns->running)
		turns->waiting++;
	else
		start_command(x);
}

static void run_alert(struct act *x)
{
	log_warn("health alert", LOG_S("check", heal_kind_name(x->finding.kind)),
			 LOG_S("level", heal_level_name(x->finding.level)), LOG_S("host", x->finding.host),
			 LOG_S("subject", x->finding.subject), LOG_S("reason", x->finding.reason));
	if (x->of->alert) {
		run_command(x, &x->of->alerts);
		return;
	}
	note(x, true, "%.250s", x->finding.reason);
	finish_soon(x);
}

/* ---- cleaning, on a thread ---- */

static void drop_page_cache(struct act *x, char *out, size_t size)
{
	int fd;

	if (x->action != HEAL_CLEAR_CACHES || !x->of->drop_page_cache)
		return;
	fd = geteuid() == 0 ? open("/proc/sys/vm/drop_caches", O_WRONLY | O_CLOEXEC) : -1;
	if (fd < 0) {
		snprintf(out, size, "; the page cache stays: only root may drop it");
		return;
	}
	sync(); /* only what is clean can be dropped */
	snprintf(out, size,
			 write(fd, "1", 1) == 1 ? "; the kernel's page cache was dropped"
									: "; the page cache could not be dropped");
	close(fd);
}

static void on_thread(uv_work_t *w)
{
	struct act *x = w->data;
	const struct heal_actions *a = x->of;
	bool caches = x->action == HEAL_CLEAR_CACHES;
	const struct heal_clean_spec spec = {
		.directories = a->directories,
		.log_directories = a->log_directories,
		.live = x->live,
		.kinds = caches ? HEAL_CLEAN_SPOOL : HEAL_CLEAN_SCRATCH | HEAL_CLEAN_LOG,
		.age_ns = a->config->temp_age_ns,
		.keep_logs = (unsigned)a->config->keep_logs,
		.now_wall_ns = clock_wall_ns(),
	};
	struct heal_clean_item *items;
	struct heal_clean_done done;
	char more[80] = "";
	size_t n = heal_clean_list(&spec, &items);

	heal_clean_apply(&spec, items, n, &done);
	heal_clean_free(items, n);
	drop_page_cache(x, more, sizeof(more));
	if (done.kept > 0)
		note(x, false, "%u removed (%.1f MiB), %u not: %.120s%s", done.removed,
			 (double)done.bytes / (1 << 20), done.kept, done.first.text, more);
	else if (done.removed > 0)
		note(x, true, "%u left-over %s removed, %.1f MiB%s", done.removed,
			 caches ? "object directories of dead nodes" : "task directories and rotated logs",
			 (double)done.bytes / (1 << 20), more);
	else
		note(x, true, "there was nothing of ours to remove%s", more);
}

static void on_thread_done(uv_work_t *w, int status)
{
	struct act *x = w->data;
	struct heal_actions *a = x->of;

	x->working = false;
	if (status < 0)
		note(x, false, "no thread: %s", uv_strerror(status));
	finish(x);
	if (a->freed)
		heal_actions_free(&a);
}

/* Returns owned. */
static char **live_nodes(const struct roster *r)
{
	size_t n = 0, i = 0;
	char **names;

	for (const struct node_entry *e = roster_first(r); e; e = e->hh.next)
		n++;
	names = xcalloc(n + 1, sizeof(*names));
	for (const struct node_entry *e = roster_first(r); e; e = e->hh.next) {
		if (!str_eq(node_state(e, clock_mono_ms()), "stopped"))
			names[i++] = xstrdup(e->name);
	}
	return names;
}

static void run_clean(struct act *x)
{
	x->live = live_nodes(x->of->hooks.roster);
	x->work.data = x;
	x->working = true;
	if (uv_queue_work(bus_loop(x->of->bus), &x->work, on_thread, on_thread_done) < 0) {
		x->working = false;
		note(x, false, "no thread to do it on");
		finish_soon(x);
	}
}

/* ---- nodes ---- */

static void on_drained(void *data, struct bus_msg **m, const struct err *e)
{
	struct act *x = data;
	const char *refused = e ? NULL : bus_msg_header(*m, "Nats-Service-Error");

	x->call = NULL;
	if (e)
		note(x, false, "node %s does not answer: %.150s", x->finding.subject, e->text);
	else if (refused)
		note(x, false, "node %s refuses: %.150s", x->finding.subject, refused);
	else
		note(x, true, "node %s is drained: %.150s", x->finding.subject, x->finding.reason);
	finish(x);
}

static void run_quarantine(struct act *x)
{
	const struct heal_hooks *hooks = &x->of->hooks;
	struct err e;
	char subject[64 + sizeof(x->finding.subject)];

	if (hooks->quarantine &&
		hooks->quarantine(hooks->data, x->finding.subject, x->finding.reason)) {
		note(x, true, "node %s is drained and another takes its place: %.120s", x->finding.subject,
			 x->finding.reason);
		finish_soon(x);
		return;
	}
	snprintf(subject, sizeof(subject), "ctl.node.%s.drain", x->finding.subject);
	if (token_check("node", x->finding.subject, &e) < 0 ||
		bus_request(x->of->bus, &(struct bus_out){.subject = subject, .wants_nobody = true},
					REQUEST_MS, on_drained, x, &x->call, &e) < 0) {
		note(x, false, "%.250s", e.text);
		finish_soon(x);
	}
}

static void run_restart_node(struct act *x)
{
	struct err e;

	if (!x->of->hooks.restart_node)
		note(x, false, "no scaler started it");
	else if (x->of->hooks.restart_node(x->of->hooks.data, x->finding.subject, &e) < 0)
		note(x, false, "%.250s", e.text);
	else
		note(x, true, "another process is started in place of node %s", x->finding.subject);
	finish_soon(x);
}

static void on_removed(void *data, uint64_t revision, const struct err *e)
{
	struct act *x = data;

	(void)revision;
	if (e && e->code == ERR_CONFLICT)
		note(x, false, "node %s has spoken meanwhile; it stays", x->finding.subject);
	else if (e)
		note(x, false, "%.250s", e->text);
	else
		note(x, true, "the entry of node %s is removed: %.150s", x->finding.subject,
			 x->finding.reason);
	finish(x);
}

/* The entry as it lies there; by its time to live it may be gone, and only those who heard of it know of it. */
static void on_entry(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct act *x = data;
	const struct node_entry *n =
		x->of->stopped ? NULL : roster_find(x->of->hooks.roster, x->finding.subject);
	struct err why;

	if (x->of->stopped) {
		finish(x);
		return;
	}
	if (e && e->code != ERR_NOT_FOUND) {
		note(x, false, "%.250s", e->text);
		finish(x);
		return;
	}
	if (n && n->status->heartbeat_at != x->heartbeat_at) {
		note(x, false, "node %s has spoken meanwhile; it stays", x->finding.subject);
		finish(x);
		return;
	}
	if (kv_delete_at(x->of->bus, "nodes", x->finding.subject, entry ? entry->revision : 0,
					 on_removed, x, &why) < 0) {
		note(x, false, "%.250s", why.text);
		finish(x);
	}
}

static void run_remove_stale(struct act *x)
{
	const struct node_entry *n = roster_find(x->of->hooks.roster, x->finding.subject);
	struct err e;

	if (!n) {
		note(x, true, "node %s is gone already", x->finding.subject);
		finish_soon(x);
		return;
	}
	x->heartbeat_at = n->status->heartbeat_at;
	if (kv_get_last(x->of->bus, "nodes", x->finding.subject, on_entry, x, &e) < 0) {
		note(x, false, "%.250s", e.text);
		finish_soon(x);
	}
}

/* ---- all of them ---- */

static void run(struct act *x)
{
	switch (x->action) {
	case HEAL_ALERT:
		run_alert(x);
		return;
	case HEAL_CLEAR_CACHES:
	case HEAL_CLEAN_TEMP:
		run_clean(x);
		return;
	case HEAL_RESTART_BROKER:
	case HEAL_RESTART_DATABASE:
		run_command(x, &x->of->restarts);
		return;
	case HEAL_RESTART_NODE:
		run_restart_node(x);
		return;
	case HEAL_REMOVE_STALE:
		run_remove_stale(x);
		return;
	case HEAL_QUARANTINE:
		run_quarantine(x);
		return;
	case HEAL_NONE:
	case HEAL_ACTIONS:
		break;
	}
	note(x, true, "nothing was to be done");
	finish_soon(x);
}

void heal_actions_run(struct heal_actions *a, enum heal_action action, const struct heal_finding *f,
					  const char *json, heal_on_done on_done, void *data)
{
	struct act *x = xcalloc(1, sizeof(*x));

	x->of = a;
	x->action = action;
	x->finding = *f;
	x->json = json ? xstrdup(json) : NULL;
	x->on_done = on_done;
	x->data = data;
	x->begin_mono_ms = clock_mono_ms();
	timeout_init(&x->soon, bus_timeouts(a->bus));
	DL_APPEND(a->acts, x);
	if (++a->n > HEAL_ACTIONS_MAX) {
		note(x, false, "%u acts are under way; this one is left to a later look", HEAL_ACTIONS_MAX);
		finish_soon(x);
		return;
	}
	run(x);
}

unsigned heal_actions_can(const struct heal_actions *a)
{
	unsigned can = HEAL_BIT(HEAL_ALERT) | HEAL_BIT(HEAL_CLEAR_CACHES) | HEAL_BIT(HEAL_CLEAN_TEMP) |
				   HEAL_BIT(HEAL_REMOVE_STALE) | HEAL_BIT(HEAL_QUARANTINE);

	can |= a->restart_broker ? HEAL_BIT(HEAL_RESTART_BROKER) : 0;
	can |= a->restart_database ? HEAL_BIT(HEAL_RESTART_DATABASE) : 0;
	can |= a->hooks.restart_node ? HEAL_BIT(HEAL_RESTART_NODE) : 0;
	return can;
}

int heal_actions_new(const struct heal_config *c, bool page_cache, struct bus *bus,
					 const struct heal_hooks *hooks, struct heal_actions **ret, struct err *e)
{
	const char *tmp = getenv("TMPDIR");
	struct heal_actions *a = xcalloc(1, sizeof(*a));

	a->config = c;
	a->bus = bus;
	a->hooks = *hooks;
	a->drop_page_cache = page_cache;
	a->directories = heal_list(c->directories         ? c->directories
							   : tmp && tmp[0] == '/' ? tmp
													  : "/tmp");
	a->log_directories = heal_list(c->log_directories);
	if (heal_argv("heal.restart_broker", c->restart_broker, &a->restart_broker, e) < 0 ||
		heal_argv("heal.restart_database", c->restart_database, &a->restart_database, e) < 0 ||
		heal_argv("heal.alert_command", c->alert_command, &a->alert, e) < 0) {
		heal_actions_free(&a);
		return e->code;
	}
	*ret = a;
	return 0;
}

void heal_actions_stop(struct heal_actions *a)
{
	struct act *x;

	if (!a)
		return;
	a->stopped = true;
	DL_FOREACH (a->acts, x) {
		timeout_stop(&x->soon);
		bus_call_cancel(&x->call);
		command_leave(&x->command);
	}
}

void heal_actions_free(struct heal_actions **pa)
{
	struct heal_actions *a = TAKE(*pa);
	struct act *x, *tmp;

	if (!a)
		return;
	a->stopped = a->freed = true;
	DL_FOREACH_SAFE (a->acts, x, tmp) {
		if (!x->working)
			free_act(x);
	}
	if (a->acts)
		return; /* a thread still works for us: its end calls this again */
	heal_words_free(a->restart_broker);
	heal_words_free(a->restart_database);
	heal_words_free(a->alert);
	heal_words_free(a->directories);
	heal_words_free(a->log_directories);
	free(a);
}
