/*
 * One event, one line, one write(2). It stands alone because everything may
 * log, on any thread, also while something is going wrong: nothing is
 * allocated, and the line is made in a buffer on the stack. A value is cut at
 * VALUE_MAX bytes and fields that no longer fit are left out ("cut=true"), so
 * a line always stays well formed. A stderr that refuses is ignored.
 */
#include "common/log.h"

#include <errno.h>
#include <inttypes.h>
#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"

enum { LINE_MAX_BYTES = 8192, VALUE_MAX = 1024 };

static const char *const level_names[] = {"debug", "info", "warn", "error"};
static char component[64] = "millrace";
static _Atomic int least = LOG_INFO;
static _Atomic bool json;

struct line {
	char text[LINE_MAX_BYTES];
	size_t len;
	size_t limit; /* len never passes it */
	bool full;    /* something did not fit */
};

void log_init(const char *name)
{
	snprintf(component, sizeof(component), "%s", name);
}

void log_set_level(enum log_level level)
{
	least = (int)level;
}

void log_set_json(bool on)
{
	json = on;
}

bool log_level_parse(const char *text, enum log_level *ret_level)
{
	for (size_t i = 0; i < ARRAY_LEN(level_names); i++) {
		if (str_eq(text, level_names[i])) {
			*ret_level = (enum log_level)i;
			return true;
		}
	}
	return false;
}

bool log_enabled(enum log_level level)
{
	return (int)level >= least;
}

static void put(struct line *l, const char *s, size_t len)
{
	if (l->full || len > l->limit - l->len) {
		l->full = true;
		return;
	}
	memcpy(l->text + l->len, s, len);
	l->len += len;
}

static void put_str(struct line *l, const char *s)
{
	put(l, s, strlen(s));
}

/* Bytes of the valid UTF-8 character at s (which a NUL ends), 0 where there is none. */
static size_t utf8_char(const unsigned char *s)
{
	size_t n = s[0] < 0x80                   ? 1
			   : s[0] >= 0xc2 && s[0] < 0xe0 ? 2
			   : (s[0] & 0xf0) == 0xe0       ? 3
			   : s[0] >= 0xf0 && s[0] < 0xf5 ? 4
											 : 0;
	for (size_t i = 1; i < n; i++) {
		if ((s[i] & 0xc0) != 0x80)
			return 0;
	}
	if ((s[0] == 0xe0 && s[1] < 0xa0) || (s[0] == 0xed && s[1] > 0x9f) ||
		(s[0] == 0xf0 && s[1] < 0x90) || (s[0] == 0xf4 && s[1] > 0x8f))
		return 0;
	return n;
}

/* As a JSON string, which is also how a text line quotes. */
static void put_quoted(struct line *l, const char *s)
{
	put(l, "\"", 1);
	size_t i = 0;
	while (i < VALUE_MAX && s[i]) {
		unsigned char c = (unsigned char)s[i];
		size_t n = utf8_char((const unsigned char *)s + i);
		char escaped[8];
		if (c == '"' || c == '\\') {
			put(l, (const char[]){'\\', (char)c}, 2);
		} else if (c == '\n') {
			put(l, "\\n", 2);
		} else if (c < 0x20 || c == 0x7f) {
			put(l, escaped, (size_t)snprintf(escaped, sizeof(escaped), "\\u%04x", c));
		} else if (n == 0) {
			put_str(l, "\\ufffd");
		} else {
			put(l, s + i, n);
		}
		i += n ? n : 1;
	}
	put_str(l, s[i] ? "...\"" : "\"");
}

static bool plain(const char *s)
{
	size_t i = 0;
	for (; i < VALUE_MAX && s[i]; i++) {
		if (s[i] <= ' ' || s[i] > '~' || s[i] == '"' || s[i] == '\\' || s[i] == '=')
			return false;
	}
	return i > 0 && !s[i];
}

static void put_value(struct line *l, bool as_json, const char *s)
{
	if (!as_json && plain(s))
		put_str(l, s);
	else
		put_quoted(l, s);
}

static void put_key(struct line *l, bool as_json, const char *key)
{
	put_str(l, as_json ? ",\"" : " ");
	put_str(l, key);
	put_str(l, as_json ? "\":" : "=");
}

static void put_field(struct line *l, bool as_json, const struct log_field *f)
{
	size_t before = l->len;
	put_key(l, as_json, f->key);
	if (f->str) {
		put_value(l, as_json, f->str);
	} else {
		char number[24];
		snprintf(number, sizeof(number), "%" PRId64, f->num);
		put_str(l, number);
	}
	if (l->full)
		l->len = before; /* a field is there whole or not at all */
}

void log_emit(enum log_level level, const char *event, const struct log_field *fields, size_t n)
{
	int saved = errno;
	bool as_json = json;
	char when[32];
	time_format(clock_wall_ns(), when);
	struct line l;
	l.len = 0;
	l.limit = LINE_MAX_BYTES - 32; /* room for the cut mark and the end */
	l.full = false;
	put_str(&l, as_json ? "{\"time\":\"" : "time=");
	put_str(&l, when);
	put_str(&l, as_json ? "\",\"level\":\"" : " level=");
	put_str(&l, level_names[level]);
	put_str(&l, as_json ? "\"" : "");
	put_field(&l, as_json, &(struct log_field)LOG_S("name", component));
	put_field(&l, as_json, &(struct log_field)LOG_S("event", event));
	for (size_t i = 0; i < n && !l.full; i++)
		put_field(&l, as_json, &fields[i]);
	l.limit = LINE_MAX_BYTES;
	if (l.full) {
		l.full = false;
		put_str(&l, as_json ? ",\"cut\":true" : " cut=true");
	}
	put_str(&l, as_json ? "}\n" : "\n");
	ssize_t written;
	do {
		written = write(STDERR_FILENO, l.text, l.len);
	} while (written < 0 && errno == EINTR);
	errno = saved;
}
