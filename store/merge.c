/*
 * Which of a task's events count. It stands alone because everything that
 * "order does not matter" means is here, and can be tested by permutation.
 * Each kind of event keeps its winner by a rule that compares two of them;
 * merge_task_row then reads the row off the winners. It cannot fail: what
 * comes in has been checked (event.c).
 */
#include "store/merge.h"

#include <stdio.h>

bool state_is_final(Millrace__State s)
{
	return s >= MILLRACE__STATE__STATE_COMPLETED;
}

static int64_t earlier(int64_t a, int64_t b)
{
	return a == 0 ? b : b == 0 ? a : MIN_OF(a, b);
}

static struct merge_task *task_of(struct merge *m, const char *id, int64_t submitted, int64_t seen)
{
	struct merge_task *t;
	size_t len = strlen(id);
	unsigned hash;
	HASH_VALUE(id, len, hash);
	HASH_FIND_BYHASHVALUE(hh, m->tasks, id, len, hash, t);
	if (t == NULL) {
		t = arena_alloc(&m->arena, sizeof(*t));
		t->id = id;
		HASH_ADD_KEYPTR_BYHASHVALUE(hh, m->tasks, t->id, len, hash, t);
	}
	t->submitted_wall_ns = earlier(t->submitted_wall_ns, submitted);
	t->seen_wall_ns = earlier(t->seen_wall_ns, seen);
	return t;
}

/* Whether a later event (epoch, state) supersedes an earlier one. */
static bool newer(uint64_t epoch, Millrace__State state, uint64_t than_epoch,
				  Millrace__State than_state)
{
	return epoch != than_epoch ? epoch > than_epoch : state > than_state;
}

/* Where the task's message is: of the router's words the latest, and of one epoch the lane's: it was there last. */
static void placed(struct merge_task *t, uint64_t epoch, bool on_lane, uint64_t seq)
{
	uint32_t place = (uint32_t)MIN_OF(epoch >> 32, (uint64_t)INT32_MAX / 2) * 2 + on_lane;
	if (place > t->place) {
		t->place = place;
		t->lane_seq = seq;
	} else if (place == t->place) {
		t->lane_seq = MAX_OF(t->lane_seq, seq);
	}
}

void merge_queued(struct merge *m, const Millrace__Queued *q, int64_t seen_wall_ns)
{
	struct merge_task *t = task_of(m, q->id, q->submitted_at, seen_wall_ns);
	if (t->queued == NULL || newer(q->epoch, q->state, t->queued->epoch, t->queued->state)) {
		t->queued = q;
	}
	/* The body comes with the first attempt only; among equals the first attempt speaks. */
	const Millrace__Queued *f = t->facts;
	if (f == NULL || (q->body.len > 0) > (f->body.len > 0) ||
		((q->body.len > 0) == (f->body.len > 0) && newer(f->epoch, f->state, q->epoch, q->state))) {
		t->facts = q;
	}
	t->queued_wall_ns = MAX_OF(t->queued_wall_ns, q->queued_at);
	t->due_wall_ns = MAX_OF(t->due_wall_ns, q->due_at);
	placed(t, q->epoch, q->state == MILLRACE__STATE__STATE_QUEUED, q->lane_seq);
}

void merge_started(struct merge *m, const Millrace__Started *s, int64_t seen_wall_ns)
{
	struct merge_task *t = task_of(m, s->id, s->submitted_at, seen_wall_ns);
	if (t->started == NULL || s->epoch > t->started->epoch) {
		t->started = s;
	}
}

void merge_outcome(struct merge *m, const Millrace__Outcome *o, uint64_t order,
				   int64_t seen_wall_ns)
{
	struct merge_task *t = task_of(m, o->id, o->submitted_at, seen_wall_ns);
	if (t->outcome == NULL || order < t->outcome_order) {
		t->outcome = o;
		t->outcome_order = order;
	}
	if (o->lane_seq != 0) {
		placed(t, o->epoch, true, o->lane_seq);
	}
	/* Failed attempts have come by events.act; a success after them completes the list. */
	if (o->state == MILLRACE__STATE__STATE_COMPLETED && o->attempt > 1) {
		merge_attempt(m, &(struct merge_attempt){
							 .task_id = o->id,
							 .attempt = o->attempt,
							 .epoch = o->epoch,
							 .outcome = "completed",
							 .node = o->node,
							 .lane = o->lane,
							 .started_wall_ns = o->started_at,
							 .finished_wall_ns = o->finished_at,
						 });
	}
}

/* 1 for what spent the attempt: a return never hides it. */
static int weight(const struct merge_attempt *a)
{
	return strcmp(a->outcome, "returned") != 0;
}

void merge_attempt(struct merge *m, const struct merge_attempt *a)
{
	char key[256];
	int len = snprintf(key, sizeof(key), "%s/%u", a->task_id, a->attempt);
	struct merge_attempt *mine;
	HASH_FIND(hh, m->attempts, key, (size_t)len, mine);
	if (mine == NULL) {
		mine = arena_alloc(&m->arena, sizeof(*mine));
		*mine = *a;
		mine->key = arena_memdup0(&m->arena, key, (size_t)len);
		HASH_ADD_KEYPTR(hh, m->attempts, mine->key, (size_t)len, mine);
	} else if (weight(a) > weight(mine) || (weight(a) == weight(mine) && a->epoch > mine->epoch)) {
		struct merge_attempt kept = *mine; /* its place in the table stays */
		*mine = *a;
		mine->key = kept.key;
		mine->hh = kept.hh;
	}
}

void merge_node(struct merge *m, const Millrace__NodeStatus *n)
{
	struct merge_node *mine;
	HASH_FIND_STR(m->nodes, n->name, mine);
	if (mine == NULL) {
		mine = arena_alloc(&m->arena, sizeof(*mine));
		mine->name = n->name;
		mine->status = n;
		HASH_ADD_KEYPTR(hh, m->nodes, mine->name, strlen(mine->name), mine);
	} else if (n->heartbeat_at > mine->status->heartbeat_at) {
		mine->status = n;
	}
}

void merge_note(struct merge *m, const struct merge_note *n)
{
	struct merge_note *mine;
	HASH_FIND_STR(m->notes, n->key, mine);
	if (mine == NULL) {
		mine = arena_alloc(&m->arena, sizeof(*mine));
		*mine = *n;
		HASH_ADD_KEYPTR(hh, m->notes, mine->key, strlen(mine->key), mine);
	} else if (n->at_wall_ns > mine->at_wall_ns) {
		mine->event = n->event;
		mine->json = n->json;
		mine->at_wall_ns = n->at_wall_ns;
	}
}

size_t merge_task_count(const struct merge *m)
{
	return HASH_COUNT(m->tasks);
}

size_t merge_attempt_count(const struct merge *m)
{
	return HASH_COUNT(m->attempts);
}

size_t merge_node_count(const struct merge *m)
{
	return HASH_COUNT(m->nodes);
}

size_t merge_note_count(const struct merge *m)
{
	return HASH_COUNT(m->notes);
}

static int by_id(const struct merge_task *a, const struct merge_task *b)
{
	return strcmp(a->id, b->id);
}

static int by_attempt(const struct merge_attempt *a, const struct merge_attempt *b)
{
	int c = strcmp(a->task_id, b->task_id);
	return c != 0 ? c : (a->attempt > b->attempt) - (a->attempt < b->attempt);
}

static int by_name(const struct merge_node *a, const struct merge_node *b)
{
	return strcmp(a->name, b->name);
}

static int by_key(const struct merge_note *a, const struct merge_note *b)
{
	return strcmp(a->key, b->key);
}

void merge_sort(struct merge *m)
{
	HASH_SORT(m->tasks, by_id);
	HASH_SORT(m->attempts, by_attempt);
	HASH_SORT(m->nodes, by_name);
	HASH_SORT(m->notes, by_key);
}

void merge_reset(struct merge *m)
{
	HASH_CLEAR(hh, m->tasks);
	HASH_CLEAR(hh, m->attempts);
	HASH_CLEAR(hh, m->nodes);
	HASH_CLEAR(hh, m->notes);
	arena_reset(&m->arena);
}

void merge_release(struct merge *m)
{
	merge_reset(m);
	arena_release(&m->arena);
}

/* The first that says anything. */
static const char *first_of(const char *a, const char *b, const char *c)
{
	return a != NULL && a[0] != '\0' ? a : b != NULL && b[0] != '\0' ? b : c;
}

void merge_task_row(const struct merge_task *t, struct task_row *ret)
{
	const Millrace__Queued *q = t->queued;
	const Millrace__Started *s = t->started;
	const Millrace__Outcome *o = t->outcome;
	struct task_row r = {
		.id = t->id,
		.type = first_of(t->facts ? t->facts->type : NULL, o ? o->type : NULL, s ? s->type : NULL),
		.lane = first_of(t->facts ? t->facts->lane : NULL, o ? o->lane : NULL, s ? s->lane : NULL),
		.submitted_wall_ns = t->submitted_wall_ns != 0 ? t->submitted_wall_ns : t->seen_wall_ns,
		.queued_wall_ns = t->queued_wall_ns,
		.due_wall_ns = t->due_wall_ns,
		.lane_seq = t->lane_seq,
		.place = t->place,
		.facts = t->facts,
		.outcome = o,
	};
	if (o != NULL) {
		r.state = o->state;
		r.attempt = o->attempt;
		r.epoch = o->epoch;
		r.node = o->node;
		r.error = o->error;
		r.reason = o->reason;
		r.started_wall_ns = o->started_at;
		r.finished_wall_ns = o->finished_at != 0 ? o->finished_at : t->seen_wall_ns;
	} else if (s != NULL &&
			   (q == NULL || newer(s->epoch, MILLRACE__STATE__STATE_RUNNING, q->epoch, q->state))) {
		r.state = MILLRACE__STATE__STATE_RUNNING;
		r.attempt = s->attempt;
		r.epoch = s->epoch;
		r.node = s->node;
		r.started_wall_ns = s->started_at;
	} else {
		r.state = q->state;
		r.attempt = q->attempt;
		r.epoch = q->epoch;
		r.node = q->node;
		r.error = q->error;
		r.reason = q->reason;
	}
	*ret = r;
}
