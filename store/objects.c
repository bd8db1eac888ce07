/*
 * Walks the bucket's records in the order in which they were stored, one
 * direct get at a time, up to the first that is young, and removes those of
 * our own making (submit/<task>, submit/<task>/<id>, result/<task>/<epoch>) whose task is over
 * for long, or unknown. What users put there by other names is theirs.
 *
 *   (timer) ──▶ record ──old, ours──▶ its task? ──over, or none──▶ remove ─┐
 *                 ▲ └──not ours──────────┴──still needed────────────┐      │
 *                 └─────────────────────────────────────────────────┴──────┘
 *
 * It stands alone because nothing waits for it: where broker or database are
 * away the walk ends, and the next turn begins anew. Several stores may do it
 * at once; who comes second finds nothing.
 */
#include "store/objects.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "common/metrics.h"
#include "common/object.h"

#define TURN_MIN_MS 1000
#define TURN_MAX_MS (60 * 60 * 1000)
#define ANSWER_MS 5000
#define QUERY_MS 10000

struct objects {
	struct bus *bus;
	struct pg *pg;
	int64_t keep_ns;
	char keep[48]; /* an interval */
	struct timeout timer;
	struct bus_call *call;
	uint64_t seq; /* the next record's is not below it */
	char *name;   /* of the one that is looked at */
	struct metric *removed;
};

static void next(struct objects *o);

static void on_turn(struct timeout *t)
{
	struct objects *o = container_of(t, struct objects, timer);

	o->seq = 1;
	next(o);
}

static void rest(struct objects *o)
{
	int64_t ms = o->keep_ns / NS_PER_MS / 10;

	timeout_start(&o->timer, MIN_OF(MAX_OF(ms, TURN_MIN_MS), TURN_MAX_MS), on_turn);
}

static void give_up(struct objects *o, const struct err *e)
{
	log_debug("old objects stay for now", LOG_S("error", e->text));
	rest(o);
}

/* ---- one that may go ---- */

static void on_removed(void *data, const struct err *e)
{
	struct objects *o = data;

	if (e && e->code != ERR_NOT_FOUND) {
		give_up(o, e);
		return;
	}
	if (!e)
		metric_add(o->removed, 1);
	next(o);
}

static void on_needed(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct objects *o = data;
	struct err failed;

	(void)n;
	if (e) {
		give_up(o, e);
	} else if (pg_get_int(rows[0], 0, 0) > 0) {
		next(o);
	} else if (object_delete(o->bus, OBJECT_BUCKET, o->name, true, on_removed, o, &failed)) {
		give_up(o, &failed);
	}
}

/* Those of a replay (<id>.r1, …) name the object of the first. */
static void ask_for_task(struct objects *o, const char *id)
{
	static const char sql[] =
		"SELECT count(*) FROM millrace.tasks WHERE (id = $1::text OR id >= $1::text || '.r' AND "
		"id < $1::text || '.s') AND (state < 4 OR finished_at > now() - $2::interval)";
	const struct pg_param p[] = {PG_ARG(id), PG_ARG(o->keep)};
	struct err e;

	if (pg_query(o->pg, sql, p, 2, QUERY_MS, on_needed, o, &e))
		give_up(o, &e);
}

/* The task's id in a name of ours; NULL: it is none of ours. Owned. */
static char *task_of(const char *name)
{
	size_t submit = sizeof(OBJECT_OF_SUBMIT) - 1, result = sizeof(OBJECT_OF_RESULT) - 1;

	if (strncmp(name, OBJECT_OF_SUBMIT, submit) == 0)
		return xmemdup0(name + submit, strcspn(name + submit, "/"));
	if (strncmp(name, OBJECT_OF_RESULT, result) == 0)
		return xmemdup0(name + result, strcspn(name + result, "/"));
	return NULL;
}

/* ---- the walk ---- */

static void take(struct objects *o, const struct bus_msg *m)
{
	const char *seq = bus_msg_header(m, "Nats-Sequence");
	const char *stored = bus_msg_header(m, "Nats-Time-Stamp");
	struct object_info info = {0};
	int64_t stored_wall_ns = 0;

	if (bus_msg_status(m) || !seq || !stored || time_parse(stored, &stored_wall_ns, NULL) ||
		stored_wall_ns > clock_wall_ns() - o->keep_ns) {
		rest(o); /* the end, or all that follow are younger */
		return;
	}
	o->seq = strtoull(seq, NULL, 10) + 1;
	if (object_info_read(bus_msg_data(m), bus_msg_len(m), &info, NULL)) {
		next(o);
		return;
	}
	CLEANUP(free_ptr) char *task = info.deleted ? NULL : task_of(info.name);
	free(o->name);
	o->name = TAKE(info.name);
	object_info_release(&info);
	if (task)
		ask_for_task(o, task);
	else
		next(o);
}

static void on_record(void *data, struct bus_msg **m, const struct err *e)
{
	struct objects *o = data;

	if (e)
		give_up(o, e);
	else
		take(o, *m);
}

static void next(struct objects *o)
{
	char body[96];
	struct err e;

	snprintf(body, sizeof(body), "{\"seq\":%llu,\"next_by_subj\":\"$O." OBJECT_BUCKET ".M.>\"}",
			 (unsigned long long)o->seq);
	if (bus_request(o->bus,
					&(struct bus_out){.subject = "$JS.API.DIRECT.GET.OBJ_" OBJECT_BUCKET,
									  .data = body,
									  .len = strlen(body)},
					ANSWER_MS, on_record, o, &o->call, &e))
		give_up(o, &e);
}

/* ---- life ---- */

struct objects *objects_open(struct bus *bus, struct pg *pg, int64_t keep_ns)
{
	struct objects *o = xcalloc(1, sizeof(*o));

	o->bus = bus;
	o->pg = pg;
	o->keep_ns = keep_ns;
	snprintf(o->keep, sizeof(o->keep), "%lld milliseconds", (long long)(keep_ns / NS_PER_MS));
	o->removed = metric_counter("millrace_store_objects_removed_total",
								"Old objects of tasks that were removed.", NULL);
	timeout_init(&o->timer, bus_timeouts(bus));
	if (keep_ns)
		rest(o);
	return o;
}

void objects_close(struct objects **op)
{
	struct objects *o = TAKE(*op);

	if (!o)
		return;
	bus_call_cancel(&o->call);
	timeout_stop(&o->timer);
	free(o->name);
	free(o);
}
