/*
 * The words of placement. It stands alone because router and node read them
 * alike: the router decides by them where a task goes, and a node that got an
 * excluded task by a shared lane must see that it was excluded. Nothing is
 * allocated; what can't be understood is refused with what would be right.
 */
#include "common/placement.h"

#include <stdio.h>
#include <strings.h>

static const char *const names[] = {
	[BALANCE_UNSAID] = "",
	[BALANCE_PULL] = "pull",
	[BALANCE_ROUND_ROBIN] = "round-robin",
	[BALANCE_WEIGHTED] = "weighted",
	[BALANCE_RANDOM] = "random",
	[BALANCE_LEAST_LOADED] = "least-loaded",
	[BALANCE_CAPABILITY_MATCH] = "capability-match",
};

const char *balance_name(enum balance b)
{
	return names[b];
}

int balance_parse(const char *text, enum balance *ret, struct err *e)
{
	for (size_t i = BALANCE_PULL; i < ARRAY_LEN(names); i++) {
		if (strcasecmp(text, names[i]) == 0) {
			*ret = (enum balance)i;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID,
				   "\"%.40s\" is not pull, round-robin, weighted, random, least-loaded or "
				   "capability-match",
				   text);
}

static int split_wish(const char *text, struct wish *ret, struct err *e)
{
	size_t len = strlen(text);
	bool soft = len > 0 && text[len - 1] == '?';

	len -= soft;
	if (len >= sizeof(ret->name))
		return err_set(e, ERR_INVALID, "%zu characters are more than a name has", len);
	memcpy(ret->name, text, len);
	ret->name[len] = '\0';
	ret->soft = soft;
	return 0;
}

int wish_node(const char *text, struct wish *ret, struct err *e)
{
	struct wish w;

	if (split_wish(text, &w, e) || token_check("node", w.name, e))
		return ERR_INVALID;
	*ret = w;
	return 0;
}

int wish_task(const char *text, struct wish *ret, struct err *e)
{
	struct wish w;

	if (split_wish(text, &w, e) || task_id_check(w.name, e))
		return ERR_INVALID;
	*ret = w;
	return 0;
}

bool wish_hard(const char *text)
{
	return text && *text && text[strlen(text) - 1] != '?';
}

/* The next name of a list; NULL at its end. */
static const char *next_name(const char **at, size_t *ret_len)
{
	const char *p = *at + strspn(*at, ", \t");
	size_t len = strcspn(p, ",");

	*at = p + len;
	while (len > 0 && (p[len - 1] == ' ' || p[len - 1] == '\t'))
		len--;
	*ret_len = len;
	return len > 0 ? p : NULL;
}

int names_check(const char *list, struct err *e)
{
	const char *at = list, *name;
	char one[TOKEN_MAX + 2];
	unsigned n = 0;
	size_t len;

	while ((name = next_name(&at, &len))) {
		snprintf(one, sizeof(one), "%.*s", (int)MIN_OF(len, sizeof(one)), name);
		if (token_check("node", one, e))
			return ERR_INVALID;
		if (++n > PLACEMENT_NAMES_MAX)
			return err_set(e, ERR_INVALID, "more than %u nodes are named", PLACEMENT_NAMES_MAX);
	}
	return n ? 0 : err_set(e, ERR_INVALID, "no node is named");
}

bool names_have(const char *list, const char *name)
{
	const char *at = list, *one;
	size_t len, wanted = strlen(name);

	while (list && (one = next_name(&at, &len))) {
		if (len == wanted && memcmp(one, name, len) == 0)
			return true;
	}
	return false;
}
