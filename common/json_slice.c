/*
 * Cuts a member's value out of JSON text. It stands alone because a payload
 * that is an object must reach the handler as it was written: parsing and
 * printing it again would turn 0.1 into 0.10000000000000001 and lose the
 * digits of large numbers. The text was parsed before, so nothing is checked
 * here; a broken one merely ends the scan.
 */
#include "common/json_slice.h"

struct scan {
	const char *p, *end;
};

static void skip_blanks(struct scan *s)
{
	while (s->p < s->end && (*s->p == ' ' || *s->p == '\t' || *s->p == '\r' || *s->p == '\n'))
		s->p++;
}

/* From the opening quote to behind the closing one. */
static void skip_string(struct scan *s)
{
	for (s->p++; s->p < s->end && *s->p != '"'; s->p++) {
		if (*s->p == '\\')
			s->p++;
	}
	s->p = s->p < s->end ? s->p + 1 : s->end;
}

static void skip_value(struct scan *s)
{
	size_t depth = 0;

	while (s->p < s->end) {
		switch (*s->p) {
		case '"':
			skip_string(s);
			break;
		case '{':
		case '[':
			depth++;
			s->p++;
			break;
		case '}':
		case ']':
			if (depth == 0)
				return;
			depth--;
			s->p++;
			break;
		case ',':
			if (depth == 0)
				return;
			s->p++;
			break;
		default:
			s->p++;
		}
		if (s->p > s->end)
			s->p = s->end;
	}
}

bool json_slice(const char *text, size_t len, const char *key, const char **ret_value,
				size_t *ret_len)
{
	struct scan s = {text, text + len};
	size_t key_len = strlen(key);
	bool found = false;

	skip_blanks(&s);
	if (s.p >= s.end || *s.p != '{')
		return false;
	s.p++;
	for (;;) {
		skip_blanks(&s);
		if (s.p >= s.end || *s.p != '"')
			return found;
		const char *name = s.p + 1;
		skip_string(&s);
		bool match =
			s.p > name && (size_t)(s.p - name - 1) == key_len && memcmp(name, key, key_len) == 0;
		skip_blanks(&s);
		if (s.p >= s.end || *s.p != ':')
			return found;
		s.p++;
		skip_blanks(&s);
		const char *value = s.p;
		skip_value(&s);
		const char *value_end = s.p;
		while (value_end > value && strchr(" \t\r\n", value_end[-1]))
			value_end--;
		if (match) {
			*ret_value = value;
			*ret_len = (size_t)(value_end - value);
			found = true;
		}
		if (s.p >= s.end || *s.p != ',')
			return found;
		s.p++;
	}
}
