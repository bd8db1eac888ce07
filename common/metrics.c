/*
 * The numbers of one process and their text. It stands alone so that any
 * file can count without knowing who asks. A family is a name with its
 * series, found by their labels; both live until the process ends, so a
 * caller looks a series up once and keeps it. Label sets beyond the limit
 * fall together into one whose every value is "other".
 */
#include "common/metrics.h"

#include <assert.h>
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include <uthash.h>

enum { SERIES_MAX = 2000 };

static const double bounds[] = {
	1e-4, 2.5e-4, 5e-4, 1e-3, 2.5e-3, 5e-3, 0.01, 0.025, 0.05, 0.1, 0.25,
	0.5,  1,      2.5,  5,    10,     25,   50,   100,   250,  500, 1000,
};

enum kind { COUNTER, GAUGE, HISTOGRAM };

struct family;

struct metric {
	const struct family *family;
	char *labels;      /* "" for none; the key of the family's table */
	double value;      /* a histogram's sum */
	uint64_t *buckets; /* of a histogram, the last for what is beyond the bounds; not cumulative */
	UT_hash_handle hh;
};

struct family {
	char *name;
	char *help;
	enum kind kind;
	struct metric *series;
	UT_hash_handle hh;
};

static struct family *families; /* uthash keeps the order in which they came */

static struct family *family_of(const char *name, const char *help, enum kind kind)
{
	struct family *f;
	HASH_FIND_STR(families, name, f);
	if (!f) {
		f = xcalloc(1, sizeof(*f));
		f->name = xstrdup(name);
		f->help = xstrdup(help);
		f->kind = kind;
		HASH_ADD_KEYPTR(hh, families, f->name, strlen(f->name), f);
	}
	assert(f->kind == kind);
	return f;
}

/* The labels with every value replaced. Values may hold escaped quotes. */
static char *other_labels(const char *labels)
{
	struct buf out = {0};
	bool inside = false;
	for (const char *p = labels; *p; p++) {
		if (*p == '"') {
			inside = !inside;
			buf_add_str(&out, inside ? "\"other" : "\"");
		} else if (inside && *p == '\\' && p[1]) {
			p++;
		} else if (!inside) {
			buf_add(&out, p, 1);
		}
	}
	return buf_take(&out);
}

static struct metric *find_or_add(struct family *f, const char *labels)
{
	struct metric *m;
	HASH_FIND_STR(f->series, labels, m);
	if (m)
		return m;
	m = xcalloc(1, sizeof(*m));
	m->family = f;
	m->labels = xstrdup(labels);
	if (f->kind == HISTOGRAM)
		m->buckets = xcalloc(ARRAY_LEN(bounds) + 1, sizeof(*m->buckets));
	HASH_ADD_KEYPTR(hh, f->series, m->labels, strlen(m->labels), m);
	return m;
}

static struct metric *series_of(const char *name, const char *help, const char *labels,
								enum kind kind)
{
	struct family *f = family_of(name, help, kind);
	struct metric *m;
	labels = labels ? labels : "";
	HASH_FIND_STR(f->series, labels, m);
	if (m)
		return m;
	if (HASH_COUNT(f->series) < SERIES_MAX)
		return find_or_add(f, labels);
	CLEANUP(free_ptr) char *other = other_labels(labels);
	return find_or_add(f, other);
}

struct metric *metric_counter(const char *name, const char *help, const char *labels)
{
	return series_of(name, help, labels, COUNTER);
}

struct metric *metric_gauge(const char *name, const char *help, const char *labels)
{
	return series_of(name, help, labels, GAUGE);
}

struct metric *metric_histogram(const char *name, const char *help, const char *labels)
{
	return series_of(name, help, labels, HISTOGRAM);
}

/* ---- by one label ---- */

struct known {
	char *value;
	struct metric *metric;
	UT_hash_handle hh;
};

struct metric_by {
	const char *name, *help, *label;
	struct known *known;
	struct metric *other; /* of what is beyond the limit */
	UT_hash_handle hh;
};

static struct metric_by *all_by;

static struct metric *named(const struct metric_by *by, const char *value)
{
	CLEANUP(free_ptr) char *labels = xasprintf("%s=\"%s\"", by->label, value);

	return metric_counter(by->name, by->help, labels);
}

struct metric_by *metric_counter_by(const char *name, const char *help, const char *label)
{
	struct metric_by *by;

	HASH_FIND_STR(all_by, name, by);
	if (by)
		return by;
	by = xcalloc(1, sizeof(*by));
	*by = (struct metric_by){.name = name, .help = help, .label = label};
	HASH_ADD_KEYPTR(hh, all_by, by->name, strlen(by->name), by);
	return by;
}

struct metric *metric_of(struct metric_by *by, const char *value)
{
	struct known *k;

	HASH_FIND_STR(by->known, value, k);
	if (k)
		return k->metric;
	if (HASH_COUNT(by->known) >= SERIES_MAX) {
		if (!by->other)
			by->other = named(by, "other");
		return by->other;
	}
	k = xcalloc(1, sizeof(*k));
	k->value = xstrdup(value);
	k->metric = named(by, value);
	HASH_ADD_KEYPTR(hh, by->known, k->value, strlen(k->value), k);
	return k->metric;
}

void metric_add(struct metric *m, double v)
{
	if (m->family->kind == GAUGE || v > 0)
		m->value += v;
}

void metric_set(struct metric *m, double v)
{
	m->value = v;
}

void metric_observe(struct metric *m, double seconds)
{
	assert(m->buckets);
	if (isnan(seconds))
		return;
	size_t low = 0, high = ARRAY_LEN(bounds); /* the first bound that is not below it */
	while (low < high) {
		size_t middle = (low + high) / 2;
		if (bounds[middle] < seconds)
			low = middle + 1;
		else
			high = middle;
	}
	m->buckets[low]++;
	m->value += seconds;
}

static uint64_t observed(const struct metric *m)
{
	uint64_t n = 0;
	for (size_t i = 0; i <= ARRAY_LEN(bounds); i++)
		n += m->buckets[i];
	return n;
}

double metric_value(const struct metric *m)
{
	return m->buckets ? (double)observed(m) : m->value;
}

/* ---- text ---- */

/* The shortest text that reads back as v. */
static void add_number(struct buf *out, double v)
{
	if (isnan(v) || isinf(v)) {
		buf_add_str(out, isnan(v) ? "NaN" : v > 0 ? "+Inf" : "-Inf");
		return;
	}
	char text[32];
	for (int digits = 15; digits <= 17; digits++) {
		snprintf(text, sizeof(text), "%.*g", digits, v);
		if (strtod(text, NULL) == v)
			break;
	}
	buf_add_str(out, text);
}

static void add_sample(struct buf *out, const char *name, const char *suffix, const char *labels,
					   double v)
{
	buf_printf(out, "%s%s%s%s%s ", name, suffix, *labels ? "{" : "", labels, *labels ? "}" : "");
	add_number(out, v);
	buf_add(out, "\n", 1);
}

static void add_histogram(struct buf *out, const struct metric *m)
{
	const char *name = m->family->name;
	uint64_t n = 0;
	for (size_t i = 0; i <= ARRAY_LEN(bounds); i++) {
		n += m->buckets[i];
		buf_printf(out, "%s_bucket{%s%sle=\"", name, m->labels, *m->labels ? "," : "");
		add_number(out, i < ARRAY_LEN(bounds) ? bounds[i] : (double)INFINITY);
		buf_printf(out, "\"} %llu\n", (unsigned long long)n);
	}
	add_sample(out, name, "_sum", m->labels, m->value);
	add_sample(out, name, "_count", m->labels, (double)n);
}

static void add_head(struct buf *out, const char *name, const char *help, enum kind kind)
{
	static const char *const words[] = {"counter", "gauge", "histogram"};
	buf_printf(out, "# HELP %s %s\n# TYPE %s %s\n", name, help, name, words[kind]);
}

static void add_family(struct buf *out, const struct family *f)
{
	add_head(out, f->name, f->help, f->kind);
	for (const struct metric *m = f->series; m; m = m->hh.next) {
		if (f->kind == HISTOGRAM)
			add_histogram(out, m);
		else
			add_sample(out, f->name, "", m->labels, m->value);
	}
}

/* ---- the process itself ---- */

static double resident_bytes(void)
{
	unsigned long size = 0, resident = 0;
	FILE *f = fopen("/proc/self/statm", "re");
	if (!f)
		return NAN;
	int n = fscanf(f, "%lu %lu", &size, &resident);
	fclose(f);
	return n == 2 ? (double)resident * (double)sysconf(_SC_PAGESIZE) : (double)NAN;
}

static double cpu_seconds(void)
{
	struct rusage u;
	if (getrusage(RUSAGE_SELF, &u))
		return NAN;
	return (double)(u.ru_utime.tv_sec + u.ru_stime.tv_sec) +
		   (double)(u.ru_utime.tv_usec + u.ru_stime.tv_usec) / 1e6;
}

/* Whoever reads us tells by it that the counters began anew. The loader's clock starts a little earlier. */
static double started_seconds;

__attribute__((constructor)) static void note_start(void)
{
	struct timespec now;

	if (clock_gettime(CLOCK_REALTIME, &now) == 0)
		started_seconds = (double)now.tv_sec + (double)now.tv_nsec / 1e9;
}

static double open_fds(void)
{
	DIR *d = opendir("/proc/self/fd");
	if (!d)
		return NAN;
	int n = -1; /* the one that reads the folder */
	for (const struct dirent *entry; (entry = readdir(d));)
		n += entry->d_name[0] != '.';
	closedir(d);
	return n;
}

static void add_process(struct buf *out)
{
	const struct {
		const char *name, *help;
		enum kind kind;
		double value;
	} rows[] = {
		{"process_resident_memory_bytes", "Memory of this process that is in RAM.", GAUGE,
		 resident_bytes()},
		{"process_cpu_seconds_total", "CPU time of this process.", COUNTER, cpu_seconds()},
		{"process_open_fds", "Open file descriptors of this process.", GAUGE, open_fds()},
		{"process_start_time_seconds", "When this process began, in seconds since 1970.", GAUGE,
		 started_seconds},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		add_head(out, rows[i].name, rows[i].help, rows[i].kind);
		add_sample(out, rows[i].name, "", "", rows[i].value);
	}
}

void metrics_render(struct buf *out)
{
	for (const struct family *f = families; f; f = f->hh.next)
		add_family(out, f);
	add_process(out);
}
