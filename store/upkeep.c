/*
 * Two timers and two statements. It stands alone because nothing waits for it:
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

struct upkeep {
	struct pg *pg;
	uv_timer_t *fold, *forget;
	char samples[48]; /* an interval */
	bool folding, forgetting;
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
	if (!u->forgetting && pg_query(u->pg, "SELECT millrace.forget_old($1::interval), millrace.forget_fences('7 days'), "
								   "millrace.forget_state('7 days')", &p, 1,
								   TIMEOUT_MS, on_forgotten, u, &e) == 0) {
		u->forgetting = true;
	}
}

int upkeep_open(uv_loop_t *loop, struct pg *pg, int64_t samples_ns, struct upkeep **ret,
				struct err *e)
{
	(void)e;
	struct upkeep *u = xcalloc(1, sizeof(*u));
	u->pg = pg;
	snprintf(u->samples, sizeof(u->samples), "%lld seconds", (long long)(samples_ns / NS_PER_S));
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
		free(u);
	}
}
