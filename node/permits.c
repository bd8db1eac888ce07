/*
 * The edge of a lane's shared limits: the lane's key in the bucket `limits`,
 * watched while there is a limit, and changed by compare-and-set, one change
 * under way at a time; wishes that come meanwhile go with the next.
 *
 * Well: an idle node holds nothing. Work is known of, places are taken with
 * one write, and kept as long as there is more to do: a busy lane costs a
 * write every two seconds. Badly: another node was faster (read anew, wished
 * anew); there is no place (the watch tells when there is one); a holder was
 * killed (its places are struck out when its beat was not seen to change for
 * PERMITS_DEAD_MS); this node was stopped and struck out itself (what it
 * still runs is entered again at once, over the limit if need be); the broker
 * is away (nothing new is begun).
 */
#include <stdio.h>
#include <utlist.h>

#include "common/log.h"
#include "node/permits_internal.h"

#define RELEASE_MS 50 /* what nobody needs is kept for so long, in case */
#define RETRY_MS 1000 /* after a write that failed */
#define TOKENS_KEEP_MS 200
#define LOOK_AGAIN_MS 200 /* while it is busy anyway */
#define PROBE_MS 2000 /* what came back, perhaps, is asked for so often: may_wait */

bool permits_active(const struct permits *pm)
{
	return pm->watch != NULL;
}

/* ---- who lives ---- */

static void look_at_holders(struct permits *pm)
{
	const char *name;
	json_t *h;
	struct seen *s, *tmp;

	json_object_foreach (json_object_get(pm->book, "holders"), name, h) {
		json_int_t beat = permit_book_beat(pm->book, name);
		HASH_FIND_STR(pm->seen, name, s);
		if (!s) {
			s = xcalloc(1, sizeof(*s));
			s->holder = xstrdup(name);
			s->beat = beat - 1;
			HASH_ADD_KEYPTR(hh, pm->seen, s->holder, strlen(s->holder), s);
		}
		if (s->beat != beat)
			s->mono_ms = clock_mono_ms();
		s->beat = beat;
	}
	HASH_ITER (hh, pm->seen, s, tmp) {
		if (permit_book_beat(pm->book, s->holder) >= 0)
			continue;
		HASH_DEL(pm->seen, s);
		free(s->holder);
		free(s);
	}
}

static bool is_dead(void *data, const char *holder)
{
	const struct permits *pm = data;
	struct seen *s;

	HASH_FIND_STR(pm->seen, holder, s);
	return s && clock_mono_ms() - s->mono_ms > PERMITS_DEAD_MS;
}

/* ---- the book ---- */

static void take_over(struct permits *pm)
{
	struct permit_key *k, *tmp;
	const json_t *mine = json_object_get(
		json_object_get(json_object_get(pm->book, "holders"), pm->node->instance), "keys");

	look_at_holders(pm);
	pm->held = permit_book_held(pm->book, pm->node->instance);
	HASH_ITER (hh, pm->keys.all, k, tmp) {
		json_int_t n = json_integer_value(json_object_get(mine, k->name));
		k->held = n > 0 ? (unsigned)n : 0;
		permit_keys_drop(&pm->keys, k, clock_wall_ns());
	}
	permits_serve_waiting(pm);
	puller_wanted(pm->node->puller);
}

static void set_book(struct permits *pm, json_t **book, uint64_t revision)
{
	json_decref(pm->book);
	pm->book = TAKE(*book);
	pm->revision = revision;
	pm->known = true;
	take_over(pm);
}

static json_t *parse(const struct kv_entry *entry)
{
	json_t *j = entry && !entry->deleted ? json_loadb(entry->value, entry->len, 0, NULL) : NULL;

	if (json_is_object(j))
		return j;
	json_decref(j);
	return json_object();
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct permits *pm = data;

	if (!entry->key) {
		pm->known = true; /* there may be none */
	} else if (!pm->known || entry->revision > pm->revision) {
		json_t *book = parse(entry);
		set_book(pm, &book, entry->revision);
	}
	if (!pm->writing && !pm->reading)
		permits_settle(pm);
}

static void on_retry(struct timeout *t)
{
	permits_settle(container_of(t, struct permits, retry));
}

static void on_get(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct permits *pm = data;

	pm->reading = false;
	if (e && e->code != ERR_NOT_FOUND) {
		timeout_start(&pm->retry, RETRY_MS, on_retry);
		return;
	}
	json_t *book = parse(entry);
	set_book(pm, &book, entry ? entry->revision : 0);
	permits_settle(pm);
}

static void read_it(struct permits *pm)
{
	struct err e;

	if (pm->reading)
		return;
	pm->reading = true;
	if (kv_get(pm->node->bus, "limits", pm->lane, on_get, pm, &e)) {
		pm->reading = false;
		timeout_start(&pm->retry, RETRY_MS, on_retry);
	}
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct permits *pm = data;
	json_t *next = TAKE(pm->next);

	pm->writing = false;
	if (e && e->code == ERR_CONFLICT) {
		json_decref(next);
		read_it(pm);
		return;
	}
	if (e) {
		json_decref(next);
		/* It may be written all the same, and what is given back twice is begun twice. */
		pm->tokens_back -= pm->tokens_returned;
		log_warn("a share of a lane's limit is not had; asking again", LOG_S("lane", pm->lane),
				 LOG_S("error", e->text), LOG_I("retry_ms", RETRY_MS));
		timeout_start(&pm->retry, RETRY_MS, on_retry);
		return;
	}
	pm->due_beat = false;
	pm->tokens_back -= pm->tokens_returned;
	/* The oldest of them counts: else what was had long ago would be a burst on top of what is due now. */
	if (!pm->tokens)
		pm->tokens_until_ms = clock_mono_ms() + TOKENS_KEEP_MS;
	pm->tokens += pm->tokens_coming;
	if (revision > pm->revision)
		set_book(pm, &next, revision);
	json_decref(next);
	puller_wanted(pm->node->puller);
	if (pm->again)
		permits_settle(pm);
}

/* ---- wishes ---- */

static void on_token(struct timeout *t)
{
	permits_settle(container_of(t, struct permits, token));
}

static size_t list_keys(struct permits *pm, struct permit_key_wish **ret)
{
	size_t n = 0;
	struct permit_key_wish *list = xcalloc(HASH_COUNT(pm->keys.all) + 1, sizeof(*list));

	for (struct permit_key *k = pm->keys.all; k; k = k->hh.next) {
		if (k->busy || k->waiting)
			list[n++] = (struct permit_key_wish){
				.key = k->name, .busy = k->busy, .want = k->busy + k->waiting};
	}
	*ret = list;
	return n;
}

/* What is being given back is not used any more: as soon as it is written others have it. */
static void let_go(struct permits *pm, const json_t *next)
{
	const json_t *keys = json_object_get(
		json_object_get(json_object_get(next, "holders"), pm->node->instance), "keys");
	unsigned held = permit_book_held(next, pm->node->instance);

	pm->held = MIN_OF(pm->held, held);
	for (struct permit_key *k = pm->keys.all; k; k = k->hh.next) {
		json_int_t n = json_integer_value(json_object_get(keys, k->name));
		k->held = MIN_OF(k->held, n > 0 ? (unsigned)n : 0);
	}
}

void permits_settle(struct permits *pm)
{
	struct permit_key_wish *keys;
	struct permit_grant g;
	struct err e;

	pm->again = pm->writing || pm->reading;
	if (pm->again || !pm->known || !pm->watch || timeout_running(&pm->retry))
		return;
	pm->rules = (struct permit_rules){.rate_per_s = pm->set.rate_per_s,
									  .concurrency = pm->set.concurrency,
									  .key_concurrency = pm->set.key_concurrency,
									  .now_wall_ns = clock_wall_ns()};
	unsigned in_use = pm->running + pm->asked;
	struct permit_wish w = {
		.me = pm->node->instance,
		.beat = pm->due_beat,
		.busy = pm->running,
		.want = MAX_OF(pm->need, in_use),
		.tokens = pm->tokens_wanted > pm->tokens ? pm->tokens_wanted - pm->tokens : 0,
		.tokens_back = pm->tokens_back,
		.dead = is_dead,
		.data = pm,
	};
	w.nkeys = list_keys(pm, &keys);
	w.keys = keys;
	json_t *next = json_deep_copy(pm->book);
	permit_book_settle(next, &pm->rules, &w, &g);
	if (g.changed)
		let_go(pm, next);
	free(keys);
	pm->tokens_coming = pm->set.rate_per_s > 0 ? g.tokens : 0;
	pm->tokens_returned = pm->tokens_back;
	if (g.tokens_wall_ns)
		timeout_start(&pm->token,
					  MAX_OF((g.tokens_wall_ns - pm->rules.now_wall_ns) / NS_PER_MS + 1, 1),
					  on_token);
	if (!g.changed) {
		json_decref(next);
		return;
	}
	CLEANUP(free_ptr) char *text = json_dumps(next, JSON_COMPACT);
	pm->next = next;
	pm->writing = true;
	if (kv_put(pm->node->bus, "limits", pm->lane, text, strlen(text), pm->revision, on_put, pm,
			   &e)) {
		pm->writing = false;
		json_decref(TAKE(pm->next));
		timeout_start(&pm->retry, RETRY_MS, on_retry);
	}
}

static void on_release(struct timeout *t)
{
	struct permits *pm = container_of(t, struct permits, release);

	/* A plan gives back the tokens, too, that were for earlier. */
	puller_wanted(pm->node->puller);
	permits_settle(pm);
}

void permits_release_later(struct permits *pm)
{
	if (!timeout_running(&pm->release))
		timeout_start(&pm->release, RELEASE_MS, on_release);
}

static void on_beat(struct timeout *t)
{
	struct permits *pm = container_of(t, struct permits, beat);

	timeout_start(t, PERMITS_BEAT_MS, on_beat);
	permits_serve_waiting(pm); /* those that waited long enough go back */
	look_at_holders(pm);
	pm->due_beat = true;
	permits_settle(pm);
}

/* ---- for the puller ---- */

/* Places and tokens that nothing was asked for yet. */
static unsigned places_free(const struct permits *pm)
{
	unsigned in_use = pm->running + pm->asked;

	if (!pm->set.concurrency)
		return UINT32_MAX;
	return pm->held > in_use ? pm->held - in_use : 0;
}

static unsigned tokens_free(const struct permits *pm)
{
	if (!(pm->set.rate_per_s > 0))
		return UINT32_MAX;
	return pm->tokens > pm->asked ? pm->tokens - pm->asked : 0;
}

unsigned permits_plan(struct permits *pm, unsigned running, unsigned asked, unsigned wanted)
{
	pm->running = running;
	pm->asked = asked;
	pm->need = running + asked + wanted;
	pm->tokens_wanted = asked + MIN_OF(wanted, permit_burst(pm->set.rate_per_s));
	/* What was not used in its time was for then; given back for what is wanted now, not for what was. */
	if (pm->tokens > asked && clock_mono_ms() > pm->tokens_until_ms) {
		pm->tokens_back += pm->tokens - asked;
		pm->tokens = asked;
		permits_settle(pm);
	}
	if (!pm->known)
		return 0;
	if (places_free(pm) < wanted || (wanted && !tokens_free(pm) && !timeout_running(&pm->token)))
		permits_settle(pm);
	else if ((pm->set.concurrency && places_free(pm) > wanted) || pm->tokens > pm->tokens_wanted)
		permits_release_later(pm);
	/* No more than was wished for: the rest is on its way back. */
	return MIN_OF(MIN_OF(places_free(pm), tokens_free(pm)), wanted);
}

/* ---- is there work? ---- */

/*
 * What was delivered and came back (its node was killed, or handed it back) is among what is being run, and
 * only asking tells which: so where nothing is new, that is asked for now and then.
 */
static uint64_t may_wait(const json_t *consumer, bool probe)
{
	json_int_t fresh = json_integer_value(json_object_get(consumer, "num_pending"));
	json_int_t out = json_integer_value(json_object_get(consumer, "num_ack_pending"));

	return (uint64_t)MAX_OF(fresh > 0 || !probe ? fresh : out, 0);
}

static void on_consumers(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct permits *pm = data;
	int64_t now_ms = clock_mono_ms();
	bool probe = now_ms - pm->probed_ms >= PROBE_MS;
	size_t i;
	json_t *c;

	(void)server_code;
	pm->looking = false;
	if (e)
		return; /* the next sweep looks again */
	if (probe)
		pm->probed_ms = now_ms;
	json_array_foreach (json_object_get(reply, "consumers"), i, c) {
		const char *name = json_string_value(json_object_get(c, "name"));
		uint64_t n = may_wait(c, probe);
		for (unsigned k = 0; name && n && k < CLASS_COUNT; k++) {
			if (str_eq(name, task_class_name(k)))
				puller_found(pm->node->puller, pm->lane, k, n);
		}
	}
}

static void look(struct permits *pm)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.LIST.LANE_%s", pm->lane);
	struct err e;

	pm->looked_ms = clock_mono_ms();
	if (!pm->looking && js_api(pm->node->bus, verb, NULL, on_consumers, pm, &e) == 0)
		pm->looking = true;
}

static void on_look(struct timeout *t)
{
	look(container_of(t, struct permits, look));
}

void permits_look(struct permits *pm, bool idle)
{
	int64_t since_ms = clock_mono_ms() - pm->looked_ms;

	if (idle || since_ms >= LOOK_AGAIN_MS)
		look(pm);
	else if (!timeout_running(&pm->look))
		timeout_start(&pm->look, LOOK_AGAIN_MS - since_ms, on_look);
}

bool permits_take(struct permits *pm, unsigned running)
{
	if (pm->set.rate_per_s > 0) {
		if (!pm->tokens)
			return false;
		pm->tokens--;
	}
	return !pm->set.concurrency || running < pm->held;
}

/* ---- life ---- */

struct permits *permits_get(struct permits **all, struct node *n, const char *lane)
{
	struct permits *pm;

	DL_FOREACH2 (*all, pm, next_of_all) {
		if (str_eq(pm->lane, lane))
			return pm;
	}
	pm = xcalloc(1, sizeof(*pm));
	DL_APPEND2(*all, pm, prev, next_of_all);
	pm->node = n;
	snprintf(pm->lane, sizeof(pm->lane), "%s", lane);
	pm->book = json_object();
	timeout_init(&pm->beat, bus_timeouts(n->bus));
	timeout_init(&pm->token, bus_timeouts(n->bus));
	timeout_init(&pm->release, bus_timeouts(n->bus));
	timeout_init(&pm->retry, bus_timeouts(n->bus));
	timeout_init(&pm->look, bus_timeouts(n->bus));
	return pm;
}

static void begin(struct permits *pm)
{
	struct err e;

	if (kv_watch(pm->node->bus, "limits", pm->lane, on_entry, pm, &pm->watch, &e)) {
		log_error("a lane's limits can't be kept; it is not served by more than it runs",
				  LOG_S("lane", pm->lane), LOG_S("error", e.text));
		return;
	}
	timeout_start(&pm->beat, PERMITS_BEAT_MS, on_beat);
}

static void be_quiet(struct permits *pm)
{
	kv_watch_stop(&pm->watch);
	timeout_stop(&pm->beat);
	timeout_stop(&pm->token);
	timeout_stop(&pm->release);
	timeout_stop(&pm->retry);
	timeout_stop(&pm->look);
}

/* Gives all back at once, where nothing runs; else with the last beat that nobody renews. */
static void cease(struct permits *pm)
{
	if (!pm->watch)
		return;
	pm->need = pm->tokens_wanted = 0;
	timeout_stop(&pm->retry);
	permits_settle(pm);
	be_quiet(pm);
	pm->known = pm->again = false;
	pm->held = pm->tokens = 0;
}

void permits_set(struct permits *pm, const struct lane_setting *set, unsigned running)
{
	pm->set = *set;
	pm->running = running;
	if (!lane_setting_metered(set)) {
		cease(pm);
		permits_serve_waiting(pm);
		return;
	}
	if (!pm->watch)
		begin(pm);
	permits_serve_waiting(pm);
	permits_settle(pm);
}

static void release(struct permits *pm)
{
	struct seen *s, *tmp;

	HASH_ITER (hh, pm->seen, s, tmp) {
		HASH_DEL(pm->seen, s);
		free(s->holder);
		free(s);
	}
	permit_keys_release(&pm->keys);
	json_decref(pm->book);
	json_decref(pm->next);
	free(pm);
}

void permits_close_all(struct permits *all)
{
	struct permits *pm;

	DL_FOREACH2 (all, pm, next_of_all)
		be_quiet(pm);
}

void permits_free_all(struct permits **all)
{
	struct permits *pm, *tmp;

	DL_FOREACH_SAFE2 (*all, pm, tmp, next_of_all)
		release(pm);
	*all = NULL;
}
