/*
 * Keys and their turns. It stands alone because of the worst case: a hundred
 * thousand tasks of one key in front of a lane, with one place for them. Each
 * of them is sent back once or a few times, spread over the time that they
 * will need, and the tasks of other keys behind them are reached meanwhile.
 * Nothing here fails.
 */
#include "node/permit_keys.h"

#include <stdio.h>

#include "common/codec.h"

#define TURN_FIRST_NS NS_PER_S
#define TURN_MAX_NS (600 * NS_PER_S)

void permit_key_name(const char *project, char out[PERMIT_KEY_MAX + 1])
{
	size_t len = strlen(project);
	uint64_t h = 14695981039346656037u;

	if (len <= PERMIT_KEY_MAX && utf8_ok(project, len)) {
		memcpy(out, project, len + 1);
		return;
	}
	for (size_t i = 0; i < len; i++)
		h = (h ^ (unsigned char)project[i]) * 1099511628211u;
	snprintf(out, PERMIT_KEY_MAX + 1, "#%016llx", (unsigned long long)h);
}

static bool unused(const struct permit_key *k)
{
	return !k->busy && !k->waiting && !k->held;
}

/* The table is in the order of arrival. */
static void make_room(struct permit_keys *ks)
{
	struct permit_key *k, *tmp;

	HASH_ITER (hh, ks->all, k, tmp) {
		if (HASH_COUNT(ks->all) < PERMIT_KEYS_MAX)
			return;
		if (unused(k)) {
			HASH_DEL(ks->all, k);
			free(k);
		}
	}
}

struct permit_key *permit_keys_get(struct permit_keys *ks, const char *name)
{
	struct permit_key *k;

	HASH_FIND_STR(ks->all, name, k);
	if (k)
		return k;
	make_room(ks);
	k = xcalloc(1, sizeof(*k));
	snprintf(k->name, sizeof(k->name), "%s", name);
	HASH_ADD_STR(ks->all, name, k);
	return k;
}

void permit_keys_drop(struct permit_keys *ks, struct permit_key *k, int64_t now_wall_ns)
{
	if (!unused(k) || k->turn_wall_ns > now_wall_ns)
		return;
	HASH_DEL(ks->all, k);
	free(k);
}

void permit_keys_release(struct permit_keys *ks)
{
	struct permit_key *k, *tmp;

	HASH_ITER (hh, ks->all, k, tmp) {
		HASH_DEL(ks->all, k);
		free(k);
	}
}

void permit_keys_took(struct permit_keys *ks, int64_t ns)
{
	ks->mean_ns = ks->mean_ns ? (ks->mean_ns * 7 + ns) / 8 : ns;
}

int64_t permit_key_turn_ns(struct permit_keys *ks, struct permit_key *k, unsigned places,
						   int64_t now_wall_ns)
{
	int64_t step_ns = ks->mean_ns / (2 * (int64_t)MAX_OF(places, 1));
	int64_t turn = MAX_OF(k->turn_wall_ns, now_wall_ns + TURN_FIRST_NS);

	turn = MIN_OF(turn, now_wall_ns + TURN_MAX_NS);
	k->turn_wall_ns = turn + step_ns;
	return turn - now_wall_ns;
}
