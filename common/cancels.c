/*
 * Which tasks are marked. It stands alone because router, node and store each
 * keep the same table: the first two to drop what is marked, the store to see
 * to it that markers go.
 *
 * It goes well: the watch tells every marker, then each change; a look-up is
 * one hash while there are any, and nothing while there are none. It fails: an
 * entry that cannot be read is said and concerns nobody; one beyond the limit
 * is not kept, and said once. After a reconnect all is told again; markers
 * that went meanwhile are noticed when the new listing is complete.
 */
#include "common/cancels.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/log.h"

#define TOMBSTONES_MAX 20000u

struct tombstone {
	UT_hash_handle hh;
	int64_t since_mono_ms;
	uint64_t revision;
	char key[];
};

struct cancels {
	struct bus *bus;
	struct cancels_events ev;
	struct kv_watch *watch;
	struct cancel_entry *tasks, *groups; /* by key; moves are among the tasks */
	struct tombstone *gone;
	unsigned listing; /* the one that is being told, or comes next */
	bool known, complained;
};

static void drop(struct cancel_entry **table, struct cancel_entry *x)
{
	HASH_DEL(*table, x);
	free(x->whole);
	free(x);
}

static void drop_all(struct cancel_entry **table)
{
	struct cancel_entry *x, *tmp;

	HASH_ITER (hh, *table, x, tmp)
		drop(table, x);
}

static void drop_untold(struct cancel_entry **table, unsigned listing)
{
	struct cancel_entry *x, *tmp;

	HASH_ITER (hh, *table, x, tmp) {
		if (x->listing != listing)
			drop(table, x);
	}
}

static struct cancel_entry *find(struct cancel_entry *table, const char *key)
{
	struct cancel_entry *x;

	HASH_FIND_STR(table, key, x);
	return x;
}

static void forget_key(struct cancels *c, const char *key)
{
	struct cancel_entry **tables[] = {&c->tasks, &c->groups};

	for (size_t i = 0; i < ARRAY_LEN(tables); i++) {
		struct cancel_entry *x = find(*tables[i], key);
		if (x)
			drop(tables[i], x);
	}
}

/* ---- tombstones ---- */

static void bury(struct cancels *c, const char *key, uint64_t revision)
{
	size_t len = strlen(key);
	struct tombstone *t;

	HASH_FIND(hh, c->gone, key, len, t);
	if (t || len > MARKER_KEY_MAX || HASH_COUNT(c->gone) >= TOMBSTONES_MAX)
		return; /* the next listing tells it again */
	t = xmalloc(sizeof(*t) + len + 1);
	t->since_mono_ms = clock_mono_ms();
	t->revision = revision;
	memcpy(t->key, key, len + 1);
	HASH_ADD_KEYPTR(hh, c->gone, t->key, len, t);
}

static void unbury(struct cancels *c, const char *key)
{
	struct tombstone *t;

	HASH_FIND_STR(c->gone, key, t);
	if (t) {
		HASH_DEL(c->gone, t);
		free(t);
	}
}

size_t cancels_tombstones(struct cancels *c, struct cancel_tombstone *ret, size_t max)
{
	struct tombstone *t, *tmp;
	size_t n = 0;
	int64_t now_ms = clock_mono_ms();

	HASH_ITER (hh, c->gone, t, tmp) {
		/* Every watch has heard of it by then, or begins anew anyway. */
		if (n == max || now_ms - t->since_mono_ms < 30000)
			break;
		snprintf(ret[n].key, sizeof(ret[n].key), "%s", t->key);
		ret[n++].revision = t->revision;
		HASH_DEL(c->gone, t);
		free(t);
	}
	return n;
}

/* ---- the watch ---- */

static void keep(struct cancels *c, const char *key, const struct marker *m)
{
	bool group = m->kind == MARKER_GROUP;
	struct cancel_entry **table = group ? &c->groups : &c->tasks;
	size_t len = strlen(key);
	struct cancel_entry *x;

	if (HASH_COUNT(*table) >= (group ? CANCELS_GROUPS_MAX : CANCELS_MAX)) {
		if (!c->complained)
			log_warn("too many markers; further ones are not heeded",
					 LOG_S("bucket", MARKERS_BUCKET), LOG_I("kept", HASH_COUNT(*table)));
		c->complained = true;
		return;
	}
	x = xcalloc(1, sizeof(*x) + len + 1);
	memcpy(x->key, key, len + 1);
	x->stored_wall_ns = m->stored_wall_ns;
	x->seen_mono_ms = clock_mono_ms();
	x->early = m->early;
	x->listing = c->listing;
	if (m->kind != MARKER_TASK) {
		x->whole = xmalloc(sizeof(*m));
		*x->whole = *m;
	}
	HASH_ADD_KEYPTR(hh, *table, x->key, len, x);
}

static void on_listed(struct cancels *c)
{
	drop_untold(&c->tasks, c->listing);
	drop_untold(&c->groups, c->listing);
	c->listing++;
	c->known = true;
	c->complained = false;
	if (c->ev.on_known)
		c->ev.on_known(c->ev.data);
}

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct cancels *c = data;
	struct marker m;
	struct err e;

	if (!entry->key) {
		on_listed(c);
		return;
	}
	forget_key(c, entry->key);
	if (entry->deleted) {
		bury(c, entry->key, entry->revision);
		return;
	}
	unbury(c, entry->key);
	if (marker_parse(entry->key, entry->value, entry->len, entry->stored_wall_ns, &m, &e)) {
		log_warn("not a marker; ignored", LOG_S("bucket", MARKERS_BUCKET), LOG_S("error", e.text));
		return;
	}
	keep(c, entry->key, &m);
	if (c->ev.on_marker)
		c->ev.on_marker(c->ev.data, &m);
}

/* ---- looking up ---- */

void cancels_marker(const struct cancel_entry *x, struct marker *ret)
{
	if (x->whole) {
		*ret = *x->whole;
		return;
	}
	*ret = (struct marker){
		.kind = MARKER_TASK, .stored_wall_ns = x->stored_wall_ns, .early = x->early};
	snprintf(ret->id, sizeof(ret->id), "%s", x->key + strlen("task."));
}

static bool in_table(struct cancel_entry *table, const struct marked_task *t)
{
	char key[MARKER_KEY_MAX + 1];
	struct cancel_entry *x;

	if (!table)
		return false;
	snprintf(key, sizeof(key), "task.%s", t->id);
	x = find(table, key);
	return x && (!x->early || t->submitted_wall_ns <= x->stored_wall_ns);
}

static bool in_groups(struct cancel_entry *table, const struct marked_task *t)
{
	for (const struct cancel_entry *x = table; x; x = x->hh.next) {
		if (marker_cancels(x->whole, t))
			return true;
	}
	return false;
}

bool cancels_meant(const struct cancels *c, const struct marked_task *t)
{
	if (!c)
		return false;
	return in_table(c->tasks, t) || in_groups(c->groups, t);
}

const struct marker *cancels_move(const struct cancels *c, const char *id)
{
	char key[MARKER_KEY_MAX + 1];
	struct cancel_entry *x;

	if (!c || !c->tasks)
		return NULL;
	snprintf(key, sizeof(key), "move.%s", id);
	x = find(c->tasks, key);
	return x ? x->whole : NULL;
}

struct cancel_entry *cancels_first(const struct cancels *c)
{
	return c->tasks;
}

struct cancel_entry *cancels_groups(const struct cancels *c)
{
	return c->groups;
}

struct cancel_entry *cancels_find(const struct cancels *c, const char *key)
{
	struct cancel_entry *x = find(c->tasks, key);

	return x ? x : find(c->groups, key);
}

size_t cancels_count(const struct cancels *c)
{
	return HASH_COUNT(c->tasks);
}

size_t cancels_group_count(const struct cancels *c)
{
	return HASH_COUNT(c->groups);
}

bool cancels_known(const struct cancels *c)
{
	return c && c->known;
}

/* ---- begin and end ---- */

int cancels_open(struct bus *bus, const struct cancels_events *ev, struct cancels **ret,
				 struct err *e)
{
	struct cancels *c = xcalloc(1, sizeof(*c));

	c->bus = bus;
	c->ev = *ev;
	int rc = kv_watch(bus, MARKERS_BUCKET, ">", on_entry, c, &c->watch, e);
	if (rc) {
		free(c);
		return rc;
	}
	*ret = c;
	return 0;
}

void cancels_close(struct cancels **pc)
{
	struct cancels *c = TAKE(*pc);
	struct tombstone *t, *tmp;

	if (!c)
		return;
	kv_watch_stop(&c->watch);
	drop_all(&c->tasks);
	drop_all(&c->groups);
	HASH_ITER (hh, c->gone, t, tmp) {
		HASH_DEL(c->gone, t);
		free(t);
	}
	free(c);
}
