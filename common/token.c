/*
 * The gate between what strangers write and what becomes a subject, a key or
 * a stream's name. Pure: values in, verdict out, and a sentence that says what
 * is wrong. What is not on the list of allowed characters is refused; nothing
 * is ever repaired, so two spellings can't meet in one lane.
 */
#include "common/token.h"

#include <stdio.h>

static bool char_ok(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9') || c == '_' ||
		   c == '-';
}

bool token_ok(const char *s, size_t len)
{
	if (!s || len < 1 || len > TOKEN_MAX || s[0] == '-' || s[len - 1] == '-')
		return false;
	for (size_t i = 0; i < len; i++) { /* the last is no '-', so i + 1 is inside */
		if (!char_ok(s[i]) || (s[i] == '-' && s[i + 1] == '-'))
			return false;
	}
	return true;
}

bool task_id_ok(const char *s, size_t len)
{
	if (!s || len < 1 || len > TASK_ID_MAX || s[0] == '.' || s[len - 1] == '.')
		return false;
	for (size_t i = 0; i < len; i++) {
		if (s[i] == '.' ? s[i + 1] == '.' : !char_ok(s[i]))
			return false;
	}
	return true;
}

/* The first forbidden character as something that may stand in a sentence. */
static void show_char(unsigned char c, char out[16])
{
	if (c > ' ' && c < 0x7f)
		snprintf(out, 16, "'%c'", c);
	else if (c == ' ')
		snprintf(out, 16, "a space");
	else
		snprintf(out, 16, "byte 0x%02x", c);
}

static int blame(const char *what, const char *s, size_t max, bool dots, struct err *e)
{
	size_t len = s ? strlen(s) : 0;
	if (len == 0)
		return err_set(e, ERR_INVALID, "%s is empty", what);
	if (len > max)
		return err_set(e, ERR_INVALID, "%s has %zu characters, %zu is the most", what, len, max);
	for (size_t i = 0; i < len; i++) {
		if (!char_ok(s[i]) && !(dots && s[i] == '.')) {
			char shown[16];
			show_char((unsigned char)s[i], shown);
			return err_set(e, ERR_INVALID,
						   "%s holds %s; letters, digits, \"_\" and \"-\"%s are allowed", what,
						   shown, dots ? " and inner \".\"" : "");
		}
	}
	if (dots)
		return err_set(e, ERR_INVALID, "%s \"%s\" has a \".\" at an edge or two together", what, s);
	return err_set(e, ERR_INVALID, "%s \"%s\" has a \"-\" at an edge or two together", what, s);
}

int token_check(const char *what, const char *s, struct err *e)
{
	if (s && token_ok(s, strnlen(s, TOKEN_MAX + 1)))
		return 0;
	return blame(what, s, TOKEN_MAX, false, e);
}

int task_id_check(const char *s, struct err *e)
{
	if (s && task_id_ok(s, strnlen(s, TASK_ID_MAX + 1)))
		return 0;
	return blame("task id", s, TASK_ID_MAX, true, e);
}

const char *task_class_name(enum task_class c)
{
	switch (c) {
	case CLASS_HIGH:
		return "high";
	case CLASS_NORMAL:
		return "normal";
	case CLASS_LOW:
		return "low";
	case CLASS_COUNT:
		break;
	}
	return "normal";
}

/* Puts s at its place in the sorted list; one that is there already stays alone. */
static int insert_capability(struct lane *l, const char *s, struct err *e)
{
	unsigned at = 0;
	while (at < l->capabilities && strcmp(l->capability[at], s) < 0)
		at++;
	if (at < l->capabilities && str_eq(l->capability[at], s))
		return 0;
	if (l->capabilities == LANE_CAPABILITIES_MAX)
		return err_set(e, ERR_INVALID, "more than %d capabilities are required",
					   LANE_CAPABILITIES_MAX);
	memmove(l->capability[at + 1], l->capability[at],
			(l->capabilities - at) * sizeof(l->capability[0]));
	memcpy(l->capability[at], s, strlen(s) + 1);
	l->capabilities++;
	return 0;
}

static int add_requires(struct lane *l, const char *requires, struct err *e)
{
	const char *p = requires + strspn(requires, " \t");
	if (!*p)
		return 0;
	for (;;) {
		p += strspn(p, " \t");
		size_t len = strcspn(p, ",");
		size_t kept = len;
		while (kept > 0 && (p[kept - 1] == ' ' || p[kept - 1] == '\t'))
			kept--;
		char item[TOKEN_MAX + 2]; /* one more than may be, so that the check sees it */
		size_t n = MIN_OF(kept, sizeof(item) - 1);
		memcpy(item, p, n);
		item[n] = '\0';
		if (token_check("required capability", item, e) || insert_capability(l, item, e))
			return ERR_INVALID;
		p += len;
		if (!*p)
			return 0;
		p++;
	}
}

static int add_name(struct lane *l, size_t *len, const char *sep, const char *s, struct err *e)
{
	size_t sep_len = strlen(sep), s_len = strlen(s);
	if (sep_len + s_len > LANE_MAX - *len)
		return err_set(e, ERR_INVALID, "type and capabilities together exceed %d characters",
					   LANE_MAX);
	memcpy(l->name + *len, sep, sep_len);
	memcpy(l->name + *len + sep_len, s, s_len + 1);
	*len += sep_len + s_len;
	return 0;
}

int lane_make(const char *type, const char *requires, struct lane *ret, struct err *e)
{
	struct lane l = {0};
	if (token_check("type", type, e) || add_requires(&l, requires ? requires : "", e))
		return ERR_INVALID;
	memcpy(l.type, type, strlen(type) + 1);
	size_t len = 0;
	if (add_name(&l, &len, "", type, e))
		return ERR_INVALID;
	for (unsigned i = 0; i < l.capabilities; i++) {
		if (add_name(&l, &len, "--", l.capability[i], e))
			return ERR_INVALID;
	}
	*ret = l;
	return 0;
}

int lane_parse(const char *name, struct lane *ret, struct err *e)
{
	char text[LANE_MAX + 1];
	size_t len = name ? strnlen(name, sizeof(text)) : 0;
	if (len == 0 || len > LANE_MAX)
		return err_set(e, ERR_INVALID, "a lane's name has 1 to %d characters", LANE_MAX);
	memcpy(text, name, len + 1);
	char requires[LANE_MAX + 1] = "";
	char *sep = strstr(text, "--");
	if (sep) {
		/* "type--a--b" is "type" and "a,b"; a name that is not what lane_make says is none. */
		*sep = '\0';
		size_t out = 0;
		for (const char *p = sep + 2; *p;) {
			bool split = p[0] == '-' && p[1] == '-';
			requires[out++] = split ? ',' : *p;
			p += split ? 2 : 1;
		}
		requires[out] = '\0';
	}
	struct lane l;
	if (lane_make(text, requires, &l, e))
		return err_wrap(e, "lane");
	if (!str_eq(l.name, name))
		return err_set(e, ERR_INVALID, "\"%s\" is no lane; \"%s\" is", name, l.name);
	*ret = l;
	return 0;
}

bool lane_served_by(const struct lane *l, const char *const *capabilities, size_t n)
{
	for (unsigned i = 0; i < l->capabilities; i++) {
		bool found = false;
		for (size_t k = 0; k < n && !found; k++)
			found = str_eq(l->capability[i], capabilities[k]);
		if (!found)
			return false;
	}
	return true;
}
