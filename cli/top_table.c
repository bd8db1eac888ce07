/*
 * The tables of `top`. It stands alone because the same three decisions are
 * made for each: the order of its rows, which of them are seen, and how many
 * of its columns the width allows (the ones on the left matter most).
 */
#include "cli/top_table.h"

#include "cli/cell.h"
#include "cli/table.h"

#define ERROR_CHARS 48
#define COLUMNS_MAX 12

enum kind { TEXT, COUNT, SOME /* as COUNT, and nothing where it is 0 */, REAL, SECONDS, BYTES, AGE, STATE, WORDS };
struct column {
	const char *title, *key;
	enum kind kind;
};

static const struct column lanes[] = {
	{"LANE", "name", TEXT},    {"QUEUED", "queued", COUNT}, {"RUNNING", "running", COUNT},
	{"NODES", "nodes", COUNT}, {"PAUSED", "paused", TEXT},  {"SCHEDULED", "scheduled", COUNT},
	{"HIGH", "high", COUNT},   {"NORMAL", "normal", COUNT}, {"LOW", "low", COUNT},
	{"BYTES", "bytes", BYTES},
};
static const struct column nodes[] = {
	{"NODE", "name", TEXT},
	{"STATE", "state", STATE},
	{"USED", "used", COUNT},
	{"SLOTS", "slots", COUNT},
	{"POOL", "pool", TEXT},
	{"CPU %", "cpu_percent", REAL},
	{"MEM %", "memory_percent", REAL},
	{"DONE", "completed", COUNT},
	{"FAILED", "failed", COUNT},
	{"SEEN", "heartbeat_age_s", SECONDS},
	{"HOST", "host", TEXT},
	{"CAPABILITIES", "capabilities", WORDS},
};
static const struct column dead[] = {
	{"COUNT", "count", COUNT}, {"TYPE", "type", TEXT},    {"REASON", "reason", TEXT},
	{"LAST", "last_at", AGE},  {"ERROR", "error", WORDS}, {"FINGERPRINT", "fingerprint", TEXT},
};
static const struct column pools[] = {
	{"POOL", "pool_name", TEXT},      {"NODES", "process_count", COUNT},
	{"TARGET", "target", COUNT},      {"MAX", "max", COUNT},
	{"USED", "used_capacity", COUNT}, {"OF", "total_capacity", COUNT},
	{"WAITING", "waiting", COUNT},    {"OLDEST", "oldest_s", SECONDS},
	{"WAIT", "wait_s", SECONDS},      {"PROMISE", "promise_s", SECONDS},
	{"REASON", "reason", WORDS},
};
static const struct column decisions[] = {
	{"DECIDED", "at", AGE}, {"POOL", "pool", TEXT}, {"ACTION", "action", TEXT},
	{"NODE", "node", TEXT}, {"TO", "to", SOME},    {"REASON", "reason", WORDS},
};

static const struct {
	const struct column *columns;
	size_t n;
	const char *unknown;
} tables[] = {
	[TOP_TABLE_LANES] = {lanes, ARRAY_LEN(lanes), "lanes: no router tells them"},
	[TOP_TABLE_NODES] = {nodes, ARRAY_LEN(nodes), "nodes: no router tells them"},
	[TOP_TABLE_DEAD] = {dead, ARRAY_LEN(dead), "dead letters: no router tells them (yet)"},
	[TOP_TABLE_POOLS] = {pools, ARRAY_LEN(pools), "pools: no scaler leads"},
	[TOP_TABLE_DECISIONS] = {decisions, ARRAY_LEN(decisions), "decisions: no store tells them"},
};

size_t top_columns(enum top_table which)
{
	return tables[which].n;
}

const char *top_column_key(enum top_table which, size_t column)
{
	return tables[which].columns[column].key;
}

/* ---- order ---- */

struct row {
	const json_t *row;
	size_t at;
};
struct sorting {
	const struct column *by;
	const char *name_key;
	bool reverse;
};

static int compare_values(const json_t *a, const json_t *b)
{
	if (json_is_string(a) || json_is_string(b)) {
		const char *x = json_string_value(a), *y = json_string_value(b);
		return strcmp(x ? x : "", y ? y : "");
	}
	double x = json_is_true(a) ? 1 : json_number_value(a);
	double y = json_is_true(b) ? 1 : json_number_value(b);

	return (x < y) - (x > y);
}

static int compare(const void *a, const void *b, void *data)
{
	const struct row *x = a, *y = b;
	const struct sorting *s = data;
	int rc =
		compare_values(json_object_get(x->row, s->by->key), json_object_get(y->row, s->by->key));

	/* The newest is first, as with numbers. */
	rc = s->by->kind == AGE ? -rc : rc;
	rc = s->reverse ? -rc : rc;
	if (!rc)
		rc = compare_values(json_object_get(x->row, s->name_key),
							json_object_get(y->row, s->name_key));
	return rc ? rc : (x->at > y->at) - (x->at < y->at);
}

static struct row *sorted(enum top_table which, const json_t *list, struct top_order order)
{
	size_t n = json_array_size(list);
	struct row *rows = xcalloc(n + 1, sizeof(*rows));
	struct sorting s = {.by = &tables[which].columns[order.column],
						.name_key = tables[which].columns[0].key,
						.reverse = order.reverse};

	for (size_t i = 0; i < n; i++)
		rows[i] = (struct row){json_array_get(list, i), i};
	if (!order.as_told)
		qsort_r(rows, n, sizeof(*rows), compare, &s);
	return rows;
}

/* ---- cells ---- */

static void add_count(struct buf *out, const json_t *v)
{
	char digits[32];
	size_t n;

	if (!json_is_number(v)) {
		buf_add_str(out, json_is_null(v) ? "?" : "0"); /* zeros are left out of records */
		return;
	}
	n = (size_t)snprintf(digits, sizeof(digits), "%lld", (long long)json_number_value(v));
	for (size_t i = 0; i < n; i++) {
		if (i && (n - i) % 3 == 0 && digits[i - 1] != '-')
			buf_add_str(out, ",");
		buf_add(out, digits + i, 1);
	}
}

static void add_cell(struct buf *out, const json_t *v, enum kind kind, int64_t now_ns)
{
	json_t *ms;

	switch (kind) {
	case SOME:
		if (json_number_value(v) == 0)
			return;
		add_count(out, v);
		return;
	case COUNT:
		add_count(out, v);
		return;
	case REAL:
		buf_printf(out, "%.1f", json_number_value(v));
		return;
	case SECONDS:
		ms = json_real(json_number_value(v) * 1000);
		if (json_number_value(v) > 0)
			cell_add(out, ms, CELL_DURATION_MS, true, now_ns);
		json_decref(ms);
		return;
	case BYTES:
		cell_add(out, v, CELL_BYTES, true, now_ns);
		return;
	case AGE:
		cell_add(out, v, CELL_AGE, true, now_ns);
		return;
	case TEXT:
	case STATE:
	case WORDS:
		if (json_is_false(v))
			return;
		cell_add(out, v, CELL_TEXT, true, now_ns);
		return;
	}
}

static bool right_aligned(enum kind kind)
{
	return kind == COUNT || kind == SOME || kind == REAL || kind == SECONDS || kind == BYTES;
}

/* With n columns. */
static void render(enum top_table which, const struct row *rows, size_t nrows,
				   struct top_order order, size_t n, bool color, int64_t now_ns, struct buf *out)
{
	struct table_column heads[COLUMNS_MAX];
	struct table t = {.columns = heads, .ncolumns = n};
	char mark[40];

	for (size_t i = 0; i < n; i++) {
		const struct column *c = &tables[which].columns[i];
		bool down = (c->kind != TEXT && c->kind != STATE && c->kind != WORDS) != order.reverse;

		heads[i] = (struct table_column){.title = c->title, .right = right_aligned(c->kind)};
		if (!order.as_told && i == order.column) {
			snprintf(mark, sizeof(mark), "%s%s", c->title, down ? "\xe2\x96\xbe" : "\xe2\x96\xb4");
			heads[i].title = mark;
		}
		/* The last one has whatever the line has left. */
		if (c->kind == WORDS && i + 1 < n)
			heads[i].max_chars = ERROR_CHARS;
	}
	for (size_t r = 0; r < nrows; r++) {
		for (size_t i = 0; i < n; i++) {
			const struct column *c = &tables[which].columns[i];
			CLEANUP(buf_release) struct buf cell = {0};

			add_cell(&cell, json_object_get(rows[r].row, c->key), c->kind, now_ns);
			table_add(&t, cell.data ? cell.data : "",
					  color && c->kind == STATE && cell.data ? cell_paint(cell.data) : NULL);
		}
	}
	table_render(&t, TABLE_ALIGNED, out);
	table_release(&t);
}

static size_t widest(const struct buf *text)
{
	size_t most = 0;

	for (const char *p = text->data, *end = p + text->len; p && p < end;) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));
		size_t seen = top_seen(p, (size_t)(stop - p));

		most = MAX_OF(most, seen);
		p = stop + 1;
	}
	return most;
}

/* Words at the right end may be cut: a beginning of them is worth its room. */
static bool fits(enum top_table which, size_t n, const struct buf *text, unsigned width,
				 size_t without_last)
{
	if (width == 0 || n == 1 || widest(text) <= width)
		return true;
	return tables[which].columns[n - 1].kind == WORDS && without_last + 16 <= width;
}

size_t top_table(enum top_table which, const json_t *list, struct top_order order, size_t *io_skip,
				 size_t rows, unsigned width, bool color, int64_t now_wall_ns, struct buf *out)
{
	size_t total = json_array_size(list), shown = rows ? MIN_OF(rows, total) : total;
	CLEANUP(buf_release) struct buf text = {0};
	struct row *all;
	size_t lines = 0;

	if (!json_is_array(list)) {
		top_fit(out, tables[which].unknown, strlen(tables[which].unknown), width);
		buf_add_str(out, "\n");
		return 1;
	}
	*io_skip = MIN_OF(*io_skip, total - shown);
	all = sorted(which, list, order);
	for (size_t n = tables[which].n; n >= 1; n--) {
		struct buf narrower = {0};
		bool enough;

		buf_release(&text);
		text = (struct buf){0};
		render(which, all + *io_skip, shown, order, n, color, now_wall_ns, &text);
		if (n > 1 && width && widest(&text) > width)
			render(which, all + *io_skip, shown, order, n - 1, false, now_wall_ns, &narrower);
		enough = fits(which, n, &text, width, widest(&narrower));
		buf_release(&narrower);
		if (enough)
			break;
	}
	free(all);
	for (const char *p = text.data, *end = p + text.len; p < end; lines++) {
		const char *stop = memchr(p, '\n', (size_t)(end - p));

		if (lines == 0 && color)
			buf_add_str(out, "\x1b[1m");
		top_fit(out, p, (size_t)(stop - p), width);
		buf_add_str(out, lines == 0 && color ? "\x1b[0m\n" : "\n");
		p = stop + 1;
	}
	return lines;
}
