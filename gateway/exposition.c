/*
 * Merging texts of metrics. It stands alone as the place where processes that
 * know nothing of each other become one exposition that a strict reader takes.
 *
 *	text --lines--> families by name <--samples-- texts of others
 *
 * It goes well: every sample lands with its family and keeps its order, so that a histogram's
 * buckets stay together. It fails in parts: what is broken, said twice or over a limit is left
 * out and counted, and the rest is told.
 */
#include "gateway/exposition.h"

#include <stdio.h>

#include <uthash.h>

struct instance {
	char *key; /* component NUL instance */
	const char *component, *name;
	char *text; /* what its samples point into */
	UT_hash_handle hh;
};

struct sample {
	uint32_t of; /* instance */
	uint8_t suffix;
	uint16_t value_len;
	uint32_t labels_len;
	const char *labels, *value; /* labels NULL: none */
};

struct family {
	char *name;
	char *help; /* NULL: none was told */
	enum exposition_kind kind;
	uint32_t typed_by;   /* the last instance, from 1, that told its type */
	uint32_t refused_by; /* the last one whose samples are of another type */
	struct sample *samples;
	size_t n, cap;
	UT_hash_handle hh;
};

/* Series of one text that were seen: open addressing, 0 is free. */
struct seen {
	uint64_t *slots;
	size_t n, cap;
};

struct exposition {
	struct family *families; /* in the order in which they came */
	struct instance *by_key;
	struct instance **instances;
	struct exposition_stats stats;
	struct seen seen;
};

static const char *const suffixes[] = {"", "_bucket", "_sum", "_count"};

struct exposition *exposition_new(void)
{
	return xcalloc(1, sizeof(struct exposition));
}

void exposition_free(struct exposition *x)
{
	struct family *f, *fnext;
	struct instance *i, *inext;

	if (!x)
		return;
	HASH_ITER (hh, x->families, f, fnext) {
		HASH_DEL(x->families, f);
		free(f->name);
		free(f->help);
		free(f->samples);
		free(f);
	}
	HASH_ITER (hh, x->by_key, i, inext) {
		HASH_DEL(x->by_key, i);
		free(i->key);
		free(i->text);
		free(i);
	}
	free(x->instances);
	free(x->seen.slots);
	free(x);
}

/* ---- series of one text ---- */

static void seen_grow(struct seen *s)
{
	struct seen wider = {.cap = s->cap ? s->cap * 2 : 1024, .n = s->n};

	wider.slots = xcalloc(wider.cap, sizeof(*wider.slots));
	for (size_t i = 0; i < s->cap; i++) {
		size_t at = s->slots[i] & (wider.cap - 1);

		while (s->slots[i] && wider.slots[at])
			at = (at + 1) & (wider.cap - 1);
		if (s->slots[i])
			wider.slots[at] = s->slots[i];
	}
	free(s->slots);
	*s = wider;
}

/* Whether it is new. */
static bool seen_add(struct seen *s, uint64_t series)
{
	if (s->n * 2 >= s->cap)
		seen_grow(s);
	series = series ? series : 1;

	size_t at = series & (s->cap - 1);
	while (s->slots[at] && s->slots[at] != series)
		at = (at + 1) & (s->cap - 1);
	if (s->slots[at])
		return false;
	s->slots[at] = series;
	s->n++;
	return true;
}

/* ---- families ---- */

static struct family *find(const struct exposition *x, const char *name, size_t len)
{
	struct family *f;

	HASH_FIND(hh, x->families, name, len, f);
	return f;
}

static struct family *find_or_add(struct exposition *x, struct exposition_text name,
								  enum exposition_kind kind)
{
	struct family *f = find(x, name.at, name.len);

	if (f)
		return f;
	if (HASH_COUNT(x->families) >= EXPOSITION_FAMILIES_MAX) {
		x->stats.dropped++;
		return NULL;
	}
	f = xcalloc(1, sizeof(*f));
	f->name = xmemdup0(name.at, name.len);
	f->kind = kind;
	HASH_ADD_KEYPTR(hh, x->families, f->name, name.len, f);
	return f;
}

/* Which piece of a family of that kind a sample of the suffix may be. */
static bool suffix_fits(enum exposition_kind kind, unsigned suffix, bool has_le)
{
	switch (kind) {
	case EXPOSITION_UNTYPED:
	case EXPOSITION_COUNTER:
	case EXPOSITION_GAUGE:
		return suffix == 0;
	case EXPOSITION_HISTOGRAM:
		return suffix == 1 ? has_le : suffix > 1;
	case EXPOSITION_SUMMARY:
		return suffix != 1;
	}
	return false;
}

/* The family of a sample by its name: that of the whole name, else what remains without a suffix. */
static struct family *family_of(struct exposition *x, const struct exposition_line *l,
								unsigned *ret_suffix)
{
	struct family *f = find(x, l->name.at, l->name.len);

	*ret_suffix = 0;
	for (unsigned s = 1; !f && s < ARRAY_LEN(suffixes); s++) {
		size_t len = strlen(suffixes[s]);

		if (l->name.len <= len || memcmp(l->name.at + l->name.len - len, suffixes[s], len) != 0)
			continue;
		f = find(x, l->name.at, l->name.len - len);
		if (f && f->kind != EXPOSITION_HISTOGRAM && f->kind != EXPOSITION_SUMMARY)
			f = NULL;
		*ret_suffix = f ? s : 0;
	}
	return f ? f : find_or_add(x, l->name, EXPOSITION_UNTYPED);
}

/* ---- lines of one text; me: which instance, from 1 ---- */

static void take_help(struct exposition *x, const struct exposition_line *l)
{
	/* Its type comes next; one without is untyped. */
	struct family *f = find_or_add(x, l->name, EXPOSITION_UNTYPED);

	if (f && !f->help)
		f->help = xmemdup0(l->text.at, l->text.len);
}

static void take_type(struct exposition *x, const struct exposition_line *l, uint32_t me)
{
	struct family *f = find_or_add(x, l->name, l->kind);

	if (!f)
		return;
	/* Whoever said it first, before any sample, is right. */
	if (!f->typed_by && f->n == 0)
		f->kind = l->kind;
	if (f->kind != l->kind || f->typed_by == me) {
		f->refused_by = f->kind != l->kind ? me : f->refused_by;
		x->stats.broken++;
		return;
	}
	f->typed_by = me;
}

static void take_sample(struct exposition *x, const struct exposition_line *l, uint32_t me)
{
	unsigned suffix;
	struct family *f = family_of(x, l, &suffix);

	if (!f)
		return;
	if (f->refused_by == me || !suffix_fits(f->kind, suffix, l->has_le) ||
		(f->kind != EXPOSITION_UNTYPED && f->typed_by != me) || !seen_add(&x->seen, l->series)) {
		x->stats.broken++;
		return;
	}
	if (x->stats.samples >= EXPOSITION_SAMPLES_MAX) {
		x->stats.dropped++;
		return;
	}
	if (f->n == f->cap) {
		f->cap = f->cap ? f->cap * 2 : 8;
		f->samples = xreallocarray(f->samples, f->cap, sizeof(*f->samples));
	}
	f->samples[f->n++] = (struct sample){.of = me - 1,
										 .suffix = (uint8_t)suffix,
										 .labels = l->labels.len ? l->labels.at : NULL,
										 .labels_len = (uint32_t)l->labels.len,
										 .value = l->value.at,
										 .value_len = (uint16_t)l->value.len};
	x->stats.samples++;
}

static void take_line(struct exposition *x, const char *line, size_t len, uint32_t me)
{
	struct exposition_line l;

	exposition_line_read(line, len, &l);
	switch (l.what) {
	case LINE_NOTHING:
		break;
	case LINE_HELP:
		take_help(x, &l);
		break;
	case LINE_TYPE:
		take_type(x, &l, me);
		break;
	case LINE_SAMPLE:
		take_sample(x, &l, me);
		break;
	case LINE_BROKEN:
		x->stats.broken++;
		break;
	}
}

/* ---- texts ---- */

bool exposition_name_ok(const char *s)
{
	static const char allowed[] =
		"abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-.:";
	size_t len = strnlen(s, EXPOSITION_NAME_MAX + 1);

	return len > 0 && len <= EXPOSITION_NAME_MAX && strspn(s, allowed) == len;
}

static struct instance *instance_of(struct exposition *x, const char *component, const char *name)
{
	struct instance *i = xcalloc(1, sizeof(*i));
	size_t n = HASH_COUNT(x->by_key);

	i->key = xasprintf("%s%c%s", component, 0, name);
	i->component = i->key;
	i->name = i->key + strlen(component) + 1;
	HASH_ADD_KEYPTR(hh, x->by_key, i->key, strlen(component) + 1 + strlen(name), i);
	x->instances = xreallocarray(x->instances, n + 1, sizeof(struct instance *));
	x->instances[n] = i;
	x->stats.instances = n + 1;
	return i;
}

static bool is_known(const struct exposition *x, const char *component, const char *name)
{
	char key[2 * EXPOSITION_NAME_MAX + 2];
	size_t len = (size_t)snprintf(key, sizeof(key), "%s%c%s", component, 0, name);
	const struct instance *i;

	HASH_FIND(hh, x->by_key, key, len, i);
	return i;
}

int exposition_add(struct exposition *x, const char *component, const char *instance,
				   const char *text, size_t len, struct err *e)
{
	if (!exposition_name_ok(component) || !exposition_name_ok(instance))
		return err_set(e, ERR_INVALID, "a component or instance has a name that cannot be a label");
	if (is_known(x, component, instance))
		return err_set(e, ERR_EXISTS, "%s %s told its metrics twice", component, instance);
	if (len > EXPOSITION_BYTES_MAX - x->stats.bytes ||
		x->stats.instances >= EXPOSITION_INSTANCES_MAX)
		return err_set(e, ERR_TOO_LARGE, "over %zu bytes or %u instances with %s %s",
					   EXPOSITION_BYTES_MAX, EXPOSITION_INSTANCES_MAX, component, instance);

	struct instance *i = instance_of(x, component, instance);
	const char *at = i->text = xmemdup0(text, len), *end = at + len;

	x->stats.bytes += len;
	if (x->seen.slots)
		memset(x->seen.slots, 0, x->seen.cap * sizeof(*x->seen.slots));
	x->seen.n = 0;
	while (at < end) {
		const char *line_end = memchr(at, '\n', (size_t)(end - at));
		const char *stop = line_end ? line_end : end;

		take_line(x, at, (size_t)(stop - at), (uint32_t)x->stats.instances);
		at = stop + 1;
	}
	return 0;
}

struct exposition_stats exposition_stats(const struct exposition *x)
{
	return x->stats;
}

/* ---- what came of it ---- */

void exposition_each(const struct exposition *x, const char *family,
					 void (*fn)(void *data, const struct exposition_sample *s), void *data)
{
	const struct family *f = find(x, family, strlen(family));

	for (size_t i = 0; f && i < f->n; i++) {
		const struct sample *s = &f->samples[i];
		const struct instance *of = x->instances[s->of];
		struct exposition_sample out = {.component = of->component,
										.instance = of->name,
										.suffix = suffixes[s->suffix],
										.labels = {s->labels ? s->labels : "", s->labels_len},
										.value = strtod(s->value, NULL)};

		fn(data, &out);
	}
}

void exposition_begin(struct buf *out, const char *name, const char *component,
					  const char *instance, const char *labels)
{
	buf_printf(out, "%s{component=\"%s\",instance=\"%s\"%s%s} ", name, component, instance,
			   *labels ? "," : "", labels);
}

static void render_sample(const struct exposition *x, const struct family *f,
						  const struct sample *s, struct buf *out)
{
	const struct instance *of = x->instances[s->of];

	buf_add_str(out, f->name);
	buf_add_str(out, suffixes[s->suffix]);
	buf_add_str(out, "{component=\"");
	buf_add_str(out, of->component);
	buf_add_str(out, "\",instance=\"");
	buf_add_str(out, of->name);
	buf_add_str(out, s->labels ? "\"," : "\"");
	if (s->labels)
		buf_add(out, s->labels, s->labels_len);
	buf_add_str(out, "} ");
	buf_add(out, s->value, s->value_len);
	buf_add(out, "\n", 1);
}

void exposition_render(const struct exposition *x, struct buf *out)
{
	for (const struct family *f = x->families; f; f = f->hh.next) {
		if (f->n == 0)
			continue;
		if (f->help)
			buf_printf(out, "# HELP %s %s\n", f->name, f->help);
		buf_printf(out, "# TYPE %s %s\n", f->name, exposition_kind_name(f->kind));
		for (size_t i = 0; i < f->n; i++)
			render_sample(x, f, &f->samples[i], out);
	}
}
