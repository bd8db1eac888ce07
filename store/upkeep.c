/*
 * A few timers and statements. It stands alone because nothing waits for it:
 * where it fails (database away, schema missing) the next turn does it.
 * Several stores may do it at once.
 */
#include "store/upkeep.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#define FOLD_MS 5000
#define FORGET_MS (10 * 60 * 1000)
#define TIMEOUT_MS 60000
#define EXPIRE_MS 5000
#define EXPIRE_PAGE 1000

struct upkeep {
	struct pg *pg;
	uv_timer_t *fold, *forget, *expire;
	char samples[48]; /* intervals; "" for ever */
	char results[48], tasks[48], history[48];
	bool folding, forgetting, expiring;
	size_t kind; /* of expiries; the one under way */
};

/* By their own time, by the default, whole rows; what scalers did. */
static const char *const expiries[] = {
	"SELECT millrace.expire_results(1000)",
	"SELECT millrace.expire_default($1::interval, 1000)",
	"SELECT millrace.forget_tasks($1::interval, 1000)",
	"SELECT millrace.forget_history($1::interval, 1000)",
};

/* A database that is away or not set up yet is told elsewhere. */
static void say(const char *what, const struct err *e)
{
	if (e != NULL) {
		bool expected =
			e->code == ERR_UNREACHABLE || e->code == ERR_NOT_FOUND || e->code == ERR_CONFLICT;
		log_at(expected ? LOG_DEBUG : LOG_WARN, what, LOG_S("error", e->text),
			   LOG_S("next", "the next turn does it"));
	}
}

static void on_folded(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct upkeep *u = data;
	(void)rows;
	(void)n;
	u->folding = false;
	say("counts not folded", e);
}

static void on_fold(uv_timer_t *t)
{
	struct upkeep *u = t->data;
	/* Only when there is something to sum up: an idle system writes nothing, however many types it
	 * has. */
	static const char sql[] = "SELECT CASE WHEN (SELECT sum(n - 1) FROM (SELECT count(*) AS n FROM "
							  "millrace.task_counts GROUP BY type, lane, state) AS unsummed) > 1000 "
							  "THEN millrace.fold_counts() END";
	struct err e;
	if (!u->folding && pg_query(u->pg, sql, NULL, 0, TIMEOUT_MS, on_folded, u, &e) == 0) {
		u->folding = true;
	}
}

static void on_forgotten(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct upkeep *u = data;
	(void)rows;
	(void)n;
	u->forgetting = false;
	say("old samples not forgotten", e);
}

static void on_forget(uv_timer_t *t)
{
	struct upkeep *u = t->data;
	struct pg_param p = PG_ARG(u->samples);
	struct err e;
	if (!u->forgetting && pg_query(u->pg, "SELECT millrace.forget_old($1::interval), millrace.forget_unique(100000), "
								   "millrace.forget_fences('7 days'), millrace.forget_state('7 days')", &p, 1,
								   TIMEOUT_MS, on_forgotten, u, &e) == 0) {
		u->forgetting = true;
	}
}

/* ---- results and rows whose time is over ---- */

static void expire(struct upkeep *u);

/* A page that was full has more behind it; else the next kind. A transaction each: see the functions. */
static void on_expired(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct upkeep *u = data;
	(void)n;
	u->expiring = false;
	say("what has expired was not removed", e);
	if (e != NULL || pg_get_int(rows[0], 0, 0) < EXPIRE_PAGE) {
		u->kind = e != NULL ? ARRAY_LEN(expiries) : u->kind + 1;
	}
	expire(u);
}

static void expire(struct upkeep *u)
{
	const char *times[] = {NULL, u->results, u->tasks, u->history};
	struct err e;
	while (u->kind < ARRAY_LEN(expiries) && times[u->kind] != NULL && times[u->kind][0] == '\0') {
		u->kind++; /* kept for ever */
	}
	if (u->kind >= ARRAY_LEN(expiries)) {
		return;
	}
	struct pg_param p = PG_ARG(times[u->kind]);
	u->expiring = pg_query(u->pg, expiries[u->kind], &p, times[u->kind] != NULL, TIMEOUT_MS,
						   on_expired, u, &e) == 0;
}

static void on_expire(uv_timer_t *t)
{
	struct upkeep *u = t->data;
	if (!u->expiring) {
		u->kind = 0;
		expire(u);
	}
}

static void interval(char out[48], int64_t ns)
{
	out[0] = '\0';
	if (ns > 0) {
		snprintf(out, 48, "%lld milliseconds", (long long)(ns / NS_PER_MS));
	}
}

int upkeep_open(uv_loop_t *loop, struct pg *pg, const struct upkeep_times *times,
				struct upkeep **ret, struct err *e)
{
	(void)e;
	struct upkeep *u = xcalloc(1, sizeof(*u));
	u->pg = pg;
	snprintf(u->samples, sizeof(u->samples), "%lld seconds",
			 (long long)(times->samples_ns / NS_PER_S));
	interval(u->results, times->results_ns);
	interval(u->tasks, times->tasks_ns);
	interval(u->history, times->history_ns);
	u->expire = xcalloc(1, sizeof(*u->expire));
	uv_timer_init(loop, u->expire);
	u->expire->data = u;
	uv_timer_start(u->expire, on_expire, EXPIRE_MS, EXPIRE_MS);
	u->fold = xcalloc(1, sizeof(*u->fold));
	u->forget = xcalloc(1, sizeof(*u->forget));
	uv_timer_init(loop, u->fold);
	uv_timer_init(loop, u->forget);
	u->fold->data = u->forget->data = u;
	uv_timer_start(u->fold, on_fold, FOLD_MS, FOLD_MS);
	uv_timer_start(u->forget, on_forget, FORGET_MS, FORGET_MS);
	*ret = u;
	return 0;
}

static void on_closed(uv_handle_t *h)
{
	free(h);
}

void upkeep_close(struct upkeep **up)
{
	struct upkeep *u = TAKE(*up);
	if (u != NULL) {
		uv_close((uv_handle_t *)u->fold, on_closed);
		uv_close((uv_handle_t *)u->forget, on_closed);
		uv_close((uv_handle_t *)u->expire, on_closed);
		free(u);
	}
}
