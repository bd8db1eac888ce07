/*
 * The supervisor of `millrace dev`.
 *
 * Goes well: the engines (broker, PostgreSQL) start side by side; when both
 * answer, `millrace setup` declares everything; then router, store, nodes,
 * scaler and gateway start and each says READY=1 on our notification socket;
 * the load, if any, comes last. Then it waits: for children that end (started
 * again, after a backoff, and said), for commands, for a signal to stop.
 *
 * Fails: a component that ends three times before the system was up ends the
 * whole with that component's last words. A supervisor that is killed takes
 * all with it: the kernel sends each child its death signal, and the next
 * start waits for what is left. A second signal while stopping kills at once.
 */
#include "cli/dev_system.h"

#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "cli/dev_files.h"
#include "cli/dev_notify.h"
#include "cli/dev_plan.h"
#include "common/proc.h"
#include "cli/dev_record.h"

#define TICK_MS 20
#define GUARD_MS 1000 /* how often the directory is looked for */
#define START_FAILURES_MAX 3u
#define HEAL_GRACE_MS 10000 /* for the scaler's healing to bring an engine back; then we do */
#define START_TIMEOUT_MS 120000 /* of one component, before it is ended and started again */

struct system {
	struct cli *cli;
	const struct dev_options *options;
	char *dir;
	int lock_fd;
	struct notify notify;
	struct dev_plan plan;
	bool up;        /* all have been ready at once */
	bool stopping;
	unsigned stop_stage;
	bool failed;
	uv_poll_t on_notify;
	uv_timer_t tick, guard;
	uv_signal_t child, intr, term, hup;
};

static void advance(struct system *s);

static int64_t now_ms(void)
{
	return clock_mono_ms();
}

static void save(struct system *s)
{
	struct dev_facts f = {
		.pid = getpid(),
		.dir = s->dir,
		.nats_url = s->plan.nats_url,
		.monitor_url = s->plan.monitor_url,
		.database_url = s->plan.database_url,
		.http_url = s->plan.http_url ? s->plan.http_url : "",
		.control = s->notify.name,
		.ready = s->up && !s->stopping,
		.components = s->plan.components,
		.n = s->plan.n,
	};
	struct err e = {0};

	/* A failed one ends without: its directory may be gone. */
	if (record_save(&f, &e) != 0 && !s->failed)
		cli_say(s->cli, "dev: %s", e.text);
}

static void keep_ticking(struct system *s)
{
	bool busy = s->stopping || !s->up;

	for (size_t i = 0; i < s->plan.n; i++) {
		enum component_state state = s->plan.components[i].state;

		busy = busy || state == COMPONENT_STARTING || state == COMPONENT_WAITING ||
		       state == COMPONENT_STOPPING;
	}
	if (!busy)
		uv_timer_stop(&s->tick);
}

/* ---- starting ---- */

static void give_up(struct system *s, const struct component *c)
{
	CLEANUP(buf_release) struct buf tail = {0};

	s->failed = s->stopping = true;
	proc_log_tail(c->log_path, 2000, &tail);
	cli_say(s->cli, "dev: %s does not start (%s). Its log, %s, ends with:", c->name, c->last_end,
	        c->log_path);
	cli_say(s->cli, "%s", tail.data ? tail.data : "(nothing)");
}

static void say_end(struct system *s, const struct component *c)
{
	if (c->kind == COMPONENT_SETUP && c->done)
		return;
	if (c->state == COMPONENT_HELD && s->up && !s->stopping)
		cli_say(s->cli, "dev: %s has ended; 'millrace dev start %s' brings it back", c->name,
				c->name);
	if (c->state == COMPONENT_WAITING && !s->stopping) {
		char wait[32];

		duration_format((c->due_ms - now_ms()) * NS_PER_MS, wait);
		cli_say(s->cli, "dev: %s ended with %s; it starts again in %s", c->name, c->last_end, wait);
	}
}

static void on_ended(struct system *s, struct component *c, int status)
{
	struct err e = {0};
	char how[64];

	proc_status_text(status, how, sizeof(how));
	component_ended(c, WIFEXITED(status) && WEXITSTATUS(status) == 0, how, now_ms());
	if (c->state == COMPONENT_WAITING && s->up && s->options->scaler && component_level(c->kind) == 0)
		c->due_ms = MAX_OF(c->due_ms, now_ms() + HEAL_GRACE_MS);
	say_end(s, c);
	if (s->up || s->stopping || c->state != COMPONENT_WAITING)
		return;
	if (c->failures >= START_FAILURES_MAX || c->kind == COMPONENT_SETUP)
		give_up(s, c);
	else if (plan_move(&s->plan, c, &e) != 0)
		cli_say(s->cli, "dev: %s", e.text);
}

static void start(struct system *s, struct component *c)
{
	struct proc_spec spec = {
		.argv = (const char *const *)c->argv,
		.env = (const char *const *)s->plan.env,
		.log_path = c->log_path,
		.death_signal = component_death_signal(c->kind),
	};
	struct err e = {0};
	pid_t pid;

	files_rotate(c->log_path);
	if (proc_spawn(&spec, &pid, &e) != 0) {
		cli_say(s->cli, "dev: %s", e.text);
		component_started(c, 0, 0, now_ms());
		on_ended(s, c, 127 << 8);
		return;
	}
	component_started(c, pid, proc_start_ticks(pid), now_ms());
	if (c->kind == COMPONENT_LOAD)
		component_ready(c, now_ms());
}

static void probe(struct system *s, struct component *c)
{
	if (c->kind == COMPONENT_BROKER && broker_answers(s->plan.ports.nats))
		component_ready(c, now_ms());
	else if (c->kind == COMPONENT_POSTGRES && postgres_ready(&s->plan.postgres, c->pid))
		component_ready(c, now_ms());
	else if (now_ms() - c->since_ms > START_TIMEOUT_MS) {
		cli_say(s->cli, "dev: %s is not ready after %d s; it is ended", c->name,
		        START_TIMEOUT_MS / 1000);
		c->since_ms = now_ms();
		kill(c->pid, SIGKILL);
	}
}

static bool level_ready(const struct system *s, unsigned level)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		const struct component *c = &s->plan.components[i];

		if (component_level(c->kind) == level && c->state != COMPONENT_READY && !c->done)
			return false;
	}
	return true;
}

static void announce(struct system *s)
{
	const char *socket = getenv("NOTIFY_SOCKET");
	struct err e = {0};
	json_t *record;

	if (socket && notify_send(socket, "READY=1", &e) != 0)
		cli_say(s->cli, "dev: %s", e.text);
	if (record_load(s->dir, &record, &e) != 0)
		return;
	if (s->cli->config.json) {
		cli_print_json(record);
	} else {
		record_print(record, s->cli->color);
		printf("\nTry, in another terminal:\n"
		       "  eval \"$(millrace dev env --dir %s)\"\n"
		       "  millrace submit echo --data hello --wait\n"
		       "  nats pub tasks.hash 'any bytes'      nats request run.echo hello      nats stream report\n"
		       "  millrace task list                   millrace node list\n"
		       "Ctrl-C (or millrace dev stop) ends everything in order.\n",
		       s->options->dir);
	}
	fflush(stdout);
	json_decref(record);
}

static void advance_start(struct system *s)
{
	for (unsigned level = 0; level <= 3 && !s->stopping; level++) {
		for (size_t i = 0; i < s->plan.n && !s->stopping; i++) {
			struct component *c = &s->plan.components[i];

			if (component_level(c->kind) == level && c->state == COMPONENT_HELD && !c->done)
				start(s, c);
		}
		if (!level_ready(s, level))
			return;
	}
	if (s->stopping)
		return;
	s->up = true;
	for (size_t i = 0; i < s->plan.n; i++)
		s->plan.components[i].failures = 0;
	save(s);
	announce(s);
}

/* ---- stopping ---- */

static void advance_stop(struct system *s)
{
	for (;; s->stop_stage++) {
		enum component_kind kind = component_stop_order(s->stop_stage);
		bool gone = true;

		if (kind == COMPONENT_KINDS) {
			uv_stop(&s->cli->loop);
			return;
		}
		for (size_t i = 0; i < s->plan.n; i++) {
			struct component *c = &s->plan.components[i];

			if (c->kind != kind)
				continue;
			if (component_stop(c, now_ms()))
				kill(c->pid, component_stop_signal(kind));
			gone = gone && c->state == COMPONENT_HELD;
		}
		if (!gone)
			return;
	}
}

static void kill_all(struct system *s)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		struct component *c = &s->plan.components[i];

		if (c->pid > 0)
			kill(c->pid, c->kind == COMPONENT_POSTGRES ? SIGQUIT : SIGKILL);
	}
}

/* ---- events ---- */

static void look(struct system *s)
{
	for (size_t i = 0; i < s->plan.n; i++) {
		struct component *c = &s->plan.components[i];

		switch (c->state) {
		case COMPONENT_STARTING:
			probe(s, c);
			break;
		case COMPONENT_WAITING:
			if (!s->stopping && now_ms() >= c->due_ms)
				start(s, c);
			break;
		case COMPONENT_STOPPING:
			if (now_ms() >= c->due_ms) {
				cli_say(s->cli, "dev: %s does not end; killed", c->name);
				kill(c->pid, SIGKILL);
				c->due_ms = now_ms() + 1000;
			}
			break;
		case COMPONENT_HELD:
		case COMPONENT_READY:
			break;
		}
	}
}

static void advance(struct system *s)
{
	look(s);
	if (s->stopping)
		advance_stop(s);
	else if (!s->up)
		advance_start(s);
	save(s);
	if (!uv_is_active((const uv_handle_t *)&s->tick))
		uv_timer_start(&s->tick, s->tick.timer_cb, TICK_MS, TICK_MS);
	keep_ticking(s);
}

/* Written only when something changed: a tick that saw nothing new writes nothing. */
static uint64_t fingerprint(const struct system *s)
{
	uint64_t sum = s->up + 2u * s->stopping;

	for (size_t i = 0; i < s->plan.n; i++) {
		const struct component *c = &s->plan.components[i];

		sum = sum * 1000003u + (uint64_t)c->pid * 31u + c->state + c->restarts * 7u;
	}
	return sum;
}

static void on_tick(uv_timer_t *t)
{
	struct system *s = t->data;
	uint64_t before = fingerprint(s);

	look(s);
	if (s->stopping)
		advance_stop(s);
	else if (!s->up)
		advance_start(s);
	if (fingerprint(s) != before)
		save(s);
	keep_ticking(s);
}

/* Somebody removed the directory under us: nothing could find this system any more, so it shall not stay. */
static void on_guard(uv_timer_t *t)
{
	struct system *s = t->data;

	if (s->stopping || files_lock_in_place(s->dir, s->lock_fd))
		return;
	cli_say(s->cli, "dev: %s was removed; stopping", s->dir);
	s->stopping = s->failed = true;
	advance(s);
}

static void on_child(uv_signal_t *h, int signal_number)
{
	struct system *s = h->data;
	int status;
	pid_t pid;

	(void)signal_number;
	/* Orphans of our children come to us as well (we are their subreaper): reaped, and nothing else. */
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		for (size_t i = 0; i < s->plan.n; i++) {
			if (s->plan.components[i].pid == pid)
				on_ended(s, &s->plan.components[i], status);
		}
	}
	advance(s);
}

static void on_signal(uv_signal_t *h, int signal_number)
{
	struct system *s = h->data;

	(void)signal_number;
	if (s->stopping) {
		cli_say(s->cli, "dev: asked again; everything is ended at once");
		kill_all(s);
		return;
	}
	cli_say(s->cli, "dev: stopping (again: at once)");
	s->stopping = true;
	advance(s);
}

/* "stop router", "kill broker", "start broker": from `millrace dev`, of the same user. */
static void obey(struct system *s, const char *command)
{
	char verb[8], name[72];

	if (s->stopping || sscanf(command, "%7s %71s", verb, name) != 2)
		return;
	for (size_t i = 0; i < s->plan.n; i++) {
		struct component *c = &s->plan.components[i];

		if (!str_eq(c->name, name))
			continue;
		if (str_eq(verb, "start") && s->up &&
			(c->state == COMPONENT_HELD || c->state == COMPONENT_WAITING)) {
			start(s, c);
		} else if (str_eq(verb, "stop") && component_stop(c, now_ms())) {
			kill(c->pid, component_stop_signal(c->kind));
		} else if (str_eq(verb, "kill") && component_stop(c, now_ms())) {
			kill(c->pid, SIGKILL);
		}
	}
}

static void on_notify(uv_poll_t *h, int status, int events)
{
	struct system *s = h->data;
	char text[NOTIFY_TEXT_MAX];
	pid_t pid;
	uid_t uid;

	(void)events;
	if (status < 0)
		return;
	while (notify_receive(&s->notify, text, &pid, &uid)) {
		if (strncmp(text, "MILLRACE=", 9) == 0) {
			if (uid == geteuid() || uid == 0)
				obey(s, text + 9);
			continue;
		}
		for (size_t i = 0; i < s->plan.n; i++) {
			if (s->plan.components[i].pid == pid && strstr(text, "READY=1"))
				component_ready(&s->plan.components[i], now_ms());
		}
	}
	advance(s);
}

/* ---- life ---- */

static void watch(struct system *s)
{
	uv_loop_t *loop = &s->cli->loop;
	struct {
		uv_signal_t *handle;
		uv_signal_cb cb;
		int number;
	} signals[] = {
		{&s->child, on_child, SIGCHLD},
		{&s->intr, on_signal, SIGINT},
		{&s->term, on_signal, SIGTERM},
		{&s->hup, on_signal, SIGHUP},
	};

	for (size_t i = 0; i < ARRAY_LEN(signals); i++) {
		uv_signal_init(loop, signals[i].handle);
		signals[i].handle->data = s;
		uv_signal_start(signals[i].handle, signals[i].cb, signals[i].number);
	}
	uv_poll_init(loop, &s->on_notify, s->notify.fd);
	s->on_notify.data = s;
	uv_poll_start(&s->on_notify, UV_READABLE, on_notify);
	uv_timer_init(loop, &s->tick);
	s->tick.data = s;
	uv_timer_start(&s->tick, on_tick, TICK_MS, TICK_MS);
	uv_timer_init(loop, &s->guard);
	s->guard.data = s;
	uv_timer_start(&s->guard, on_guard, GUARD_MS, GUARD_MS);
}

static void unwatch(struct system *s)
{
	uv_handle_t *handles[] = {
		(uv_handle_t *)&s->child, (uv_handle_t *)&s->intr,      (uv_handle_t *)&s->term,
		(uv_handle_t *)&s->hup,   (uv_handle_t *)&s->on_notify, (uv_handle_t *)&s->tick,
		(uv_handle_t *)&s->guard,
	};

	for (size_t i = 0; i < ARRAY_LEN(handles); i++)
		uv_close(handles[i], NULL);
	/* The close callbacks' turn; nothing else is left on the loop. */
	uv_run(&s->cli->loop, UV_RUN_NOWAIT);
}

static void release(struct system *s)
{
	plan_release(&s->plan);
	notify_close(&s->notify);
	if (s->lock_fd >= 0)
		close(s->lock_fd);
	free(s->dir);
}

static void warn_of_old_broker(const struct system *s)
{
	const struct broker *b = &s->plan.broker;

	if (!broker_version_current(b->version))
		cli_say(s->cli,
		        "dev: %s is version %d.%d.%d: it serves development only (deploy/deps.sh run gets a current one)",
		        b->program, b->version.major, b->version.minor, b->version.patch);
}

static void say_running(struct system *s)
{
	struct err e = {0};
	json_t *record;

	if (record_load(s->dir, &record, &e) != 0) {
		cli_say(s->cli, "dev: %s", e.text);
		return;
	}
	cli_say(s->cli, "dev: a system runs in %s already:", s->dir);
	if (s->cli->config.json)
		cli_print_json(record);
	else
		record_print(record, s->cli->color);
	json_decref(record);
}

int dev_system_run(struct cli *c, const struct dev_options *o)
{
	struct system s = {.cli = c, .options = o, .lock_fd = -1, .notify = {.fd = -1}};
	struct err e = {0};
	int code = EXIT_FAILED;

	if (files_open_dir(o->dir, &s.dir, &e) != 0)
		goto fail;
	if (files_lock(s.dir, &s.lock_fd, &e) != 0) {
		if (e.code == ERR_EXISTS) {
			say_running(&s);
			goto out;
		}
		goto fail;
	}
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	record_end_leftovers(s.dir);
	if (notify_open(&s.notify, &e) != 0)
		goto fail;
	/* From here on a signal waits for the loop: an initdb that is cut off would leave its own
	 * children. */
	watch(&s);
	if (plan_make(&s.plan, o, s.dir, s.notify.name, &e) != 0) {
		unwatch(&s);
		goto fail;
	}
	warn_of_old_broker(&s);
	save(&s);
	uv_run(&c->loop, UV_RUN_DEFAULT);
	proc_kill_children();
	unwatch(&s);
	record_remove(s.dir);
	if (!s.failed) {
		cli_say(c, "dev: all ended");
		code = EXIT_OK;
	}
	goto out;
fail:
	cli_say(c, "dev: %s", e.text);
	if (e.code == ERR_INVALID)
		code = EXIT_USAGE;
out:
	release(&s);
	return code;
}
