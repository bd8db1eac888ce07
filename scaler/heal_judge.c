/*
 * Patience. It stands alone because a check that is ill for a moment, or an
 * act that is repeated every ten seconds, would do more harm than the illness.
 *
 *	 well ──ill──▶ seen ──looks in a row──▶ ill (acts, each once a cooldown)
 *	  ▲             │ well                   │ looks in a row well: told, forgotten
 *	  └─────────────┴────────────────────────┘
 *
 * A case that is well stays until its cooldowns are over, so that one that
 * comes and goes is not acted on more often than one that stays.
 */
#include "scaler/heal_judge.h"

#include <stdio.h>

struct heal_case {
	char key[480];
	struct heal_finding last;
	unsigned ill, well; /* looks in a row */
	bool confirmed;
	bool seen; /* at this look */
	int64_t acted_mono_ms[HEAL_ACTIONS];
	unsigned acted; /* HEAL_BIT of those that ever were */
	UT_hash_handle hh;
};

static struct heal_case *find(struct heal_judge *j, const struct heal_finding *f)
{
	char key[sizeof(((struct heal_case *)0)->key)];
	struct heal_case *c;

	snprintf(key, sizeof(key), "%s/%s/%s", heal_kind_name(f->kind), f->host, f->subject);
	HASH_FIND_STR(j->cases, key, c);
	if (c || f->level == HEAL_OK || HASH_COUNT(j->cases) >= HEAL_CASES_MAX)
		return c;
	c = xcalloc(1, sizeof(*c));
	memcpy(c->key, key, sizeof(key));
	HASH_ADD_STR(j->cases, key, c);
	return c;
}

static bool cooling(const struct heal_judge *j, const struct heal_case *c, enum heal_action a,
					int64_t now_ms)
{
	return (c->acted & HEAL_BIT(a)) && now_ms - c->acted_mono_ms[a] < j->cooldown_ms;
}

static void act(struct heal_case *c, enum heal_action a, int64_t now_ms, heal_on_verdict on_verdict,
				void *data)
{
	c->acted |= HEAL_BIT(a);
	c->acted_mono_ms[a] = now_ms;
	on_verdict(data, &c->last, a);
}

static void see_ill(struct heal_judge *j, struct heal_case *c, const struct heal_finding *f,
					int64_t now_ms, bool at_once, heal_on_verdict on_verdict, void *data)
{
	c->last = *f;
	c->seen = true;
	c->well = 0;
	c->ill += c->ill < j->looks;
	if (c->ill < j->looks && !at_once)
		return;
	c->confirmed = true;
	for (unsigned a = HEAL_ALERT + 1; a < HEAL_ACTIONS; a++) {
		if ((f->actions & HEAL_BIT(a)) && (at_once || !cooling(j, c, (enum heal_action)a, now_ms)))
			act(c, (enum heal_action)a, now_ms, on_verdict, data);
	}
	if ((f->actions & HEAL_BIT(HEAL_ALERT)) && (at_once || !cooling(j, c, HEAL_ALERT, now_ms)))
		act(c, HEAL_ALERT, now_ms, on_verdict, data);
}

/* Returns whether it may be forgotten. */
static bool see_well(const struct heal_judge *j, struct heal_case *c, int64_t now_ms,
					 heal_on_verdict on_verdict, void *data)
{
	c->ill = 0;
	c->well += c->well < j->looks;
	if (c->confirmed && c->well >= j->looks) {
		c->confirmed = false;
		if (c->last.level != HEAL_OK)
			snprintf(c->last.reason, sizeof(c->last.reason), "it is well again");
		c->last.level = HEAL_OK;
		on_verdict(data, &c->last, HEAL_NONE);
	}
	for (unsigned a = 0; a < HEAL_ACTIONS; a++) {
		if (cooling(j, c, (enum heal_action)a, now_ms))
			return false;
	}
	return !c->confirmed;
}

void heal_judge_look(struct heal_judge *j, unsigned kinds, const struct heal_finding *f, size_t n,
					 int64_t now_ms, bool at_once, heal_on_verdict on_verdict, void *data)
{
	struct heal_case *c, *tmp;

	for (size_t i = 0; i < n; i++) {
		c = kinds & HEAL_BIT(f[i].kind) ? find(j, &f[i]) : NULL;
		if (c && f[i].level != HEAL_OK)
			see_ill(j, c, &f[i], now_ms, at_once, on_verdict, data);
		else if (c)
			c->last = f[i];
	}
	HASH_ITER (hh, j->cases, c, tmp) {
		bool of_these = (kinds & HEAL_BIT(c->last.kind)) != 0;
		if (of_these && !c->seen && see_well(j, c, now_ms, on_verdict, data)) {
			HASH_DEL(j->cases, c);
			free(c);
			continue;
		}
		c->seen = false;
	}
}

size_t heal_judge_cases(const struct heal_judge *j)
{
	return HASH_COUNT(j->cases);
}

void heal_judge_release(struct heal_judge *j)
{
	struct heal_case *c, *tmp;

	HASH_ITER (hh, j->cases, c, tmp) {
		HASH_DEL(j->cases, c);
		free(c);
	}
}
