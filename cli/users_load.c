/*
 * The users of a stress scenario. It stands alone because it is a state
 * machine per user, and the judgement of an answer (users_answer.c) and of
 * the whole (users_plan.c) are pure and elsewhere.
 *
 *	waits for its turn ──▶ POST /api/v1/tasks?wait ──result──▶ thinks ──▶ POST …
 *	                         │    ▲        └──202──▶ GET …?wait ──▶ (the same again)
 *	                         └────┴─ 429, 503: waits as it is told, and asks again
 *
 * Goes well: every task ends in its result. Badly: an error is counted and
 * the user goes on with its next task after thinking, as a person would. At
 * the load's end nobody begins anything; what is under way is waited for, its
 * time being limited; who was being refused gives up.
 *
 * Beside them one asks /livez each second (uptime: 200 within a second), and
 * after the load's end one submits task after task until three in a row took
 * less than the promise (recovery: from the end to the first of the three).
 */
#include "cli/users_load.h"

#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>

#include "cli/users_answer.h"
#include "cli/http_client.h"
#include "common/timeouts.h"

#define WAIT_S 20            /* that the gateway is asked to wait for a result */
#define ANSWER_MS 30000      /* longer than that wait: nothing came, it hangs */
#define TASK_MS 60000        /* longer than this a task has no result */
#define REFUSED_LEAST_MS 100 /* whoever says 0 means soon, not at once */
#define PROBE_EVERY_MS 1000
#define PROBE_MS 1000
#define RECOVERY_PAUSE_MS 100
#define RECOVERY_MOST_MS 15000
#define RECOVERY_GOOD 3
#define TELL_EVERY_MS 10000
#define DESCRIPTORS_SPARE 128

struct load;

enum user_state {
	USER_WAITS,   /* for its turn, or for its next task */
	USER_SUBMITS, /* POST */
	USER_ASKS,    /* GET */
	USER_REFUSED, /* waits as it was told */
	USER_GONE,
};

struct user {
	struct load *load;
	enum user_state state;
	struct http_exchange *request;
	struct timeout timer;
	unsigned number, task;
	bool asks;  /* REFUSED: it goes on with a GET */
	bool probe; /* the one that looks whether it has recovered: its tasks are not counted */
	char id[136], text[64], body[160];
	int64_t first_ms, first_ns, tried_ns;
};

struct load {
	struct cli *cli;
	const struct users_spec *spec;
	struct users_tally *tally;
	struct http_client *client;
	struct timeouts *timeouts;
	struct user *users;
	unsigned active;
	int64_t begin_ms, end_ms;
	bool ending, drained;
	struct timeout over, tell;
	/* /livez */
	struct http_exchange *live;
	struct timeout live_next;
	bool reached, live_answered;
	struct err live_error;
	/* recovery */
	struct user prober;
	unsigned good;
	int64_t good_ms;
	bool recovered, recovery_over;
	bool closed;
};

static void submit(struct user *u);

/* ---- a user ---- */

static void leave(struct user *u)
{
	struct load *l = u->load;

	u->state = USER_GONE;
	timeout_stop(&u->timer);
	if (!u->probe && --l->active == 0)
		l->drained = true;
}

static void on_next(struct timeout *t)
{
	submit(container_of(t, struct user, timer));
}

static void think(struct user *u)
{
	u->state = USER_WAITS;
	if (u->load->ending)
		leave(u);
	else
		timeout_start(&u->timer, u->load->spec->think_ns / NS_PER_MS, on_next);
}

static void ask(struct user *u)
{
	char path[200];

	u->tried_ns = u->asks ? u->tried_ns : clock_mono_ns();
	u->state = u->asks ? USER_ASKS : USER_SUBMITS;
	if (u->asks)
		snprintf(path, sizeof(path), "/api/v1/tasks/%s?wait=%ds", u->id, WAIT_S);
	else
		snprintf(path, sizeof(path), "/api/v1/tasks?wait=%ds", WAIT_S);
	http_exchange_send(u->request, path, u->asks ? NULL : u->body, ANSWER_MS);
}

static void submit(struct user *u)
{
	if (u->load->ending && !u->probe) {
		leave(u);
		return;
	}
	u->asks = false;
	u->first_ns = clock_mono_ns();
	snprintf(u->text, sizeof(u->text), "user %u, task %u", u->number, ++u->task);
	snprintf(u->body, sizeof(u->body), "{\"type\":\"echo\",\"payload\":\"%s\"}", u->text);
	ask(u);
}

/* ---- what it was told ---- */

static void count_error(struct load *l, const char *words, bool late)
{
	struct users_tally *t = l->tally;

	t->errors++;
	t->unanswered += late;
	if (!t->first_error[0])
		snprintf(t->first_error, sizeof(t->first_error), "%s", words);
}

static void count_done(struct user *u)
{
	struct load *l = u->load;
	int64_t now_ns = clock_mono_ns();

	l->tally->completed++;
	l->tally->completed_in_time += !l->ending;
	samples_add(&l->tally->took, now_ns - u->tried_ns);
	samples_add(&l->tally->took_in_all, now_ns - u->first_ns);
}

static void on_again(struct timeout *t)
{
	struct user *u = container_of(t, struct user, timer);

	if (u->load->ending) {
		u->load->tally->given_up++;
		leave(u);
	} else {
		ask(u);
	}
}

static void refuse(struct user *u, long status, int64_t after_ns)
{
	struct load *l = u->load;

	l->tally->refused_429 += status == 429;
	l->tally->refused_503 += status == 503;
	u->asks = u->state == USER_ASKS;
	u->state = USER_REFUSED;
	timeout_start(&u->timer,
				  l->ending ? 0 : MAX_OF(after_ns / NS_PER_MS, (int64_t)REFUSED_LEAST_MS),
				  on_again);
}

static void go_on_asking(struct user *u, const char *id)
{
	if (clock_mono_ns() - u->tried_ns > TASK_MS * NS_PER_MS) {
		char words[200];

		snprintf(words, sizeof(words), "task %.130s has no result after %d s", id, TASK_MS / 1000);
		count_error(u->load, words, true);
		think(u);
		return;
	}
	snprintf(u->id, sizeof(u->id), "%s", id);
	u->asks = true;
	ask(u);
}

static void on_reply(void *data, const struct http_reply *r)
{
	struct user *u = data;
	struct users_answer a;

	if (r->status == 0) {
		count_error(u->load, r->error, r->late);
		think(u);
		return;
	}
	a = users_answer_read(r->status, r->body, r->len, r->retry_after, u->text, clock_wall_ns());
	switch (a.meaning) {
	case USERS_DONE:
		count_done(u);
		think(u);
		return;
	case USERS_PENDING:
		go_on_asking(u, a.id);
		return;
	case USERS_REFUSED:
		refuse(u, r->status, a.after_ns);
		return;
	case USERS_ERROR:
		count_error(u->load, a.words, false);
		think(u);
		return;
	}
}

/* ---- /livez ---- */

static void on_live_next(struct timeout *t)
{
	struct load *l = container_of(t, struct load, live_next);

	http_exchange_send(l->live, "/livez", NULL, PROBE_MS);
}

static void on_live(void *data, const struct http_reply *r)
{
	struct load *l = data;

	if (!l->reached) { /* the first one, before the load */
		l->live_answered = true;
		if (r->status == 0)
			err_set(&l->live_error, ERR_UNREACHABLE, "%s", r->error);
		return;
	}
	if (l->ending)
		return;
	l->tally->probes++;
	l->tally->probes_ok += r->status == 200;
	timeout_start(&l->live_next, PROBE_EVERY_MS, on_live_next);
}

/* ---- recovery ---- */

static void on_probe_next(struct timeout *t)
{
	struct load *l = container_of(container_of(t, struct user, timer), struct load, prober);

	if (clock_mono_ms() - l->end_ms > RECOVERY_MOST_MS) {
		l->recovery_over = true;
		return;
	}
	l->prober.first_ms = clock_mono_ms();
	submit(&l->prober);
}

static void on_probed(void *data, const struct http_reply *r)
{
	struct user *u = data;
	struct load *l = u->load;
	struct users_answer a = {.meaning = USERS_ERROR};

	if (r->status)
		a = users_answer_read(r->status, r->body, r->len, r->retry_after, u->text, clock_wall_ns());
	if (a.meaning == USERS_PENDING && clock_mono_ms() - l->end_ms < RECOVERY_MOST_MS) {
		snprintf(u->id, sizeof(u->id), "%s", a.id);
		u->asks = true;
		ask(u);
		return;
	}
	bool good = a.meaning == USERS_DONE &&
				(double)(clock_mono_ns() - u->tried_ns) / NS_PER_MS < USERS_P95_MS;
	if (good && l->good++ == 0)
		l->good_ms = u->first_ms;
	else if (!good)
		l->good = 0;
	if (l->good == RECOVERY_GOOD) {
		l->recovered = l->recovery_over = true;
		return;
	}
	timeout_start(&u->timer, RECOVERY_PAUSE_MS, on_probe_next);
}

/* ---- the whole ---- */

static void on_over(struct timeout *t)
{
	struct load *l = container_of(t, struct load, over);

	l->ending = true;
	l->end_ms = clock_mono_ms();
	for (unsigned i = 0; i < l->spec->scenario.users; i++) {
		struct user *u = &l->users[i];

		if (u->state == USER_WAITS)
			leave(u);
		else if (u->state == USER_REFUSED)
			timeout_start(&u->timer, 0, on_again);
	}
	timeout_start(&l->prober.timer, 0, on_probe_next);
}

static void on_tell(struct timeout *t)
{
	struct load *l = container_of(t, struct load, tell);
	const struct users_tally *y = l->tally;

	if (l->ending)
		return;
	cli_say(l->cli, "bench: %s: %lld of %lld s: %zu tasks, %zu errors, %zu refusals",
			l->spec->scenario.what, (long long)((clock_mono_ms() - l->begin_ms) / 1000),
			(long long)(l->spec->scenario.duration_ns / NS_PER_S), y->completed, y->errors,
			y->refused_429 + y->refused_503);
	timeout_start(&l->tell, TELL_EVERY_MS, on_tell);
}

static void make_user(struct load *l, struct user *u, unsigned number, http_on_reply reply)
{
	*u = (struct user){.load = l, .number = number};
	u->request = http_exchange_new(l->client, reply, u);
	timeout_init(&u->timer, l->timeouts);
}

static void begin(struct load *l)
{
	const struct users_scenario *s = &l->spec->scenario;

	l->begin_ms = clock_mono_ms();
	l->active = s->users;
	for (unsigned i = 0; i < s->users; i++)
		timeout_start(&l->users[i].timer, s->ramp_ns / NS_PER_MS * i / s->users, on_next);
	timeout_start(&l->over, s->duration_ns / NS_PER_MS, on_over);
	timeout_start(&l->tell, TELL_EVERY_MS, on_tell);
	timeout_start(&l->live_next, 0, on_live_next);
}

static void on_closed(void *data)
{
	struct load *l = data;

	l->closed = true;
}

static void end(struct load *l)
{
	for (unsigned i = 0; l->users && i < l->spec->scenario.users; i++)
		http_exchange_free(&l->users[i].request);
	http_exchange_free(&l->prober.request);
	http_exchange_free(&l->live);
	if (l->client)
		http_client_close(&l->client, on_closed, l);
	else
		l->closed = true;
	timeouts_free(l->timeouts);
	while (!l->closed)
		uv_run(&l->cli->loop, UV_RUN_ONCE);
	free(l->users);
}

static int reach(struct load *l, struct err *e)
{
	l->live = http_exchange_new(l->client, on_live, l);
	http_exchange_send(l->live, "/livez", NULL, 5000);
	if (cli_wait(l->cli, &l->live_answered, -1, e))
		return e->code;
	if (l->live_error.code)
		return err_set(
			e, ERR_UNREACHABLE,
			"cannot reach the gateway at %s (%s); where it is say --url or MILLRACE_HTTP",
			l->spec->url, l->live_error.text);
	l->reached = true;
	return 0;
}

int users_load_run(struct cli *c, const struct users_spec *spec, struct users_tally *ret,
				   struct err *e)
{
	struct users_tally tally = {.recovery_s = NAN};
	struct load l = {.cli = c, .spec = spec, .tally = &tally};
	unsigned n = spec->scenario.users;
	int rc;

	l.timeouts = timeouts_new(&c->loop);
	timeout_init(&l.over, l.timeouts);
	timeout_init(&l.tell, l.timeouts);
	timeout_init(&l.live_next, l.timeouts);
	rc = http_client_open(&c->loop, spec->url, spec->token, n + 2, &l.client, e);
	if (!rc)
		rc = reach(&l, e);
	if (!rc) {
		l.users = xcalloc(n, sizeof(*l.users));
		for (unsigned i = 0; i < n; i++)
			make_user(&l, &l.users[i], i + 1, on_reply);
		make_user(&l, &l.prober, 0, on_probed);
		l.prober.probe = true;
		begin(&l);
		rc = cli_wait(c, &l.drained, -1, e);
	}
	if (!rc)
		rc = cli_wait(c, &l.recovery_over, -1, e);
	if (l.recovered)
		tally.recovery_s = (double)(l.good_ms - l.end_ms) / 1000;
	tally.seconds = (double)(l.end_ms - l.begin_ms) / 1000;
	end(&l);
	if (rc)
		users_tally_release(&tally);
	else
		*ret = tally;
	return rc;
}

int users_raise_limit(unsigned users, struct err *e)
{
	rlim_t need = (rlim_t)users + DESCRIPTORS_SPARE;
	struct rlimit l;

	if (getrlimit(RLIMIT_NOFILE, &l) || l.rlim_cur >= need)
		return 0;
	l.rlim_cur = l.rlim_max;
	if (l.rlim_max < need || setrlimit(RLIMIT_NOFILE, &l))
		return err_set(
			e, ERR_INVALID,
			"%u users need %llu open files, and this process may have %llu at most: raise the "
			"hard limit (LimitNOFILE in a unit, nofile in limits.conf), or take fewer users",
			users, (unsigned long long)need, (unsigned long long)l.rlim_max);
	return 0;
}
