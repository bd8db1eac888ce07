/*
 * The edge to PostgreSQL for writing. It stands alone because bisection makes
 * it a small machine: a stack of parts still to be written, each a range of
 * the batch's sorted tasks, attempts, nodes, notes or rejected events.
 *
 * It goes well: one part, which is everything, one transaction, done. Where
 * fewer tasks became final than had a final event, a second query asks what
 * the table says of them (they were final before: a repetition, or too late).
 * It fails: a part that the server refuses for its data is cut in two; of one
 * row, it is set aside, and the note of it becomes the last part. Any other
 * failure leaves the part on the stack and is told by on_stuck; since every
 * statement here may run twice, the part is simply sent again.
 */
#include "store/writer.h"

#include "common/log.h"

#define WRITE_TIMEOUT_MS 60000
#define STACK_MAX 128u /* a part is cut in two at most once a level */

enum part_kind {
	PART_ALL,
	PART_TASKS,
	PART_ATTEMPTS,
	PART_NODES,
	PART_NOTES,
	PART_REJECTED,
	PART_STATES
};

struct part {
	enum part_kind kind;
	size_t from, to;
};

struct writer {
	struct pg *pg;
	struct writer_events ev;
	struct record_types types;
	struct batch *batch;
	struct merge_task **tasks; /* sorted; in the batch's arena */
	struct merge_attempt **attempts;
	struct merge_node **nodes;
	struct merge_note **notes;
	struct pg_array texts; /* of the notes under way */
	struct part stack[STACK_MAX];
	size_t depth;
	bool waiting;          /* on_stuck was told: nothing is under way until writer_resume */
	size_t sent_finals;    /* of the part under way */
	bool ask_states;       /* some final event did not finish its task */
	size_t rejected_noted; /* how many of batch->rejected are written */
	struct records records[4];
	struct writer_report report;
};

struct writer *writer_new(struct pg *pg, const struct writer_events *ev)
{
	struct writer *w = xcalloc(1, sizeof(*w));
	w->pg = pg;
	w->ev = *ev;
	return w;
}

void writer_free(struct writer **wp)
{
	struct writer *w = TAKE(*wp);
	if (w != NULL) {
		for (size_t i = 0; i < ARRAY_LEN(w->records); i++) {
			records_release(&w->records[i]);
		}
		pg_array_release(&w->texts);
		free(w);
	}
}

const struct writer_report *writer_report(const struct writer *w)
{
	return &w->report;
}

static void push(struct writer *w, enum part_kind kind, size_t from, size_t to)
{
	if (from < to && w->depth < STACK_MAX) {
		w->stack[w->depth++] = (struct part){kind, from, to};
	}
}

/* ---- what a part is, as statements ---- */

static size_t add_tasks(struct writer *w, const struct part *p, struct pg_statement *s,
						struct pg_param *param)
{
	struct records *r = &w->records[0];
	records_start(r, w->types.task);
	for (size_t i = p->from; i < p->to; i++) {
		records_add_task(r, w->tasks[i]);
		w->sent_finals += w->tasks[i]->outcome != NULL;
	}
	*param = records_param(r, w->types.tasks);
	*s = (struct pg_statement){"SELECT stored, finished FROM millrace.put_tasks($1)", param, 1};
	return p->from < p->to;
}

static size_t add_attempts(struct writer *w, const struct part *p, struct pg_statement *s,
						   struct pg_param *param)
{
	struct records *r = &w->records[1];
	records_start(r, w->types.attempt);
	for (size_t i = p->from; i < p->to; i++) {
		records_add_attempt(r, w->attempts[i]);
	}
	*param = records_param(r, w->types.attempts);
	*s = (struct pg_statement){"SELECT millrace.put_attempts($1)", param, 1};
	return p->from < p->to;
}

static size_t add_nodes(struct writer *w, const struct part *p, struct pg_statement *s,
						struct pg_param *param)
{
	struct records *r = &w->records[2];
	records_start(r, w->types.node);
	for (size_t i = p->from; i < p->to; i++) {
		records_add_node(r, w->nodes[i]);
	}
	*param = records_param(r, w->types.nodes);
	*s = (struct pg_statement){"SELECT millrace.put_nodes($1)", param, 1};
	return p->from < p->to;
}

static size_t add_notes(struct writer *w, const struct part *p, struct pg_statement *s,
						struct pg_param *param)
{
	w->texts.type = PG_TEXT;
	pg_array_reset(&w->texts);
	for (size_t i = p->from; i < p->to; i++) {
		pg_array_text(&w->texts, w->notes[i]->json);
	}
	*param = pg_array_param(&w->texts);
	*s = (struct pg_statement){"SELECT millrace.put_notes($1)", param, 1};
	return p->from < p->to;
}

static size_t add_rejected(struct writer *w, const struct part *p, struct pg_statement *s,
						   struct pg_param *param)
{
	struct records *r = &w->records[3];
	records_start(r, w->types.rejected);
	for (size_t i = p->from; i < p->to; i++) {
		records_add_rejected(r, &w->batch->rejected[i]);
	}
	*param = records_param(r, w->types.rejecteds);
	*s = (struct pg_statement){"SELECT millrace.put_rejected($1)", param, 1};
	return p->from < p->to;
}

static void on_part(void *data, const struct pg_rows *rows, size_t n, const struct err *e);
static void on_states(void *data, const struct pg_rows *rows, size_t n, const struct err *e);

/* The ids of all final events: which of them are what the table says? */
static int send_states(struct writer *w, struct err *e)
{
	struct pg_array ids = {.type = PG_TEXT};
	size_t count = merge_task_count(&w->batch->merge);
	for (size_t i = 0; i < count; i++) {
		if (w->tasks[i]->outcome != NULL) {
			pg_array_text(&ids, w->tasks[i]->id);
		}
	}
	struct pg_param param = pg_array_param(&ids);
	int rc = pg_query(w->pg, "SELECT id, state, epoch FROM millrace.tasks WHERE id = ANY($1)",
					  &param, 1, WRITE_TIMEOUT_MS, on_states, w, e);
	pg_array_release(&ids);
	return rc;
}

static int send_rows(struct writer *w, const struct part *p, struct err *e)
{
	struct pg_statement s[5];
	struct pg_param param[5];
	size_t n = 0;
	const struct merge *m = &w->batch->merge;
	w->sent_finals = 0;
	switch (p->kind) {
	case PART_ALL: /* tasks first: on_part reads their numbers from the first result */
		n += add_tasks(w, &(struct part){.to = merge_task_count(m)}, &s[n], &param[n]);
		n += add_attempts(w, &(struct part){.to = merge_attempt_count(m)}, &s[n], &param[n]);
		n += add_nodes(w, &(struct part){.to = merge_node_count(m)}, &s[n], &param[n]);
		n += add_notes(w, &(struct part){.to = merge_note_count(m)}, &s[n], &param[n]);
		n += add_rejected(w, &(struct part){.to = w->batch->nrejected}, &s[n], &param[n]);
		break;
	case PART_TASKS:
		n += add_tasks(w, p, &s[n], &param[n]);
		break;
	case PART_ATTEMPTS:
		n += add_attempts(w, p, &s[n], &param[n]);
		break;
	case PART_NODES:
		n += add_nodes(w, p, &s[n], &param[n]);
		break;
	case PART_NOTES:
		n += add_notes(w, p, &s[n], &param[n]);
		break;
	case PART_REJECTED:
		n += add_rejected(w, p, &s[n], &param[n]);
		break;
	case PART_STATES:
		return send_states(w, e);
	}
	return pg_run(w->pg, s, n, WRITE_TIMEOUT_MS, on_part, w, e);
}

static void stuck(struct writer *w, const struct err *e)
{
	w->waiting = true;
	w->ev.on_stuck(w->ev.data, e);
}

static void finish(struct writer *w)
{
	w->batch = NULL;
	w->ev.on_written(w->ev.data);
}

/* What comes after the stack is empty, in turn: the notes of rows set aside, the states, the end. */
static void next(struct writer *w)
{
	if (w->depth == 0 && w->rejected_noted < w->batch->nrejected) {
		push(w, PART_REJECTED, w->rejected_noted, w->batch->nrejected);
	}
	if (w->depth == 0 && w->ask_states) {
		w->ask_states = false;
		push(w, PART_STATES, 0, 1);
	}
	if (w->depth == 0) {
		finish(w);
		return;
	}
	struct err e;
	if (send_rows(w, &w->stack[w->depth - 1], &e) < 0) {
		stuck(w, &e);
	}
}

/* ---- refused parts ---- */

static void set_aside(struct writer *w, const struct part *p, const struct err *e)
{
	const char *id = NULL;
	switch (p->kind) {
	case PART_TASKS:
		id = w->tasks[p->from]->id;
		w->tasks[p->from]->refused = true;
		batch_reject_task(w->batch, w->tasks[p->from], e->text);
		break;
	case PART_ATTEMPTS:
		id = w->attempts[p->from]->task_id;
		batch_reject_attempt(w->batch, w->attempts[p->from], e->text);
		break;
	case PART_NODES:
		batch_reject_node(w->batch, w->nodes[p->from], e->text);
		break;
	case PART_NOTES:
		batch_reject_note(w->batch, w->notes[p->from], e->text);
		break;
	case PART_REJECTED: /* its place in the table is refused too: the log is what is left */
		w->rejected_noted = p->to;
		break;
	case PART_ALL:
	case PART_STATES:
		break;
	}
	w->report.rejected++;
	log_error("row refused by postgresql, set aside", LOG_S("task", id != NULL ? id : ""),
			  LOG_S("error", e->text));
}

static void split(struct writer *w, const struct err *e)
{
	struct part p = w->stack[--w->depth];
	const struct merge *m = &w->batch->merge;
	if (p.kind == PART_ALL) {
		push(w, PART_REJECTED, 0, w->batch->nrejected);
		push(w, PART_NOTES, 0, merge_note_count(m));
		push(w, PART_NODES, 0, merge_node_count(m));
		push(w, PART_ATTEMPTS, 0, merge_attempt_count(m));
		push(w, PART_TASKS, 0, merge_task_count(m));
	} else if (p.to - p.from > 1) {
		size_t middle = p.from + (p.to - p.from) / 2;
		push(w, p.kind, middle, p.to);
		push(w, p.kind, p.from, middle);
	} else {
		set_aside(w, &p, e);
	}
}

static bool fault_of_data(int code)
{
	return code == ERR_INVALID || code == ERR_TOO_LARGE || code == ERR_EXISTS;
}

static void on_part(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct writer *w = data;
	struct part p = w->stack[w->depth - 1];
	(void)n;
	if (e != NULL) {
		if (!fault_of_data(e->code)) {
			stuck(w, e);
			return;
		}
		split(w, e);
		next(w);
		return;
	}
	w->depth--;
	if (p.kind == PART_TASKS || (p.kind == PART_ALL && merge_task_count(&w->batch->merge) > 0)) {
		size_t finished = (size_t)pg_get_int(rows[0], 0, 1);
		w->report.finished += finished;
		w->ask_states |= finished < w->sent_finals;
	}
	if (p.kind == PART_ALL || p.kind == PART_REJECTED) {
		w->rejected_noted =
			p.kind == PART_ALL ? w->batch->nrejected : MAX_OF(w->rejected_noted, p.to);
	}
	w->report.rows += p.kind == PART_ALL ? batch_rows(w->batch) : p.to - p.from;
	next(w);
}

static void on_states(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct writer *w = data;
	(void)n;
	if (e != NULL) {
		stuck(w, e);
		return;
	}
	w->depth--;
	size_t same = 0;
	for (size_t row = 0; row < pg_nrows(rows[0]); row++) {
		struct merge_task *t;
		HASH_FIND_STR(w->batch->merge.tasks, pg_get(rows[0], row, 0, NULL), t);
		if (t == NULL || t->outcome == NULL) {
			continue;
		}
		Millrace__State state = (Millrace__State)pg_get_int(rows[0], row, 1);
		if (state != t->outcome->state ||
			(uint64_t)pg_get_int(rows[0], row, 2) != t->outcome->epoch) {
			t->stored_state = state;
			w->report.late++;
		} else {
			same++;
		}
	}
	w->report.repeated += same > w->report.finished ? same - w->report.finished : 0;
	next(w);
}

/* ---- asking ---- */

static void list_rows(struct writer *w)
{
	struct merge *m = &w->batch->merge;
	merge_sort(m);
	w->tasks = arena_alloc(&m->arena, merge_task_count(m) * sizeof(struct merge_task *));
	w->attempts = arena_alloc(&m->arena, merge_attempt_count(m) * sizeof(struct merge_attempt *));
	w->nodes = arena_alloc(&m->arena, merge_node_count(m) * sizeof(struct merge_node *));
	w->notes = arena_alloc(&m->arena, merge_note_count(m) * sizeof(struct merge_note *));
	size_t i = 0;
	for (struct merge_task *t = m->tasks; t != NULL; t = t->hh.next) {
		w->tasks[i++] = t;
	}
	i = 0;
	for (struct merge_attempt *a = m->attempts; a != NULL; a = a->hh.next) {
		w->attempts[i++] = a;
	}
	i = 0;
	for (struct merge_node *n = m->nodes; n != NULL; n = n->hh.next) {
		w->nodes[i++] = n;
	}
	i = 0;
	for (struct merge_note *n = m->notes; n != NULL; n = n->hh.next) {
		w->notes[i++] = n;
	}
}

void writer_begin(struct writer *w, struct batch *b, const struct record_types *types)
{
	w->batch = b;
	w->report = (struct writer_report){0};
	w->depth = 0;
	w->ask_states = false;
	w->rejected_noted = 0;
	list_rows(w);
	push(w, PART_ALL, 0, 1);
	w->types = *types;
	next(w);
}

void writer_resume(struct writer *w, const struct record_types *types)
{
	w->types = *types;
	if (w->waiting) {
		w->waiting = false;
		next(w);
	}
}
