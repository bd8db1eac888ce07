/*
 * The configured strategies. They stand alone so that the text is judged at
 * the start, where it can be refused with a sentence, and a lane looks its
 * own up once, when it is first heard of.
 */
#include "router/balance_rules.h"

#include <stdio.h>

struct rule {
	char name[LANE_MAX + 1];
	enum balance balance;
};

struct balance_rules {
	enum balance by_default;
	struct rule *rules;
	size_t n;
};

static int add(struct balance_rules *r, const char *word, size_t len, struct err *e)
{
	char text[LANE_MAX + 32];
	struct lane lane;
	enum balance balance;

	if (len >= sizeof(text))
		return err_set(e, ERR_INVALID, "%zu characters are more than a lane and a strategy have",
					   len);
	memcpy(text, word, len);
	text[len] = '\0';
	char *strategy = strchr(text, '=');
	if (!strategy)
		return err_set(e, ERR_INVALID, "\"%s\" is not TYPE=STRATEGY, such as echo=round-robin",
					   text);
	*strategy++ = '\0';
	if (lane_parse(text, &lane, e) || balance_parse(strategy, &balance, e))
		return ERR_INVALID;
	r->rules = xreallocarray(r->rules, r->n + 1, sizeof(*r->rules));
	struct rule *rule = &r->rules[r->n++];
	memcpy(rule->name, lane.name, sizeof(rule->name));
	rule->balance = balance;
	return 0;
}

int balance_rules_read(const char *by_default, const char *list, struct balance_rules **ret,
					   struct err *e)
{
	struct balance_rules *r = xcalloc(1, sizeof(*r));
	int rc = balance_parse(by_default ? by_default : "pull", &r->by_default, e);

	if (rc)
		err_wrap(e, "balance.default");
	for (const char *p = list; rc == 0 && p && *p;) {
		p += strspn(p, ", ");
		size_t len = strcspn(p, ", ");
		if (len > 0 && (rc = add(r, p, len, e)))
			err_wrap(e, "balance.lanes");
		p += len;
	}
	if (rc) {
		balance_rules_free(&r);
		return rc;
	}
	*ret = r;
	return 0;
}

void balance_rules_free(struct balance_rules **pr)
{
	struct balance_rules *r = TAKE(*pr);

	if (!r)
		return;
	free(r->rules);
	free(r);
}

enum balance balance_rules_of(const struct balance_rules *r, const struct lane *lane)
{
	enum balance found = r ? r->by_default : BALANCE_PULL;

	for (size_t i = 0; r && i < r->n; i++) {
		if (str_eq(r->rules[i].name, lane->name))
			return r->rules[i].balance;
		if (str_eq(r->rules[i].name, lane->type))
			found = r->rules[i].balance;
	}
	return found;
}
