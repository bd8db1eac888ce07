/*
 * Reads the text format. It stands alone because it is a format of its own.
 * Our components write one sample a line, `name{labels} value`; what else the
 * format allows (a timestamp, blanks) is read as well. A line that cannot be
 * read is none: a newer component may say more than this program knows.
 */
#include "common/prom_text.h"

#include <math.h>
#include <stdio.h>

/* The brace that ends the labels: not one in a quoted value. */
static const char *labels_end(const char *at, const char *end)
{
	bool quoted = false;

	for (; at < end; at++) {
		if (quoted && *at == '\\' && at + 1 < end)
			at++;
		else if (*at == '"')
			quoted = !quoted;
		else if (*at == '}' && !quoted)
			return at;
	}
	return NULL;
}

static bool number(const char *at, const char *end, double *ret)
{
	char text[64];
	char *stop;

	while (at < end && (*at == ' ' || *at == '\t'))
		at++;
	size_t len = 0;
	while (at + len < end && at[len] != ' ' && at[len] != '\t' && at[len] != '\r')
		len++;
	if (len == 0 || len >= sizeof(text))
		return false;
	memcpy(text, at, len);
	text[len] = '\0';
	*ret = strtod(text, &stop);
	return *stop == '\0';
}

static bool read_line(const char *at, const char *end, struct prom_sample *ret)
{
	const char *name = at;

	*ret = (struct prom_sample){.name = name};
	while (at < end && *at != '{' && *at != ' ' && *at != '\t')
		at++;
	ret->name_len = (size_t)(at - name);
	if (ret->name_len == 0 || *name == '#')
		return false;
	if (at < end && *at == '{') {
		const char *close = labels_end(at + 1, end);
		if (!close)
			return false;
		ret->labels = at + 1;
		ret->labels_len = (size_t)(close - at - 1);
		at = close + 1;
	}
	return number(at, end, &ret->value);
}

bool prom_next(const char **io_at, const char *end, struct prom_sample *ret)
{
	while (*io_at < end) {
		const char *line = *io_at;
		const char *stop = memchr(line, '\n', (size_t)(end - line));

		stop = stop ? stop : end;
		*io_at = stop < end ? stop + 1 : end;
		if (read_line(line, stop, ret))
			return true;
	}
	return false;
}

bool prom_is(const struct prom_sample *s, const char *name)
{
	return strlen(name) == s->name_len && memcmp(s->name, name, s->name_len) == 0;
}

const char *prom_label(const struct prom_sample *s, const char *label, size_t *ret_len)
{
	size_t len = strlen(label);
	const char *at = s->labels, *end = s->labels + s->labels_len;

	while (s->labels_len && at < end) {
		const char *equals = memchr(at, '=', (size_t)(end - at));
		if (!equals || equals + 1 >= end || equals[1] != '"')
			return NULL;
		const char *value = equals + 2, *p = value;
		while (p < end && *p != '"')
			p += *p == '\\' && p + 1 < end ? 2 : 1;
		if ((size_t)(equals - at) == len && memcmp(at, label, len) == 0) {
			*ret_len = (size_t)(MIN_OF(p, end) - value);
			return value;
		}
		at = p + 1;
		while (at < end && (*at == ',' || *at == ' '))
			at++;
	}
	return NULL;
}
