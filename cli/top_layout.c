/*
 * The dashboard's page. It stands alone because it is pure: the snapshot and
 * what the user chose in, lines out, tested without a terminal. Figures flow:
 * as many on a line as its width allows. Then problems, then the tables; each
 * gets its share of the height, the one that was chosen all that is left.
 */
#include "cli/top_layout.h"

#include <math.h>

#include "cli/cell.h"
#include "cli/table.h"
#include "cli/top_table.h"
#include "common/clock.h"

#define BOLD "\x1b[1m"
#define DIM "\x1b[2m"
#define RED "\x1b[31m"
#define YELLOW "\x1b[33m"
#define GREEN "\x1b[32m"
#define REVERSE "\x1b[7m"
#define PLAIN "\x1b[0m"
#define TABLE_LEAST 4 /* lines of the chosen table, its head included */

static const struct {
	const char *name;
	enum top_table table;
} views[TOP_VIEWS] = {
	[TOP_LANES] = {"lanes", TOP_TABLE_LANES},
	[TOP_NODES] = {"nodes", TOP_TABLE_NODES},
	[TOP_DEAD_LETTERS] = {"dead", TOP_TABLE_DEAD},
};

bool top_view_parse(const char *name, enum top_view *ret)
{
	for (size_t i = 0; i < TOP_VIEWS; i++) {
		if (!str_eq(name, views[i].name))
			continue;
		*ret = (enum top_view)i;
		return true;
	}
	return false;
}

void top_sort_next(struct top_ui *ui)
{
	ui->sort[ui->view] = (ui->sort[ui->view] + 1) % top_columns(views[ui->view].table);
	ui->scroll = 0;
}

bool top_sort_by(struct top_ui *ui, const char *key)
{
	for (size_t i = 0; i < top_columns(views[ui->view].table); i++) {
		if (!str_eq(top_column_key(views[ui->view].table, i), key))
			continue;
		ui->sort[ui->view] = i;
		return true;
	}
	return false;
}

void top_sort_keys(enum top_view view, struct buf *out)
{
	for (size_t i = 0; i < top_columns(views[view].table); i++)
		buf_printf(out, "%s%s", i ? ", " : "", top_column_key(views[view].table, i));
}

/* ---- lines ---- */

struct page {
	struct top_ui *ui;
	struct buf *out;
	int64_t now_ns;
	size_t lines;
	struct buf line; /* the one that flows */
};

static const char *paint(const struct page *p, const char *sequence)
{
	return p->ui->color ? sequence : "";
}

/* Lines that may still come; SIZE_MAX without a height. */
static size_t room(const struct page *p)
{
	return p->ui->height == 0 ? SIZE_MAX : p->ui->height > p->lines ? p->ui->height - p->lines : 0;
}

static void add_line(struct page *p, const char *text, size_t len)
{
	if (room(p) == 0)
		return;
	top_fit(p->out, text, len, p->ui->width);
	buf_add_str(p->out, "\n");
	p->lines++;
}

static void end_flow(struct page *p)
{
	if (p->line.len)
		add_line(p, p->line.data, p->line.len);
	buf_release(&p->line);
	p->line = (struct buf){0};
}

/* A figure: on this line where it fits, else on the next. */
static void flow(struct page *p, const char *fmt, ...) PRINTF_LIKE(2, 3);

static void flow(struct page *p, const char *fmt, ...)
{
	char *text;
	va_list ap;

	va_start(ap, fmt);
	if (vasprintf(&text, fmt, ap) < 0)
		abort();
	va_end(ap);
	if (p->line.len && p->ui->width &&
		top_seen(p->line.data, p->line.len) + 3 + top_seen(text, strlen(text)) > p->ui->width)
		end_flow(p);
	if (p->line.len)
		buf_add_str(&p->line, "   ");
	buf_add_str(&p->line, text);
	free(text);
}

/* ---- figures ---- */

static const json_t *at(const json_t *o, const char *a, const char *b)
{
	return json_object_get(json_object_get(o, a), b);
}

/* "1,234", "0.5", "-" where it is not known. */
static void figure(const json_t *v, char ret[32])
{
	double n = json_number_value(v);
	char digits[32];
	size_t len, k = 0;

	if (!json_is_number(v)) {
		snprintf(ret, 32, "-");
		return;
	}
	if (n != floor(n) && fabs(n) < 100) {
		snprintf(ret, 32, "%.1f", n);
		return;
	}
	len = (size_t)snprintf(digits, sizeof(digits), "%.0f", n);
	for (size_t i = 0; i < len && k < 30; i++) {
		if (i && (len - i) % 3 == 0 && digits[i - 1] != '-')
			ret[k++] = ',';
		ret[k++] = digits[i];
	}
	ret[k] = '\0';
}

static void flow_figures(struct page *p, const json_t *of, const char *const *keys, size_t n,
						 const char *unit)
{
	for (size_t i = 0; i < n; i++) {
		const json_t *v = json_object_get(of, keys[i]);
		bool bad =
			(str_eq(keys[i], "dead") || str_eq(keys[i], "failed")) && json_number_value(v) > 0;
		char text[32];

		figure(v, text);
		flow(p, "%s %s%s%s%s", keys[i], paint(p, bad ? RED : BOLD), text, paint(p, PLAIN), unit);
	}
}

static void flow_percentiles(struct page *p, const char *name, const json_t *of)
{
	static const char *const keys[] = {"p50_ms", "p95_ms", "p99_ms"};
	CLEANUP(buf_release) struct buf text = {0};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		const json_t *v = json_object_get(of, keys[i]);

		buf_printf(&text, " %.3s %s", keys[i], paint(p, BOLD));
		if (json_is_number(v))
			cell_add(&text, v, CELL_DURATION_MS, true, 0);
		else
			buf_add_str(&text, "-");
		buf_add_str(&text, paint(p, PLAIN));
	}
	flow(p, "%s%s", name, text.data);
}

static void add_components(struct page *p, const json_t *components)
{
	CLEANUP(buf_release) struct buf text = {0};
	const char *name;
	json_t *n;

	json_object_foreach ((json_t *)(uintptr_t)components, name, n) {
		if (json_integer_value(n))
			buf_printf(&text, " %s %lld", name, (long long)json_integer_value(n));
	}
	if (text.len)
		flow(p, "up:%s", text.data);
}

static void add_figures(struct page *p, const json_t *s)
{
	static const char *const rates[] = {"submitted", "started", "completed",
										"failed",    "retried", "dead"};
	static const char *const depths[] = {"scheduled", "queued", "running", "dead"};
	const json_t *o = json_object_get(s, "overview"), *nodes = json_object_get(o, "nodes");
	const json_t *compliance = at(o, "sla", "compliance");

	flow_figures(p, json_object_get(o, "rates"), rates, ARRAY_LEN(rates), "/s");
	end_flow(p);
	flow_figures(p, json_object_get(o, "depths"), depths, ARRAY_LEN(depths), "");
	if (json_is_object(nodes))
		flow(p, "nodes %s%lld%s ready%s slots %s%lld of %lld%s", paint(p, BOLD),
			 (long long)json_integer_value(json_object_get(nodes, "ready")), paint(p, PLAIN),
			 json_integer_value(json_object_get(nodes, "draining")) ? " (others drain)" : "",
			 paint(p, BOLD), (long long)json_integer_value(json_object_get(nodes, "used")),
			 (long long)json_integer_value(json_object_get(nodes, "slots")), paint(p, PLAIN));
	end_flow(p);
	flow_percentiles(p, "wait", json_object_get(o, "wait"));
	flow_percentiles(p, "run", json_object_get(o, "run"));
	if (json_is_number(compliance))
		flow(p, "%.2f%% wait less than %lld ms", 100 * json_number_value(compliance),
			 (long long)json_integer_value(at(o, "sla", "target_ms")));
	add_components(p, json_object_get(s, "components"));
	end_flow(p);
}

/* ---- problems ---- */

static void add_problem(struct page *p, const json_t *problem)
{
	const char *level = json_string_value(json_object_get(problem, "level"));
	const char *what = json_string_value(json_object_get(problem, "what"));
	const char *remedy = json_string_value(json_object_get(problem, "remedy"));
	bool critical = level && str_eq(level, "critical");
	CLEANUP(buf_release) struct buf line = {0};

	buf_printf(&line, "%s%s%s ", paint(p, critical ? RED : YELLOW), level ? level : "",
			   paint(p, PLAIN));
	text_add_safe(&line, what ? what : "", what ? strlen(what) : 0);
	if (remedy && *remedy) {
		buf_printf(&line, "%s -> ", paint(p, DIM));
		text_add_safe(&line, remedy, strlen(remedy));
		buf_add_str(&line, paint(p, PLAIN));
	}
	add_line(p, line.data, line.len);
}

static void add_problems(struct page *p, const json_t *problems)
{
	size_t n = json_array_size(problems), most = n;

	if (p->ui->height)
		most = MIN_OF(n, MAX_OF(room(p) / 4, (size_t)1));
	for (size_t i = 0; i < most; i++) {
		if (i + 1 == most && most < n) {
			CLEANUP(free_ptr)
			char *more = xasprintf("and %zu problems more: millrace doctor", n - i);
			add_line(p, more, strlen(more));
		} else {
			add_problem(p, json_array_get(problems, i));
		}
	}
}

/* ---- tables ---- */

/* rows: at most so many lines; 0: any. */
static void add_table(struct page *p, enum top_table which, const json_t *list, size_t lines,
					  struct top_order order, size_t *io_skip)
{
	CLEANUP(buf_release) struct buf text = {0};
	size_t skip = io_skip ? *io_skip : 0;

	if (p->ui->height && lines < 2)
		return;
	p->lines += top_table(which, list, order, &skip, p->ui->height ? lines - 1 : 0, p->ui->width,
						  p->ui->color, p->now_ns, &text);
	buf_add(p->out, text.data, text.len);
	if (io_skip)
		*io_skip = skip;
}

static void add_gap(struct page *p)
{
	add_line(p, "", 0);
}

static struct top_order order_of(const struct top_ui *ui, enum top_view view)
{
	return (struct top_order){.column = ui->sort[view], .reverse = ui->reverse[view]};
}

static const json_t *list_of(const json_t *s, enum top_view view)
{
	return json_object_get(s, views[view].name);
}

/* One below the other, as long as they are. */
static void add_all_tables(struct page *p, const json_t *s)
{
	const struct top_order as_told = {.as_told = true};
	size_t none = 0;

	for (size_t v = 0; v < TOP_VIEWS; v++) {
		if (v == TOP_DEAD_LETTERS && !json_is_array(list_of(s, TOP_DEAD_LETTERS)))
			continue; /* not asked for */
		add_gap(p);
		add_table(p, views[v].table, list_of(s, (enum top_view)v), 0,
				  order_of(p->ui, (enum top_view)v), &none);
	}
	add_gap(p);
	add_table(p, TOP_TABLE_POOLS, json_object_get(s, "pools"), 0, as_told, NULL);
	add_gap(p);
	add_table(p, TOP_TABLE_DECISIONS, json_object_get(s, "decisions"), 0, as_told, NULL);
}

/* A part of what is left; nothing where the chosen table would become too small. */
static size_t share(const struct page *p, size_t wanted, size_t of)
{
	size_t left = room(p);
	size_t part = MIN_OF(wanted, left / of);

	return part >= 2 && left >= part + TABLE_LEAST + 3 ? part : 0;
}

static void add_tables(struct page *p, const json_t *s)
{
	const struct top_order as_told = {.as_told = true};
	const json_t *pools = json_object_get(s, "pools"), *decisions = json_object_get(s, "decisions");
	size_t n = share(p, json_array_size(pools) + 1, 4), last;

	if (n) {
		add_gap(p);
		add_table(p, TOP_TABLE_POOLS, pools, n, as_told, NULL);
	}
	last = share(p, json_array_size(decisions) + 1, 4);
	add_gap(p);
	/* The keys' line is the last one, and a gap stands above decisions. */
	size_t kept = 1 + (last ? last + 1 : 0);
	size_t lines = room(p) > kept ? room(p) - kept : 0;
	add_table(p, views[p->ui->view].table, list_of(s, p->ui->view), lines,
			  order_of(p->ui, p->ui->view), &p->ui->scroll);
	if (last) {
		while (room(p) > last + 2)
			add_gap(p);
		add_gap(p);
		add_table(p, TOP_TABLE_DECISIONS, decisions, last, as_told, NULL);
	}
}

/* ---- the whole ---- */

static void add_title(struct page *p, const json_t *s)
{
	const char *when = json_string_value(json_object_get(s, "at"));
	char every[32];
	CLEANUP(buf_release) struct buf line = {0};

	buf_printf(&line, "millrace top  %s", p->ui->url);
	if (when)
		buf_printf(&line, "  %.*sZ", 19, when);
	if (p->ui->interval_ms) {
		duration_format(p->ui->interval_ms * NS_PER_MS, every);
		buf_printf(&line, "  every %s", every);
	}
	if (!p->ui->color || p->ui->height == 0) {
		add_line(p, line.data, line.len);
		return;
	}
	CLEANUP(buf_release) struct buf bar = {0};
	size_t seen = top_seen(line.data, line.len);

	buf_printf(&bar, REVERSE "%s%*s" PLAIN, line.data,
			   p->ui->width > seen ? (int)(p->ui->width - seen) : 0, "");
	add_line(p, bar.data, bar.len);
}

static void add_help(struct page *p)
{
	static const char *const lines[] = {
		"l lanes    n nodes    d dead letters, by what failed",
		"s sort by the next column    r the other way round",
		"up, down, page up, page down, home, end: the table's other rows",
		"space: now    ctrl-l: draw all anew    ?: back    q: leave",
		"",
		"Rates are of the last interval, percentiles of the last ten seconds: wait is from a "
		"task's",
		"arrival on its lane to its start, run is the time in the handler.",
	};

	add_gap(p);
	for (size_t i = 0; i < ARRAY_LEN(lines) && room(p) > 1; i++)
		add_line(p, lines[i], strlen(lines[i]));
}

static void add_keys(struct page *p)
{
	static const char *const words[TOP_VIEWS] = {"l lanes", "n nodes", "d dead"};

	while (room(p) > 1)
		add_gap(p);
	for (size_t i = 0; i < TOP_VIEWS; i++) {
		bool chosen = !p->ui->help && p->ui->view == (enum top_view)i;
		flow(p, "%s%s%s", paint(p, chosen ? BOLD : DIM), words[i], paint(p, PLAIN));
	}
	flow(p, "%ss sort   r reverse   ? help   q quit%s", paint(p, DIM), paint(p, PLAIN));
	/* One line, whatever it holds. */
	end_flow(p);
}

void top_layout(const json_t *snapshot, struct top_ui *ui, int64_t now_wall_ns, struct buf *out)
{
	struct page p = {.ui = ui, .out = out, .now_ns = now_wall_ns};

	add_title(&p, snapshot);
	if (ui->wanting) {
		static const char words[] = "asking the components ...";
		add_line(&p, words, sizeof(words) - 1);
	} else {
		add_figures(&p, snapshot);
		add_problems(&p, at(snapshot, "health", "problems"));
		if (ui->height == 0)
			add_all_tables(&p, snapshot);
		else if (ui->help)
			add_help(&p);
		else
			add_tables(&p, snapshot);
	}
	if (ui->height)
		add_keys(&p);
	buf_release(&p.line);
}
