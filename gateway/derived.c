/*
 * The names of others, made of our own numbers. It stands alone as the one place that knows which
 * of our families stand behind them. It cannot fail: what is not told is not made.
 */
#include "gateway/derived.h"

#include <math.h>
#include <stdio.h>

#include <uthash.h>

#define BOUNDS_MAX 64

static void add_number(struct buf *out, double v)
{
	if (isinf(v))
		buf_add_str(out, v > 0 ? "+Inf" : "-Inf");
	else if (isnan(v))
		buf_add_str(out, "NaN");
	else
		buf_printf(out, "%.15g", v);
}

static void add_head(struct buf *out, const char *name, const char *kind, const char *help)
{
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, kind);
}

/* ---- counters under another name ---- */

struct renaming {
	struct buf *out;
	const char *name;
	bool begun;
	const char *help;
};

static void on_counter(void *data, const struct exposition_sample *s)
{
	struct renaming *r = data;
	CLEANUP(free_ptr) char *labels = xmemdup0(s->labels.at, s->labels.len);

	if (!r->begun)
		add_head(r->out, r->name, "counter", r->help);
	r->begun = true;
	exposition_begin(r->out, r->name, s->component, s->instance, labels);
	add_number(r->out, s->value);
	buf_add_str(r->out, "\n");
}

static void render_counters(const struct exposition *x, struct buf *out)
{
	static const struct {
		const char *from, *name, *help;
	} rows[] = {
		{"millrace_router_tasks_submitted_total", "tasks_submitted_total",
		 "Tasks that were taken in, by type."},
		{"millrace_store_tasks_completed_total", "tasks_completed_total",
		 "Tasks that completed, by type."},
		{"millrace_store_tasks_dead_total", "tasks_failed_total",
		 "Tasks that failed for good, by type: dead letters."},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct renaming r = {.out = out, .name = rows[i].name, .help = rows[i].help};

		exposition_each(x, rows[i].from, on_counter, &r);
	}
}

/* ---- handler time by type, in milliseconds ---- */

struct times {
	char *key; /* component, instance, type */
	const char *component, *instance;
	char *type;
	double le_ms[BOUNDS_MAX], counts[BOUNDS_MAX];
	size_t n;
	double sum_ms, count;
	UT_hash_handle hh;
};

/* "summarize--gpu" is a lane of type summarize. */
static size_t type_len(struct exposition_text lane)
{
	for (size_t i = 0; i + 1 < lane.len; i++) {
		if (lane.at[i] == '-' && lane.at[i + 1] == '-')
			return i;
	}
	return lane.len;
}

static struct times *times_of(struct times **all, const struct exposition_sample *s)
{
	struct exposition_text lane;
	struct times *t;

	if (!exposition_label(s->labels, "lane", &lane))
		return NULL;

	CLEANUP(free_ptr) char *type = xmemdup0(lane.at, type_len(lane));
	CLEANUP(free_ptr) char *key = xasprintf("%s %s %s", s->component, s->instance, type);
	HASH_FIND_STR(*all, key, t);
	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->key = TAKE(key);
	t->type = TAKE(type);
	t->component = s->component;
	t->instance = s->instance;
	HASH_ADD_KEYPTR(hh, *all, t->key, strlen(t->key), t);
	return t;
}

static void on_time(void *data, const struct exposition_sample *s)
{
	struct times *t = times_of(data, s);
	struct exposition_text le;
	size_t i = 0;

	if (!t)
		return;
	if (str_eq(s->suffix, "_sum"))
		t->sum_ms += s->value * 1000;
	if (str_eq(s->suffix, "_count"))
		t->count += s->value;
	if (!str_eq(s->suffix, "_bucket") || !exposition_label(s->labels, "le", &le))
		return;

	double le_ms = strtod(le.at, NULL) * 1000; /* ends at the quote */
	while (i < t->n && t->le_ms[i] < le_ms)
		i++;
	if (i == t->n && t->n < BOUNDS_MAX) /* a node's histograms all have the same bounds, in order */
		t->le_ms[t->n++] = le_ms;
	if (i < t->n && !(t->le_ms[i] > le_ms))
		t->counts[i] += s->value;
}

static void render_times(const struct exposition *x, struct buf *out)
{
	static const char name[] = "task_execution_time_ms";
	struct times *all = NULL, *t, *next;

	exposition_each(x, "millrace_node_task_seconds", on_time, &all);
	if (all)
		add_head(out, name, "histogram", "Time in the handler in milliseconds, by type.");
	HASH_ITER (hh, all, t, next) {
		for (size_t i = 0; i < t->n; i++) {
			buf_printf(out, "%s_bucket{component=\"%s\",instance=\"%s\",type=\"%s\",le=\"", name,
					   t->component, t->instance, t->type);
			add_number(out, t->le_ms[i]);
			buf_add_str(out, "\"} ");
			add_number(out, t->counts[i]);
			buf_add_str(out, "\n");
		}
		buf_printf(out, "%s_sum{component=\"%s\",instance=\"%s\",type=\"%s\"} ", name, t->component,
				   t->instance, t->type);
		add_number(out, t->sum_ms);
		buf_printf(out, "\n%s_count{component=\"%s\",instance=\"%s\",type=\"%s\"} ", name,
				   t->component, t->instance, t->type);
		add_number(out, t->count);
		buf_add_str(out, "\n");
		HASH_DEL(all, t);
		free(t->key);
		free(t->type);
		free(t);
	}
}

/* ---- by type, of what the broker and the nodes' bucket say ---- */

struct by_type {
	char *type;
	double queued, running;
	bool has_lane, served;
	unsigned nodes;
	UT_hash_handle hh;
};

static struct by_type *type_of(struct by_type **all, const char *type)
{
	struct by_type *t;

	HASH_FIND_STR(*all, type, t);
	if (t)
		return t;
	t = xcalloc(1, sizeof(*t));
	t->type = xstrdup(type);
	HASH_ADD_KEYPTR(hh, *all, t->type, strlen(t->type), t);
	return t;
}

static bool plain(const char *type)
{
	return type && *type && !strpbrk(type, "\"\\\n");
}

static void take_lanes(struct by_type **all, const json_t *lanes)
{
	size_t i;
	json_t *lane;

	json_array_foreach (json_object_get(lanes, "lanes"), i, lane) {
		const char *type = json_string_value(json_object_get(lane, "type"));
		struct by_type *t = plain(type) ? type_of(all, type) : NULL;

		if (!t)
			continue;
		t->has_lane = true;
		t->queued += json_number_value(json_object_get(lane, "queued"));
		t->running += json_number_value(json_object_get(lane, "running"));
		t->served |= json_integer_value(json_object_get(lane, "nodes")) > 0;
	}
}

static void take_nodes(struct by_type **all, const json_t *nodes)
{
	size_t i, k;
	json_t *node, *name;

	json_array_foreach (json_object_get(nodes, "nodes"), i, node) {
		const char *state = json_string_value(json_object_get(node, "state"));

		json_array_foreach (json_object_get(node, "types"), k, name) {
			const char *type = json_string_value(name);
			struct by_type *t = plain(type) ? type_of(all, type) : NULL;
			bool ready = state && str_eq(state, "ready");

			if (!t)
				continue;
			t->nodes += ready;
			t->served |= ready;
		}
	}
}

static void render_gauge(struct buf *out, const struct by_type *all, const char *name,
						 const char *help, double (*value)(const struct by_type *t))
{
	bool begun = false;

	for (const struct by_type *t = all; t; t = t->hh.next) {
		double v = value(t);

		if (isnan(v))
			continue;
		if (!begun)
			add_head(out, name, "gauge", help);
		begun = true;
		buf_printf(out, "%s{type=\"%s\"} ", name, t->type);
		add_number(out, v);
		buf_add_str(out, "\n");
	}
}

static double queued(const struct by_type *t)
{
	return t->has_lane ? t->queued : (double)NAN;
}

static double running(const struct by_type *t)
{
	return t->has_lane ? t->running : (double)NAN;
}

static double healthy(const struct by_type *t)
{
	return t->served;
}

static double ready_nodes(const struct by_type *t)
{
	return t->nodes;
}

void derived_render(const struct exposition *x, const json_t *lanes, const json_t *nodes,
					struct buf *out)
{
	struct by_type *all = NULL, *t, *next;

	render_counters(x, out);
	render_times(x, out);
	take_lanes(&all, lanes);
	take_nodes(&all, nodes);
	if (lanes) {
		render_gauge(out, all, "queue_depth", "Tasks that wait on the lanes of a type.", queued);
		render_gauge(out, all, "millrace_type_running_tasks",
					 "Tasks of a type that a node has and has not settled.", running);
	}
	if (lanes && nodes) {
		render_gauge(out, all, "agent_healthy",
					 "1 where a ready node serves the type (on one of its lanes at least), else 0.",
					 healthy);
		render_gauge(out, all, "millrace_type_nodes", "Ready nodes that name the type.",
					 ready_nodes);
	}
	HASH_ITER (hh, all, t, next) {
		HASH_DEL(all, t);
		free(t->type);
		free(t);
	}
}
