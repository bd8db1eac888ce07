/*
 * From messages of EVENTS to merged rows. It stands alone so that reading
 * strangers' bytes can be tested (and fuzzed) without broker and database.
 *
 * It goes well: the subject tells the kind, codec gives the record (protobuf,
 * or JSON by Content-Type or a leading brace), each of its events is checked
 * and merged. It fails: a message that is no such record, or one event of it
 * that makes no sense, is noted with a sentence; the rest of the message counts.
 */
#include "store/batch.h"

#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/task.h"
#include "store/note.h"
#include "store/text.h"

/* ---- growing arrays ---- */

#define GROW(array, n, cap, type)                                  \
	do {                                                           \
		if ((n) == (cap)) {                                        \
			(cap) = (cap) == 0 ? 64 : (cap)*2;                     \
			(array) = xreallocarray((array), (cap), sizeof(type)); \
		}                                                          \
	} while (0)

static void keep_record(struct batch *b, ProtobufCMessage *record)
{
	GROW(b->records, b->nrecords, b->records_cap, ProtobufCMessage *);
	b->records[b->nrecords++] = record;
}

/* ---- setting aside ---- */

static const char *headers_text(struct batch *b, const struct batch_message *m)
{
	CLEANUP(buf_release) struct buf json = {0};
	for (size_t i = 0; i < m->nheaders && json.len < HEADERS_MAX_BYTES / 2; i++) {
		buf_add(&json, i == 0 ? "{" : ",", 1);
		text_add_json(&json, m->headers[i].name);
		buf_add(&json, ":", 1);
		text_add_json(&json, m->headers[i].value);
	}
	if (json.len == 0 || json.len >= HEADERS_MAX_BYTES - 1) {
		return NULL;
	}
	buf_add(&json, "}", 1);
	return arena_memdup0(&b->merge.arena, json.data, json.len);
}

static void set_aside(struct batch *b, const struct rejected *proto, const void *data, size_t len)
{
	GROW(b->rejected, b->nrejected, b->rejected_cap, struct rejected);
	struct rejected *x = &b->rejected[b->nrejected++];
	*x = *proto;
	x->error = arena_strdup(&b->merge.arena, proto->error);
	x->task_id = arena_strdup(&b->merge.arena, proto->task_id);
	x->subject = arena_strdup(&b->merge.arena, proto->subject);
	x->data = arena_memdup0(&b->merge.arena, data, MIN_OF(len, (size_t)REJECTED_MAX_BYTES));
	x->data_len = len;
}

static void reject_message(struct batch *b, const struct batch_message *m, const struct err *e)
{
	set_aside(b,
			  &(struct rejected){
				  .stored_wall_ns = m->stored_wall_ns,
				  .seq = m->seq,
				  .subject = m->subject,
				  .error = e->text,
				  .headers = headers_text(b, m),
			  },
			  m->data, m->len);
}

/* One event of a message, as a record of its own that may be published on the same subject. */
static void reject_part(struct batch *b, const struct batch_message *m, uint32_t part,
						const char *id, const ProtobufCMessage *record, const struct err *e)
{
	CLEANUP(buf_release) struct buf packed = {0};
	codec_pack(record, &packed);
	set_aside(b,
			  &(struct rejected){
				  .stored_wall_ns = m->stored_wall_ns,
				  .seq = m->seq,
				  .part = part,
				  .subject = m->subject,
				  .task_id = id,
				  .error = e->text,
			  },
			  packed.data, packed.len);
}

/* ---- one event each ---- */

static void check_priority(Millrace__Queued *q)
{
	if ((int)q->priority < MILLRACE__PRIORITY__PRIORITY_HIGH ||
		q->priority > MILLRACE__PRIORITY__PRIORITY_LOW) {
		q->priority = MILLRACE__PRIORITY__PRIORITY_NORMAL;
	}
}

/* The columns are int4. Capped here, not as they are written: two that differ must not become one
 * key. */
static uint32_t capped_attempt(uint32_t attempt)
{
	return MIN_OF(MAX_OF(attempt, 1u), (uint32_t)INT32_MAX);
}

static int check_queued(Millrace__Queued *q, struct err *e)
{
	if (task_id_check(q->id, e) < 0) {
		return e->code;
	}
	if (q->state != MILLRACE__STATE__STATE_QUEUED && q->state != MILLRACE__STATE__STATE_SCHEDULED) {
		return err_set(e, ERR_INVALID, "a queued event has state queued or scheduled, not %d",
					   (int)q->state);
	}
	check_priority(q);
	q->body_bytes =
		(uint32_t)MAX_OF((size_t)q->body_bytes, MIN_OF(q->body.len, (size_t)UINT32_MAX));
	q->attempt = capped_attempt(q->attempt);
	return 0;
}

static int check_outcome(Millrace__Outcome *o, struct err *e)
{
	if (task_id_check(o->id, e) < 0) {
		return e->code;
	}
	if (o->state < MILLRACE__STATE__STATE_COMPLETED ||
		o->state > MILLRACE__STATE__STATE_CANCELLED) {
		return err_set(e, ERR_INVALID, "an outcome has state completed, dead or cancelled, not %d",
					   (int)o->state);
	}
	o->attempt = capped_attempt(o->attempt);
	return 0;
}

static void add_queued(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	Millrace__QueuedBatch *all = (Millrace__QueuedBatch *)record;
	for (size_t i = 0; i < all->n_tasks; i++) {
		struct err e;
		if (check_queued(all->tasks[i], &e) == 0) {
			merge_queued(&b->merge, all->tasks[i], m->stored_wall_ns);
		} else {
			Millrace__QueuedBatch one = MILLRACE__QUEUED_BATCH__INIT;
			one.n_tasks = 1;
			one.tasks = &all->tasks[i];
			reject_part(b, m, (uint32_t)i + 1, all->tasks[i]->id, &one.base, &e);
		}
	}
	b->nevents += all->n_tasks;
	b->nearly += all->n_tasks;
}

static void add_started(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	Millrace__StartedBatch *all = (Millrace__StartedBatch *)record;
	for (size_t i = 0; i < all->n_tasks; i++) {
		struct err e;
		Millrace__Started *s = all->tasks[i];
		if (task_id_check(s->id, &e) == 0) {
			s->attempt = capped_attempt(s->attempt);
			merge_started(&b->merge, s, m->stored_wall_ns);
		} else {
			Millrace__StartedBatch one = MILLRACE__STARTED_BATCH__INIT;
			one.n_tasks = 1;
			one.tasks = &all->tasks[i];
			reject_part(b, m, (uint32_t)i + 1, s->id, &one.base, &e);
		}
	}
	b->nevents += all->n_tasks;
	b->nearly += all->n_tasks;
}

static void add_outcome(struct batch *b, const struct batch_message *m, Millrace__Outcome *o,
						size_t i)
{
	struct err e;
	if (check_outcome(o, &e) == 0) {
		merge_outcome(&b->merge, o, m->seq << 16 | MIN_OF(i, (size_t)UINT16_MAX),
					  m->stored_wall_ns);
	} else {
		Millrace__OutcomeBatch one = MILLRACE__OUTCOME_BATCH__INIT;
		one.n_outcomes = 1;
		one.outcomes = &o;
		reject_part(b, m, (uint32_t)i + 1, o->id, &one.base, &e);
	}
	b->nevents++;
}

static void add_outcomes(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	if (record->descriptor == &millrace__outcome__descriptor) { /* JSON: one alone */
		add_outcome(b, m, (Millrace__Outcome *)record, 0);
		return;
	}
	Millrace__OutcomeBatch *all = (Millrace__OutcomeBatch *)record;
	for (size_t i = 0; i < all->n_outcomes; i++) {
		add_outcome(b, m, all->outcomes[i], i);
	}
}

static void add_scale(struct batch *b, const struct batch_message *m, Millrace__ScaleEvent *x,
					  size_t i)
{
	struct err e;
	b->nevents++;
	if (note_scale(&b->merge, x, m->stored_wall_ns, &e) < 0) {
		Millrace__ScaleEventBatch one = MILLRACE__SCALE_EVENT_BATCH__INIT;
		one.n_events = 1;
		one.events = &x;
		reject_part(b, m, (uint32_t)i + 1, NULL, &one.base, &e);
	}
}

static void add_scales(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	if (record->descriptor == &millrace__scale_event__descriptor) { /* JSON: one alone */
		add_scale(b, m, (Millrace__ScaleEvent *)record, 0);
		return;
	}
	Millrace__ScaleEventBatch *all = (Millrace__ScaleEventBatch *)record;
	for (size_t i = 0; i < all->n_events; i++) {
		add_scale(b, m, all->events[i], i);
	}
}

static void add_heal(struct batch *b, const struct batch_message *m, Millrace__HealEvent *x,
					 size_t i)
{
	struct err e;
	b->nevents++;
	if (note_heal(&b->merge, x, m->stored_wall_ns, &e) < 0) {
		Millrace__HealEventBatch one = MILLRACE__HEAL_EVENT_BATCH__INIT;
		one.n_events = 1;
		one.events = &x;
		reject_part(b, m, (uint32_t)i + 1, NULL, &one.base, &e);
	}
}

static void add_heals(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	if (record->descriptor == &millrace__heal_event__descriptor) { /* the same */
		add_heal(b, m, (Millrace__HealEvent *)record, 0);
		return;
	}
	Millrace__HealEventBatch *all = (Millrace__HealEventBatch *)record;
	for (size_t i = 0; i < all->n_events; i++) {
		add_heal(b, m, all->events[i], i);
	}
}

static void add_node(struct batch *b, const struct batch_message *m, ProtobufCMessage *record)
{
	Millrace__NodeStatus *n = (Millrace__NodeStatus *)record;
	struct err e;
	if (token_check("node", n->name, &e) < 0) {
		reject_message(b, m, &e);
		return;
	}
	if ((int)n->state < 0 || n->state > MILLRACE__NODE_STATE__NODE_STATE_STOPPED) {
		n->state = MILLRACE__NODE_STATE__NODE_STATE_NONE;
	}
	if (n->heartbeat_at == 0) {
		n->heartbeat_at = m->stored_wall_ns;
	}
	merge_node(&b->merge, n);
	note_agents(&b->merge, n);
	b->nevents++;
}

/* ---- events.act: the facts are headers, the body is the task's own ---- */

static const char *header(const struct batch_message *m, const char *name)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		if (strcasecmp(m->headers[i].name, name) == 0) {
			return m->headers[i].value;
		}
	}
	return NULL;
}

static uint64_t number(const char *text)
{
	return text != NULL ? strtoull(text, NULL, 10) : 0;
}

static int64_t moment(const char *text)
{
	int64_t ns = 0;
	return text != NULL && time_parse(text, &ns, NULL) == 0 ? ns : 0;
}

/* "<task>/<attempt>/<execution epoch>/act"; elsewhere the router's epoch is the best that is known. */
static uint64_t act_epoch(const struct batch_message *m)
{
	const char *id = header(m, H_MSG_ID);
	const char *end = id != NULL ? strrchr(id, '/') : NULL;
	if (end != NULL && strcmp(end, "/act") == 0) {
		const char *at = end;
		while (at > id && at[-1] >= '0' && at[-1] <= '9') {
			at--;
		}
		if (at < end && at > id && at[-1] == '/') {
			return number(at);
		}
	}
	return number(header(m, H_TASK_EPOCH)) << 32;
}

static void add_act(struct batch *b, const struct batch_message *m)
{
	struct err e;
	const char *id = header(m, H_TASK_ID);
	const char *outcome = header(m, H_OUTCOME);
	b->nevents++;
	if (id == NULL) {
		err_set(&e, ERR_INVALID, "the header " H_TASK_ID " is missing");
	} else if (task_id_check(id, &e) == 0) {
		if (outcome != NULL &&
			(strcasecmp(outcome, "failed") == 0 || strcasecmp(outcome, "returned") == 0)) {
			struct arena *a = &b->merge.arena;
			uint64_t attempt = number(header(m, H_TASK_ATTEMPT));
			merge_attempt(
				&b->merge,
				&(struct merge_attempt){
					.task_id = arena_strdup(a, id),
					.attempt = capped_attempt((uint32_t)MIN_OF(attempt, (uint64_t)UINT32_MAX)),
					.epoch = act_epoch(m),
					.outcome = strcasecmp(outcome, "failed") == 0 ? "failed" : "returned",
					.node = arena_strdup(a, header(m, H_OUTCOME_NODE)),
					.lane = arena_strdup(a, header(m, H_OUTCOME_LANE)),
					.reason = arena_strdup(a, header(m, H_OUTCOME_REASON)),
					.error = arena_strdup(a, header(m, H_OUTCOME_ERROR)),
					.started_wall_ns = moment(header(m, H_OUTCOME_STARTED)),
					.finished_wall_ns = moment(header(m, H_OUTCOME_FINISHED)),
				});
			return;
		}
		err_set(&e, ERR_INVALID, "the header " H_OUTCOME " says neither failed nor returned");
	}
	reject_message(b, m, &e);
}

/* ---- messages ---- */

static bool says_json(const struct batch_message *m, const char *type)
{
	return type != NULL ? strcasestr(type, "json") != NULL
						: m->len > 0 && *(const char *)m->data == '{';
}

/* In JSON an outcome may stand alone. */
static int decode_outcomes(const struct batch_message *m, const char *type, ProtobufCMessage **ret,
						   struct err *e)
{
	if (!says_json(m, type)) {
		return codec_decode(&millrace__outcome_batch__descriptor, type, m->data, m->len, ret, e);
	}
	int rc = codec_from_json_text(&millrace__outcome__descriptor, m->data, m->len, CODEC_LENIENT,
								  ret, e);
	if (rc == 0 && ((Millrace__Outcome *)*ret)->id[0] != '\0') {
		return 0;
	}
	if (rc == 0) {
		codec_free(TAKE(*ret));
		rc = err_set(e, ERR_INVALID, "the outcome has no id");
	}
	if (memmem(m->data, m->len, "\"outcomes\"", strlen("\"outcomes\"")) == NULL) {
		return rc;
	}
	return codec_from_json_text(&millrace__outcome_batch__descriptor, m->data, m->len,
								CODEC_LENIENT, ret, e);
}

/* So may an event of scaling or healing. */
static int decode_event(const struct batch_message *m, const char *type,
						const ProtobufCMessageDescriptor *batch,
						const ProtobufCMessageDescriptor *alone, ProtobufCMessage **ret,
						struct err *e)
{
	if (!says_json(m, type)) {
		return codec_decode(batch, type, m->data, m->len, ret, e);
	}
	bool many = memmem(m->data, m->len, "\"events\"", strlen("\"events\"")) != NULL;
	return codec_from_json_text(many ? batch : alone, m->data, m->len, CODEC_LENIENT, ret, e);
}

static int decode_scale(const struct batch_message *m, const char *type, ProtobufCMessage **ret,
						struct err *e)
{
	return decode_event(m, type, &millrace__scale_event_batch__descriptor,
						&millrace__scale_event__descriptor, ret, e);
}

static int decode_heal(const struct batch_message *m, const char *type, ProtobufCMessage **ret,
					   struct err *e)
{
	return decode_event(m, type, &millrace__heal_event_batch__descriptor,
						&millrace__heal_event__descriptor, ret, e);
}

static const struct {
	const char *subject;
	const ProtobufCMessageDescriptor *record; /* or: */
	int (*decode)(const struct batch_message *m, const char *type, ProtobufCMessage **ret,
				  struct err *e);
	void (*add)(struct batch *b, const struct batch_message *m, ProtobufCMessage *record);
} kinds[] = {
	{"events.queued", &millrace__queued_batch__descriptor, NULL, add_queued},
	{"events.done", NULL, decode_outcomes, add_outcomes},
	{"events.started", &millrace__started_batch__descriptor, NULL, add_started},
	{"events.node", &millrace__node_status__descriptor, NULL, add_node},
	{"events.scale", NULL, decode_scale, add_scales},
	{"events.heal", NULL, decode_heal, add_heals},
};

static void add_content(struct batch *b, const struct batch_message *m)
{
	struct err e = {0};
	if (str_eq(m->subject, "events.act")) {
		add_act(b, m);
		return;
	}
	const char *type = header(m, H_CONTENT_TYPE);
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (!str_eq(m->subject, kinds[i].subject)) {
			continue;
		}
		ProtobufCMessage *record = NULL;
		int rc = kinds[i].decode != NULL
					 ? kinds[i].decode(m, type, &record, &e)
					 : codec_decode(kinds[i].record, type, m->data, m->len, &record, &e);
		if (rc < 0) {
			reject_message(b, m, &e);
			return;
		}
		keep_record(b, record);
		kinds[i].add(b, m, record);
		return;
	}
	err_set(&e, ERR_INVALID, "no such kind of event is known to this store");
	reject_message(b, m, &e);
}

void batch_add(struct batch *b, const struct batch_message *m)
{
	GROW(b->replies, b->nreplies, b->replies_cap, char *);
	b->replies[b->nreplies++] = arena_strdup(&b->merge.arena, m->reply);
	b->len_bytes += m->len;
	add_content(b, m);
}

/* ---- rows that the database refuses ---- */

static void reject_row(struct batch *b, const char *subject, const char *id, int64_t seen_wall_ns,
					   uint32_t part, const ProtobufCMessage *record, const char *error)
{
	CLEANUP(buf_release) struct buf packed = {0};
	codec_pack(record, &packed);
	set_aside(b,
			  &(struct rejected){
				  .stored_wall_ns = seen_wall_ns,
				  .seq = b->nrejected,
				  .part = part,
				  .subject = subject,
				  .task_id = id,
				  .error = error,
			  },
			  packed.data, packed.len);
}

void batch_reject_task(struct batch *b, const struct merge_task *t, const char *error)
{
	if (t->facts != NULL) {
		Millrace__Queued *one[] = {(Millrace__Queued *)(uintptr_t)t->facts};
		Millrace__QueuedBatch all = MILLRACE__QUEUED_BATCH__INIT;
		all.n_tasks = 1;
		all.tasks = one;
		reject_row(b, "events.queued", t->id, t->seen_wall_ns, 1, &all.base, error);
	}
	if (t->started != NULL) {
		Millrace__Started *one[] = {(Millrace__Started *)(uintptr_t)t->started};
		Millrace__StartedBatch all = MILLRACE__STARTED_BATCH__INIT;
		all.n_tasks = 1;
		all.tasks = one;
		reject_row(b, "events.started", t->id, t->seen_wall_ns, 2, &all.base, error);
	}
	if (t->outcome != NULL) {
		Millrace__Outcome *one[] = {(Millrace__Outcome *)(uintptr_t)t->outcome};
		Millrace__OutcomeBatch all = MILLRACE__OUTCOME_BATCH__INIT;
		all.n_outcomes = 1;
		all.outcomes = one;
		reject_row(b, "events.done", t->id, t->seen_wall_ns, 3, &all.base, error);
	}
}

void batch_reject_attempt(struct batch *b, const struct merge_attempt *a, const char *error)
{
	char text[64];
	int len = snprintf(text, sizeof(text), "attempt %u %s", a->attempt, a->outcome);
	set_aside(b,
			  &(struct rejected){
				  .stored_wall_ns = a->finished_wall_ns,
				  .seq = b->nrejected,
				  .part = 4,
				  .subject = "events.act",
				  .task_id = a->task_id,
				  .error = error,
			  },
			  text, (size_t)len);
}

void batch_reject_node(struct batch *b, const struct merge_node *n, const char *error)
{
	reject_row(b, "events.node", NULL, n->status->heartbeat_at, 5, &n->status->base, error);
}

void batch_reject_note(struct batch *b, const struct merge_note *n, const char *error)
{
	set_aside(b,
			  &(struct rejected){
				  .stored_wall_ns = n->at_wall_ns,
				  .seq = b->nrejected,
				  .part = 6,
				  .subject = n->subject,
				  .error = error,
			  },
			  n->event, strlen(n->event));
}

size_t batch_rows(const struct batch *b)
{
	return merge_task_count(&b->merge) + merge_attempt_count(&b->merge) +
		   merge_node_count(&b->merge) + merge_note_count(&b->merge) + b->nrejected;
}

void batch_reset(struct batch *b)
{
	for (size_t i = 0; i < b->nrecords; i++) {
		codec_free(b->records[i]);
	}
	merge_reset(&b->merge);
	b->nrecords = b->nreplies = b->nrejected = b->nevents = b->nearly = 0;
	b->len_bytes = 0;
	b->since_mono_ms = 0;
}

void batch_release(struct batch *b)
{
	batch_reset(b);
	merge_release(&b->merge);
	free(b->records);
	free(b->replies);
	free(b->rejected);
	*b = (struct batch){0};
}
