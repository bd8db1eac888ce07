/*
 * The audit's search. It stands alone because it is all about being cheap:
 *
 *	rows' lanes --> per lane: STREAM.INFO (its holes, if few) --> rows outside of what is there
 *	--> those in doubt, message by message --> and of all, those that are in DIRECT after all
 *
 * A lane of a million waiting rows costs two requests and a look at three
 * ranges of an index; only where a stream has more holes than one answer
 * tells are rows asked for one by one, a page at each look. It fails as a
 * whole: a look that can't be finished says nothing.
 */
#include "store/audit_look.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "store/audit_stream.h"

#define QUERY_TIMEOUT_MS 30000
#define HOLES_MAX 20000u /* of a stream, to be told in one answer */
#define PAGE_MAX 2000u   /* rows of one lane at a look */
#define WALK_MAX 1000u   /* where each costs a request */
#define CHECKS_MAX 128u  /* requests at a time */

static void next_lane(struct audit_look *k);
static void check_more(struct audit_look *k);

static void end(struct audit_look *k, const struct err *e)
{
	k->on_looked(k->data, e);
}

/* ---- lanes ---- */

static struct audit_lane *add_lane(struct audit_look *k, const char *name)
{
	k->lanes = xreallocarray(k->lanes, k->nlanes + 1, sizeof(*k->lanes));
	struct audit_lane *l = &k->lanes[k->nlanes++];
	*l = (struct audit_lane){0};
	snprintf(l->name, sizeof(l->name), "%s", name);
	millrace__audit_lane__init(&l->report);
	return l;
}

static int by_name(const void *a, const void *b)
{
	return strcmp(((const struct audit_lane *)a)->name, ((const struct audit_lane *)b)->name);
}

struct audit_lane *audit_lane_of(struct audit_look *k, const char *name)
{
	struct audit_lane key = {0};
	snprintf(key.name, sizeof(key.name), "%s", name);
	return k->nlanes > 0 ? bsearch(&key, k->lanes, k->nlanes, sizeof(key), by_name) : NULL;
}

static void add_count(Millrace__AuditLane *l, Millrace__State state, uint64_t n)
{
	l->accepted += n;
	switch (state) {
	case MILLRACE__STATE__STATE_SCHEDULED:
		l->scheduled += n;
		return;
	case MILLRACE__STATE__STATE_QUEUED:
		l->queued += n;
		return;
	case MILLRACE__STATE__STATE_RUNNING:
		l->running += n;
		return;
	case MILLRACE__STATE__STATE_COMPLETED:
		l->completed += n;
		return;
	case MILLRACE__STATE__STATE_DEAD:
		l->dead += n;
		return;
	case MILLRACE__STATE__STATE_CANCELLED:
		l->cancelled += n;
		return;
	case MILLRACE__STATE__STATE_NONE:
	case _MILLRACE__STATE_IS_INT_SIZE:
		return;
	}
}

/* Cursors stay, numbers begin anew. Names sorted: the first is "", for DELAYED. */
static void take_lanes(struct audit_look *k, struct pg_rows open, struct pg_rows counts)
{
	for (size_t i = 0; i < k->nlanes; i++) {
		millrace__audit_lane__init(&k->lanes[i].report);
		k->lanes[i].open = false;
	}
	size_t before = k->nlanes;
	if (before == 0) {
		add_lane(k, "");
		before = 1;
	}
	const char *last = NULL;
	for (size_t i = 0; i < pg_nrows(counts); i++) { /* sorted by lane */
		const char *name = pg_get(counts, i, 0, NULL);
		struct audit_lane key = {0};
		snprintf(key.name, sizeof(key.name), "%s", name);
		bool repeated = last != NULL && str_eq(last, name);
		if (!repeated && bsearch(&key, k->lanes, before, sizeof(key), by_name) == NULL) {
			add_lane(k, name);
		}
		last = name;
	}
	qsort(k->lanes, k->nlanes, sizeof(*k->lanes), by_name);
	for (size_t i = 0; i < pg_nrows(counts); i++) {
		struct audit_lane *l = audit_lane_of(k, pg_get(counts, i, 0, NULL));
		int64_t n = pg_get_int(counts, i, 2);
		if (l != NULL && n > 0) {
			add_count(&l->report, (Millrace__State)pg_get_int(counts, i, 1), (uint64_t)n);
		}
	}
	before = k->nlanes;
	for (size_t i = 0; i < pg_nrows(open); i++) {
		const char *name = pg_get(open, i, 0, NULL);
		struct audit_lane *l = audit_lane_of(k, name);
		struct lane lane;
		struct err e;
		if (lane_parse(name, &lane, &e) < 0) { /* a stranger's word: it is no stream's name */
			continue;
		}
		if (l == NULL) {
			l = add_lane(k, name);
			qsort(k->lanes, k->nlanes, sizeof(*k->lanes), by_name);
			l = audit_lane_of(k, name);
		}
		l->open = true;
	}
	k->lanes[0].open = true;
}

static void on_lanes(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit_look *k = data;
	(void)n;
	if (e != NULL) {
		end(k, e);
		return;
	}
	take_lanes(k, rows[0], rows[1]);
	k->at = 0;
	next_lane(k);
}

/* ---- one lane ---- */

static bool grown(struct audit_look *k)
{
	if (k->nsuspects == AUDIT_SUSPECTS_MAX) {
		k->complete = false;
		return false;
	}
	if (k->nsuspects == k->suspects_cap) {
		k->suspects_cap = k->suspects_cap == 0 ? 64 : k->suspects_cap * 2;
		k->suspects = xreallocarray(k->suspects, k->suspects_cap, sizeof(*k->suspects));
	}
	return true;
}

static void on_candidates(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit_look *k = data;
	struct audit_lane *l = &k->lanes[k->at];
	(void)n;
	if (e != NULL) {
		end(k, e);
		return;
	}
	size_t found = pg_nrows(rows[0]);
	for (size_t i = 0; i < found && grown(k); i++) {
		struct audit_suspect *s = &k->suspects[k->nsuspects++];
		*s = (struct audit_suspect){.look = k,
									.lane = k->at,
									.epoch = (uint64_t)pg_get_int(rows[0], i, 1),
									.seq = (uint64_t)pg_get_int(rows[0], i, 2)};
		snprintf(s->id, sizeof(s->id), "%s", pg_get(rows[0], i, 0, NULL));
		s->to_check = (k->walk || s->seq > k->stream.last_seq) &&
					  audit_stream_has(&k->stream, s->seq) != AUDIT_ABSENT;
	}
	/* A full page: the next look goes on behind it; else at the beginning. */
	bool full = found == k->at_most;
	l->after = full ? (uint64_t)pg_get_int(rows[0], found - 1, 2) : 0;
	k->complete = k->complete && !full;
	k->at++;
	next_lane(k);
}

static void find_rows(struct audit_look *k, const struct audit_stream *s)
{
	const struct audit_lane *l = &k->lanes[k->at];
	char first[24], last[24], after[24], at_most[16];
	struct pg_array holes = {.type = PG_INT8};
	struct err e;
	const json_t *hole;
	size_t i;
	json_array_foreach (s->deleted, i, hole) {
		pg_array_int(&holes, json_integer_value(hole));
	}
	k->stream = *s;
	k->stream.deleted = NULL;
	k->walk = !s->gone && s->holes > 0 && s->deleted == NULL;
	k->at_most = k->walk ? WALK_MAX : PAGE_MAX;
	snprintf(first, sizeof(first), "%lld", s->gone ? INT64_MAX : (long long)s->first_seq);
	snprintf(last, sizeof(last), "%lld", s->gone ? INT64_MAX : (long long)s->last_seq);
	snprintf(after, sizeof(after), "%lld", (long long)l->after);
	snprintf(at_most, sizeof(at_most), "%u", k->at_most);
	struct pg_param p[] = {
		l->name[0] != '\0' ? PG_ARG(l->name) : (struct pg_param){0},
		PG_ARG(first),
		PG_ARG(last),
		pg_array_param(&holes),
		PG_ARG(k->walk ? "t" : "f"),
		PG_ARG(after),
		PG_ARG(k->age),
		PG_ARG(at_most),
	};
	int rc = pg_query(k->pg,
					  "SELECT id, epoch, lane_seq FROM millrace.audit_candidates($1::text, "
					  "$2::int8, $3::int8, $4, "
					  "$5::bool, $6::int8, $7::interval, $8::int4)",
					  p, ARRAY_LEN(p), QUERY_TIMEOUT_MS, on_candidates, k, &e);
	pg_array_release(&holes);
	if (rc < 0) {
		end(k, &e);
	}
}

static int ask_stream(struct audit_look *k, bool with_holes, js_on_api on_info, struct err *e);

static void on_info(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct audit_look *k = data;
	struct audit_stream s = {0};
	struct err why;
	if (e != NULL && server_code == JS_ERR_STREAM_NOT_FOUND) {
		s.gone = true;
		find_rows(k, &s);
		return;
	}
	if (e != NULL || audit_stream_read(reply, &s, &why) < 0) {
		end(k, e != NULL ? e : &why);
		return;
	}
	if (k->at == 0) {
		k->delayed_messages = s.messages;
	}
	k->lanes[k->at].report.messages = s.messages;
	if (s.holes > 0 && s.holes <= HOLES_MAX && s.deleted == NULL) {
		if (ask_stream(k, true, on_info, &why) < 0) {
			end(k, &why);
		}
		return;
	}
	find_rows(k, &s);
}

static int ask_stream(struct audit_look *k, bool with_holes, js_on_api on_reply, struct err *e)
{
	const char *lane = k->lanes[k->at].name;
	char verb[LANE_MAX + 32];
	snprintf(verb, sizeof(verb), lane[0] != '\0' ? "STREAM.INFO.LANE_%s" : "STREAM.INFO.DELAYED",
			 lane);
	json_t *body = with_holes ? json_pack("{s:b}", "deleted_details", 1) : NULL;
	int rc = js_api(k->bus, verb, body, on_reply, k, e);
	json_decref(body);
	return rc;
}

static void on_direct(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct audit_look *k = data;
	struct audit_stream s = {0};
	struct err why;
	if (e != NULL && server_code != JS_ERR_STREAM_NOT_FOUND) {
		end(k, e);
		return;
	}
	if (e == NULL && audit_stream_read(reply, &s, &why) < 0) {
		end(k, &why);
		return;
	}
	k->direct_messages = s.messages;
	k->direct_first = s.first_seq;
	k->direct_last = s.messages > 0 ? s.last_seq : 0;
	k->next_check = 0;
	k->in_direct = false;
	check_more(k);
}

static void next_lane(struct audit_look *k)
{
	struct err e;
	while (k->at < k->nlanes && !k->lanes[k->at].open) {
		k->at++;
	}
	/* DIRECT last: what is found in none of the others must not have gone there in between. */
	int rc = k->at < k->nlanes ? ask_stream(k, false, on_info, &e)
							   : js_api(k->bus, "STREAM.INFO.DIRECT", NULL, on_direct, k, &e);
	if (rc < 0) {
		end(k, &e);
	}
}

/* ---- message by message ---- */

static void on_message(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct audit_suspect *s = data;
	struct audit_look *k = s->look;
	(void)server_code;
	if (e == NULL) {
		s->live = s->live || audit_message_is(reply, s->id);
	} else if (e->code != ERR_NOT_FOUND) {
		k->failed = *e;
	}
	k->checking--;
	check_more(k);
}

static bool in_question(const struct audit_look *k, const struct audit_suspect *s)
{
	if (s->live) {
		return false;
	}
	return k->in_direct ? s->seq >= k->direct_first && s->seq <= k->direct_last : s->to_check;
}

static int check_one(struct audit_look *k, size_t i, struct err *e)
{
	struct audit_suspect *s = &k->suspects[i];
	const char *lane = k->lanes[s->lane].name;
	char verb[LANE_MAX + 32];
	if (k->in_direct) {
		snprintf(verb, sizeof(verb), "STREAM.MSG.GET.DIRECT");
	} else {
		snprintf(verb, sizeof(verb),
				 lane[0] != '\0' ? "STREAM.MSG.GET.LANE_%s" : "STREAM.MSG.GET.DELAYED", lane);
	}
	json_t *body = json_pack("{s:I}", "seq", (json_int_t)s->seq);
	int rc = js_api(k->bus, verb, body, on_message, s, e);
	json_decref(body);
	k->checking += rc == 0;
	return rc;
}

static void drop_live(struct audit_look *k)
{
	size_t kept = 0;
	for (size_t i = 0; i < k->nsuspects; i++) {
		if (!k->suspects[i].live) {
			k->suspects[kept++] = k->suspects[i];
		}
	}
	k->nsuspects = kept;
}

static void check_more(struct audit_look *k)
{
	while (k->failed.code == 0 && k->checking < CHECKS_MAX && k->next_check < k->nsuspects) {
		size_t i = k->next_check++;
		struct err e;
		if (in_question(k, &k->suspects[i]) && check_one(k, i, &e) < 0) {
			k->failed = e;
		}
	}
	if (k->checking > 0) {
		return;
	}
	if (k->failed.code == 0 && !k->in_direct) {
		k->in_direct = true;
		k->next_check = 0;
		check_more(k);
		return;
	}
	drop_live(k);
	end(k, k->failed.code != 0 ? &k->failed : NULL);
}

/* ---- owner's side ---- */

int audit_look_begin(struct audit_look *k, int64_t age_ns,
					 void (*on_looked)(void *data, const struct err *e), void *data, struct err *e)
{
	static const struct pg_statement both[] = {
		{"SELECT * FROM millrace.audit_lanes()", NULL, 0},
		{"SELECT lane, state, sum(n)::int8 FROM millrace.task_counts GROUP BY lane, state ORDER BY "
		 "lane, state",
		 NULL, 0},
	};
	if (!bus_is_up(k->bus)) {
		return err_set(e, ERR_UNREACHABLE, "the broker is away");
	}
	snprintf(k->age, sizeof(k->age), "%lld milliseconds", (long long)(age_ns / NS_PER_MS));
	k->on_looked = on_looked;
	k->data = data;
	k->nsuspects = 0;
	k->complete = true;
	k->failed = (struct err){0};
	return pg_run(k->pg, both, ARRAY_LEN(both), QUERY_TIMEOUT_MS, on_lanes, k, e);
}

void audit_look_release(struct audit_look *k)
{
	free(k->lanes);
	free(k->suspects);
	k->lanes = NULL;
	k->suspects = NULL;
}
