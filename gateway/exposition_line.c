/*
 * Reading one line of Prometheus' text format. It stands alone, without memory
 * or tables, as the part that meets bytes which others wrote. It goes well: a
 * sample, a HELP, a TYPE, or a line that says nothing. It fails: LINE_BROKEN, and
 * whoever reads goes on with the next line.
 */
#include "gateway/exposition_line.h"

#include <string.h>

#include "common/codec.h"

static const char *const kinds[] = {"untyped", "counter", "gauge", "histogram", "summary"};

const char *exposition_kind_name(enum exposition_kind kind)
{
	return kinds[kind];
}

bool exposition_text_is(struct exposition_text t, const char *s)
{
	return t.len == strlen(s) && (t.len == 0 || memcmp(t.at, s, t.len) == 0);
}

/* ---- pieces ---- */

struct cursor {
	const char *at, *end;
};

static bool is_blank(char c)
{
	return c == ' ' || c == '\t';
}

static void skip_blanks(struct cursor *c)
{
	while (c->at < c->end && is_blank(*c->at))
		c->at++;
}

static bool is_name_char(char c, bool first, bool colon)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || c == '_' || (c == ':' && colon) ||
		   (c >= '0' && c <= '9' && !first);
}

static struct exposition_text take_name(struct cursor *c, bool colon)
{
	struct exposition_text t = {c->at, 0};

	while (c->at < c->end && is_name_char(*c->at, c->at == t.at, colon))
		c->at++;
	t.len = (size_t)(c->at - t.at);
	return t;
}

static struct exposition_text take_word(struct cursor *c)
{
	struct exposition_text t = {c->at, 0};

	while (c->at < c->end && !is_blank(*c->at))
		c->at++;
	t.len = (size_t)(c->at - t.at);
	return t;
}

/* From behind the opening quote to behind the closing one. */
static bool take_quoted(struct cursor *c, struct exposition_text *ret)
{
	*ret = (struct exposition_text){c->at, 0};
	for (; c->at < c->end; c->at++) {
		if (*c->at == '"') {
			ret->len = (size_t)(c->at++ - ret->at);
			return utf8_ok(ret->at, ret->len);
		}
		if (*c->at == '\\' && (++c->at == c->end || !strchr("\\\"n", *c->at) || !*c->at))
			return false;
	}
	return false;
}

static bool number_ok(struct exposition_text t)
{
	static const char *const words[] = {"NaN", "+Inf", "-Inf", "Inf"};
	char text[64], *end;

	for (size_t i = 0; i < ARRAY_LEN(words); i++) {
		if (exposition_text_is(t, words[i]))
			return true;
	}
	if (t.len == 0 || t.len >= sizeof(text))
		return false;
	for (size_t i = 0; i < t.len; i++) {
		if (!t.at[i] || !strchr("0123456789+-.eE", t.at[i]))
			return false;
	}
	memcpy(text, t.at, t.len);
	text[t.len] = '\0';
	(void)strtod(text, &end);
	return !*end;
}

/* ---- labels ---- */

static uint64_t hash(uint64_t h, struct exposition_text t)
{
	for (size_t i = 0; i < t.len; i++)
		h = (h ^ (unsigned char)t.at[i]) * UINT64_C(0x100000001b3);
	return h;
}

/* So that sums of them stay apart. */
static uint64_t mixed(uint64_t h)
{
	h = (h ^ (h >> 30)) * UINT64_C(0xbf58476d1ce4e5b9);
	h = (h ^ (h >> 27)) * UINT64_C(0x94d049bb133111eb);
	return h ^ (h >> 31);
}

#define HASH_SEED UINT64_C(0xcbf29ce484222325)

/* name="value", to behind the quote. */
static bool take_pair(struct cursor *c, struct exposition_text *name, struct exposition_text *value)
{
	*name = take_name(c, false);
	skip_blanks(c);
	if (name->len == 0 || c->at == c->end || *c->at++ != '=')
		return false;
	skip_blanks(c);
	return c->at < c->end && *c->at++ == '"' && take_quoted(c, value);
}

/* Names that we give ourselves, that Prometheus keeps, or that are there already. */
static bool name_taken(struct exposition_text name, const struct exposition_text *seen, size_t n)
{
	if (exposition_text_is(name, "component") || exposition_text_is(name, "instance") ||
		(name.len >= 2 && memcmp(name.at, "__", 2) == 0))
		return true;
	for (size_t i = 0; i < n; i++) {
		if (seen[i].len == name.len && memcmp(seen[i].at, name.at, name.len) == 0)
			return true;
	}
	return false;
}

/* From behind the opening brace to behind the closing one. */
static bool take_labels(struct cursor *c, struct exposition_line *ret)
{
	struct exposition_text seen[EXPOSITION_LABELS_MAX], value;
	size_t n = 0;

	skip_blanks(c);
	ret->labels = (struct exposition_text){c->at, 0};
	while (c->at < c->end && *c->at != '}') {
		if (n == EXPOSITION_LABELS_MAX || !take_pair(c, &seen[n], &value) ||
			name_taken(seen[n], seen, n))
			return false;
		ret->has_le |= exposition_text_is(seen[n], "le") && value.len > 0;
		ret->series += mixed(hash(hash(HASH_SEED, seen[n]) * 31, value));
		ret->labels.len = (size_t)(c->at - ret->labels.at);
		n++;
		skip_blanks(c);
		if (c->at < c->end && *c->at == ',')
			c->at++;
		else if (c->at == c->end || *c->at != '}')
			return false;
		skip_blanks(c);
	}
	if (c->at == c->end)
		return false;
	c->at++;
	return true;
}

bool exposition_label(struct exposition_text labels, const char *name, struct exposition_text *ret)
{
	struct cursor c = {labels.at, labels.at + labels.len};
	struct exposition_text found, value;

	while (c.at < c.end && take_pair(&c, &found, &value)) {
		if (exposition_text_is(found, name)) {
			*ret = value;
			return true;
		}
		skip_blanks(&c);
		if (c.at < c.end && *c.at == ',')
			c.at++;
		skip_blanks(&c);
	}
	return false;
}

/* ---- lines ---- */

static void read_comment(struct cursor *c, struct exposition_line *ret)
{
	skip_blanks(c);

	struct exposition_text word = take_word(c);
	bool help = exposition_text_is(word, "HELP");

	if (!help && !exposition_text_is(word, "TYPE"))
		return;
	ret->what = LINE_BROKEN;
	skip_blanks(c);
	ret->name = take_name(c, true);
	if (ret->name.len == 0 || (c->at < c->end && !is_blank(*c->at)))
		return;
	skip_blanks(c);
	if (help) {
		ret->text = (struct exposition_text){c->at, (size_t)(c->end - c->at)};
		ret->what = utf8_ok(ret->text.at, ret->text.len) ? LINE_HELP : LINE_BROKEN;
		return;
	}
	word = take_word(c);
	skip_blanks(c);
	for (size_t i = 0; i < ARRAY_LEN(kinds) && c->at == c->end; i++) {
		if (exposition_text_is(word, kinds[i])) {
			ret->kind = (enum exposition_kind)i;
			ret->what = LINE_TYPE;
		}
	}
}

/* Milliseconds since 1970; may be absent. */
static bool stamp_ok(struct exposition_text t)
{
	size_t i = t.len > 1 && *t.at == '-';

	while (i < t.len && t.at[i] >= '0' && t.at[i] <= '9')
		i++;
	return i == t.len;
}

static bool read_sample(struct cursor *c, struct exposition_line *ret)
{
	struct exposition_text stamp;

	ret->name = take_name(c, true);
	if (ret->name.len == 0)
		return false;
	ret->series = hash(HASH_SEED, ret->name);
	if (c->at < c->end && *c->at != '{' && !is_blank(*c->at))
		return false;
	skip_blanks(c);
	if (c->at < c->end && *c->at == '{') {
		c->at++;
		if (!take_labels(c, ret))
			return false;
	}
	skip_blanks(c);
	ret->value = take_word(c);
	skip_blanks(c);
	stamp = take_word(c);
	skip_blanks(c);
	return c->at == c->end && number_ok(ret->value) && stamp_ok(stamp);
}

void exposition_line_read(const char *line, size_t len, struct exposition_line *ret)
{
	struct cursor c = {line, line + len};

	*ret = (struct exposition_line){.what = LINE_NOTHING};
	if (len > EXPOSITION_LINE_MAX) {
		ret->what = LINE_BROKEN;
		return;
	}
	skip_blanks(&c);
	if (c.at == c.end)
		return;
	if (*c.at == '#') {
		c.at++;
		read_comment(&c, ret);
		return;
	}
	ret->what = read_sample(&c, ret) ? LINE_SAMPLE : LINE_BROKEN;
}
