/*
 * Tasks of a limited lane that wait for a place of their key. Apart from the
 * book, which is about places only: here are tasks. Well: there is a place, the
 * task starts in the turn in which it came. A place that nobody has is asked
 * for meanwhile. Where others have them all, up to a quarter of the slots may
 * wait here, and take the place of one that ends without a word to anybody;
 * the rest is returned to the router, with its turn as Retry-After.
 */
#include <utlist.h>

#include "node/permits_internal.h"

#define WAIT_MOST_MS 5000 /* a task waits here for its key's place at most */

static void stop_waiting(struct permits *pm, struct run *r)
{
	DL_DELETE(pm->waiting, r);
	r->place = RUN_NOWHERE;
	r->permit_key->waiting--;
	pm->nwaiting--;
}

static void go(struct permits *pm, struct run *r)
{
	stop_waiting(pm, r);
	r->permit_key->busy++;
	run_start(r);
}

static void send_back(struct permits *pm, struct run *r)
{
	struct permit_key *k = r->permit_key;
	int64_t wall_ns = clock_wall_ns();
	int64_t turn_ns = permit_key_turn_ns(&pm->keys, k, pm->set.key_concurrency, wall_ns);

	r->permit_key = NULL;
	run_return(r, "limit", "as many tasks of its project run as its lane allows", turn_ns);
}

/* How many may wait that are known to find no place. */
static unsigned wait_most(const struct permits *pm)
{
	unsigned places = pm->node->slots.total;

	if (pm->set.concurrency)
		places = MIN_OF(places, pm->set.concurrency);
	return places < 2 ? 0 : MAX_OF(places / 4, 1);
}

static unsigned places_left(const struct permits *pm, const struct permit_key *k)
{
	unsigned others = permit_book_others(pm->book, pm->node->instance, k->name);
	unsigned mine = MAX_OF(k->held, k->busy), limit = pm->set.key_concurrency;

	return limit > others + mine ? limit - others - mine : 0;
}

/* Who has a place starts; of those that have none only so many stay. */
static void go_through_waiting(struct permits *pm)
{
	unsigned stay = wait_most(pm);
	int64_t now_ms = clock_mono_ms();
	struct run *r, *tmp;

	DL_FOREACH_SAFE (pm->waiting, r, tmp) {
		struct permit_key *k = r->permit_key;
		if (!pm->set.key_concurrency || k->busy < k->held) {
			go(pm, r);
		} else if (places_left(pm, k) > 0) {
			continue; /* being asked for */
		} else if (stay && now_ms - r->started_ms < WAIT_MOST_MS && !node_declines(pm->node)) {
			stay--;
		} else {
			stop_waiting(pm, r);
			send_back(pm, r);
		}
	}
}

void permits_serve_waiting(struct permits *pm)
{
	pm->left = true;
	if (pm->serving)
		return;
	pm->serving = true;
	while (pm->left) {
		pm->left = false;
		go_through_waiting(pm);
	}
	pm->serving = false;
}

bool permits_enter(struct permits *pm, struct run *r)
{
	char name[PERMIT_KEY_MAX + 1];

	if (!pm->set.key_concurrency || !r->task.project || !r->task.project[0])
		return true;
	permit_key_name(r->task.project, name);
	struct permit_key *k = permit_keys_get(&pm->keys, name);
	r->permit_key = k;
	if (!k->waiting && k->busy < k->held) {
		k->busy++;
		return true;
	}
	r->place = RUN_WAITING;
	DL_APPEND(pm->waiting, r);
	k->waiting++;
	pm->nwaiting++;
	if (places_left(pm, k) > 0)
		permits_settle(pm);
	else
		permits_serve_waiting(pm);
	return false;
}

void permits_enter_running(struct permits *pm, struct run *r)
{
	char name[PERMIT_KEY_MAX + 1];

	if (r->permit_key || !r->task.project || !r->task.project[0])
		return;
	permit_key_name(r->task.project, name);
	r->permit_key = permit_keys_get(&pm->keys, name);
	r->permit_key->busy++;
}

void permits_leave(struct permits *pm, struct run *r)
{
	struct permit_key *k = TAKE(r->permit_key);

	if (!k)
		return;
	k->busy--;
	permit_keys_took(&pm->keys, MAX_OF(r->finished_wall_ns - r->started_wall_ns, 0));
	if (k->waiting) {
		permits_serve_waiting(pm);
		return;
	}
	if (permits_active(pm))
		permits_release_later(pm);
	else
		permit_keys_drop(&pm->keys, k, INT64_MAX);
}
