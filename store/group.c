/*
 * A group's marker concerns any number of tasks; here they are ended a
 * thousand at a time, in the order of their submission, one page after the
 * other's PubAck, so that memory and queues do not follow their number. One
 * group at a time, in turn.
 *
 *	IDLE ──▶ READING ──a page──▶ TELLING ──PubAck──▶ READING … ──empty──▶ (old enough?) CHECKING ──▶ IDLE
 *
 * When nothing was left to end, the marker is old enough and the last of its
 * delayed tasks is past, the streams are looked at: does any message in TASKS,
 * EVENTS, DIRECT or a lane that it may mean date from before it? Then somebody
 * may still meet one, and the marker stays. It fails: broker or database away;
 * the next turn begins the group anew.
 */
#include "store/group.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#define PAGE 1000u
#define AGAIN_MS 5000            /* until a group is looked at once more */
#define SPARE_NS (10 * NS_PER_S) /* a message of before may be stored so long after the marker */

enum walk_state { WALK_IDLE, WALK_READING, WALK_TELLING, WALK_CHECKING };

struct group_walk {
	struct control *control;
	enum walk_state state;
	char key[MARKER_KEY_MAX + 1];
	struct marker m;
	bool old; /* those that run are ended too, and the marker may go */
	size_t ended;
	char after_at[32], after_id[TASK_ID_MAX + 1]; /* the last one of the page before */
};

static void read_page(struct group_walk *g);

static void rest(struct group_walk *g)
{
	g->state = WALK_IDLE;
}

/* ---- whether a message of it may be left ---- */

static bool may_hold(const struct group_walk *g, const char *stream)
{
	struct lane lane;
	if (str_eq(stream, "TASKS") || str_eq(stream, "EVENTS") || str_eq(stream, "DIRECT")) {
		return true;
	}
	if (strncmp(stream, "LANE_", 5) != 0 || lane_parse(stream + 5, &lane, NULL) < 0) {
		return false;
	}
	return (g->m.lane[0] == '\0' || str_eq(g->m.lane, lane.name)) &&
		   (g->m.type[0] == '\0' || str_eq(g->m.type, lane.type));
}

static bool holds_old(const struct group_walk *g, const json_t *stream)
{
	const json_t *state = json_object_get(stream, "state");
	const char *name =
		json_string_value(json_object_get(json_object_get(stream, "config"), "name"));
	const char *first = json_string_value(json_object_get(state, "first_ts"));
	int64_t first_ns = 0;
	if (name == NULL || !may_hold(g, name) ||
		json_integer_value(json_object_get(state, "messages")) == 0) {
		return false;
	}
	return first == NULL || time_parse(first, &first_ns, NULL) < 0 ||
		   first_ns <= g->m.stored_wall_ns + SPARE_NS;
}

static void ask_streams(struct group_walk *g, json_int_t offset);

static void on_streams(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct group_walk *g = data;
	const json_t *streams = json_object_get(reply, "streams");
	json_int_t total = json_integer_value(json_object_get(reply, "total")),
			   offset = json_integer_value(json_object_get(reply, "offset"));
	size_t i;
	json_t *stream;
	(void)server_code;
	if (e != NULL) {
		rest(g);
		return;
	}
	json_array_foreach (streams, i, stream) {
		if (holds_old(g, stream)) {
			rest(g);
			return;
		}
	}
	offset += (json_int_t)json_array_size(streams);
	if (json_array_size(streams) > 0 && offset < total) {
		ask_streams(g, offset);
		return;
	}
	struct err why;
	log_info("a group's cancel is over", LOG_S("marker", g->key));
	if (kv_delete(g->control->bus, MARKERS_BUCKET, g->key, NULL, NULL, &why) < 0) {
		log_debug("marker not removed, the next turn does it", LOG_S("error", why.text));
	}
	rest(g);
}

static void ask_streams(struct group_walk *g, json_int_t offset)
{
	json_t *body = json_pack("{s:I}", "offset", offset);
	struct err e;
	g->state = WALK_CHECKING;
	if (js_api(g->control->bus, "STREAM.LIST", body, on_streams, g, &e) < 0) {
		rest(g);
	}
	json_decref(body);
}

/* ---- its rows ---- */

static void on_told(void *data, const struct err *e)
{
	struct group_walk *g = data;
	if (e != NULL) {
		log_warn("cancelled tasks of a group are not told yet", LOG_S("marker", g->key),
				 LOG_S("error", e->text), LOG_S("next", "the next turn tells them"));
		rest(g);
		return;
	}
	read_page(g);
}

static void over(struct group_walk *g)
{
	if (g->ended > 0) {
		log_info("tasks of a group cancelled", LOG_S("marker", g->key), LOG_I("tasks", g->ended));
	}
	if (g->ended == 0 && g->old && clock_wall_ns() > g->m.until_wall_ns) {
		ask_streams(g, 0);
	} else {
		rest(g);
	}
}

static void on_page(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct group_walk *g = data;
	(void)n;
	if (e != NULL) {
		rest(g);
		return;
	}
	size_t found = pg_nrows(rows[0]);
	if (found == 0) {
		over(g);
		return;
	}
	struct ends *ends = ends_new(g->control);
	for (size_t row = 0; row < found; row++) {
		ends_add(ends, rows[0], row, "");
	}
	snprintf(g->after_at, sizeof(g->after_at), "%s",
			 pg_get(rows[0], found - 1, EC_PROJECT + 1, NULL));
	snprintf(g->after_id, sizeof(g->after_id), "%s", pg_get(rows[0], found - 1, EC_ID, NULL));
	g->ended += found;
	g->state = WALK_TELLING;
	/* Those who listen to one task's result are told where the task is met, or find the row. */
	ends_publish(&ends, found < PAGE, on_told, g);
}

static void read_page(struct group_walk *g)
{
	char cutoff[32];
	struct err e;
	time_format(g->m.stored_wall_ns, cutoff);
	struct pg_param p[] = {
		PG_ARG(cutoff),      PG_ARG(g->m.type),   PG_ARG(g->m.lane),         PG_ARG(g->m.project),
		PG_ARG(g->after_at), PG_ARG(g->after_id), PG_ARG(g->old ? "3" : "2")};
	g->state = WALK_READING;
	if (pg_query(
			g->control->pg,
			"SELECT " ENDS_COLUMNS ", t.submitted_at::text FROM millrace.tasks AS t "
			"WHERE t.state < 4 AND t.state <= $7::int2 AND t.submitted_at <= $1::timestamptz "
			"AND ($2::text = '' OR t.type = $2::text) AND ($3::text = '' OR t.lane = $3::text) "
			"AND ($4::text = '' OR t.project = $4::text) "
			"AND (t.submitted_at, t.id) > ($5::timestamptz, $6::text) "
			"ORDER BY t.submitted_at, t.id LIMIT 1000",
			p, ARRAY_LEN(p), CONTROL_QUERY_MS, on_page, g, &e) < 0) {
		rest(g);
	}
}

/* ---- turns ---- */

static struct cancel_entry *next_group(const struct group_walk *g)
{
	int64_t now_ms = clock_mono_ms();
	struct cancel_entry *oldest = NULL;
	for (struct cancel_entry *x = cancels_groups(g->control->cancels); x != NULL; x = x->hh.next) {
		if (x->looked_mono_ms != 0 && now_ms - x->looked_mono_ms < AGAIN_MS) {
			continue;
		}
		if (oldest == NULL || x->looked_mono_ms < oldest->looked_mono_ms) {
			oldest = x;
		}
	}
	return oldest;
}

void group_walk_on(struct group_walk *g)
{
	struct cancel_entry *x = g->state == WALK_IDLE ? next_group(g) : NULL;
	if (x == NULL) {
		return;
	}
	x->looked_mono_ms = clock_mono_ms();
	g->m = *x->whole;
	g->old = clock_mono_ms() - x->seen_mono_ms >= g->control->keep_ms;
	g->ended = 0;
	snprintf(g->key, sizeof(g->key), "%s", x->key);
	snprintf(g->after_at, sizeof(g->after_at), "-infinity");
	g->after_id[0] = '\0';
	read_page(g);
}

struct group_walk *group_walk_new(struct control *c)
{
	struct group_walk *g = xcalloc(1, sizeof(*g));
	g->control = c;
	return g;
}

void group_walk_free(struct group_walk **pg)
{
	free(TAKE(*pg));
}
