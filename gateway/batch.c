/*
 * Many tasks in one request. It stands alone because its answer is a list of
 * verdicts: a line that is wrong costs the others nothing, and what could not be made durable
 * is told line by line. So many are under way at once as keeps memory
 * bounded; the others wait for their turn.
 */
#include "gateway/batch.h"

#include <stdio.h>

#include "gateway/recent.h"
#include "gateway/submit.h"

#define BATCH_MAX 10000u
#define UNDER_WAY_MAX 256u

struct batch;
struct batch_item {
	struct batch *batch;
	size_t index;
	struct draft_task draft;
};

struct batch {
	struct gateway *gateway;
	struct http_request *request;
	char *text; /* owned */
	size_t len;
	json_t *list; /* of specs; NULL: lines */
	size_t at;    /* the next: in list, or in text */
	size_t index, under_way, accepted, refused;
	json_t *verdicts;
	char *key; /* Idempotency-Key, or NULL */
};

static void note(struct batch *b, size_t index, json_t *verdict)
{
	json_object_set_new(verdict, "index", json_integer((json_int_t)index));
	json_array_set_new(b->verdicts, index, verdict);
}

static void refuse(struct batch *b, size_t index, const struct err *e)
{
	char field[65];
	json_t *v = json_pack("{s:s, s:s}", "error", e->text, "code", err_name(e->code));

	http_field_of(e->text, field);
	if (e->code == ERR_INVALID && *field)
		json_object_set_new(v, "field", json_string(field));
	b->refused++;
	note(b, index, v);
}

static void finish(struct batch *b)
{
	http_reply_json(b->request, b->accepted || !b->refused ? 200 : 400,
					json_pack("{s:I, s:I, s:O}", "accepted", (json_int_t)b->accepted, "refused",
							  (json_int_t)b->refused, "tasks", b->verdicts));
	json_decref(b->verdicts);
	json_decref(b->list);
	free(b->text);
	free(b->key);
	free(b);
}

static void go_on(struct batch *b);

static void on_done(void *data, bool duplicate, const struct err *e)
{
	struct batch_item *item = data;
	struct batch *b = item->batch;
	const struct submission *t = &item->draft.task;

	if (e) {
		refuse(b, item->index, e);
	} else {
		b->accepted++;
		recent_note(&b->gateway->recent, t->id, t->lane.type, t->lane.name);
		note(b, item->index,
			 json_pack("{s:s, s:s, s:b}", "id", t->id, "state", "queued", "duplicate", duplicate));
	}
	draft_task_release(&item->draft);
	free(item);
	b->under_way--;
	go_on(b);
}

static void start(struct batch *b, const char *text, size_t len)
{
	struct batch_item *item = xcalloc(1, sizeof(*item));
	/* One key for all: each line has its own of it. */
	CLEANUP(free_ptr) char *key = b->key ? xasprintf("%s#%zu", b->key, b->index) : NULL;
	struct err e;

	item->batch = b;
	item->index = b->index++;
	json_array_append_new(b->verdicts, json_null());
	if (draft_task_json(b->gateway, text, len, key, &item->draft, &e)) {
		refuse(b, item->index, &e);
		free(item);
		return;
	}
	/* The text may go: what is kept of it must be the draft's own. */
	submission_own(&item->draft.task);
	b->under_way++;
	submit_publish(b->gateway, &item->draft, on_done, item);
}

static bool start_next_line(struct batch *b)
{
	while (b->at < b->len) {
		const char *line = b->text + b->at, *end = memchr(line, '\n', b->len - b->at);
		size_t len = end ? (size_t)(end - line) : b->len - b->at;

		b->at += len + (end != NULL);
		while (len > 0 && (line[len - 1] == '\r' || line[len - 1] == ' '))
			len--;
		if (len > 0) {
			start(b, line, len);
			return true;
		}
	}
	return false;
}

static bool start_next(struct batch *b)
{
	if (!b->list)
		return start_next_line(b);
	if (b->at >= json_array_size(b->list))
		return false;
	char *text = json_dumps(json_array_get(b->list, b->at++), JSON_COMPACT | JSON_ENCODE_ANY);

	start(b, text ? text : "", text ? strlen(text) : 0);
	free(text);
	return true;
}

static void go_on(struct batch *b)
{
	while (b->under_way < UNDER_WAY_MAX && start_next(b))
		;
	if (b->under_way == 0)
		finish(b);
}

static size_t count_lines(const char *text, size_t len)
{
	size_t n = 0;

	for (size_t i = 0; i < len; i++)
		n += text[i] == '\n' || i + 1 == len;
	return n;
}

void batch_submit(struct gateway *g, struct http_request *r, const char *text, size_t len,
				  bool ndjson)
{
	const char *key = http_header(r, "Idempotency-Key");
	json_error_t why;
	json_t *list = ndjson ? NULL : json_loadb(text, len, 0, &why);

	if (!ndjson && !list) {
		http_problem(r, 400, NULL, "the body is no valid JSON: line %d, column %d: %s", why.line,
					 why.column, why.text);
		return;
	}
	if ((ndjson ? count_lines(text, len) : json_array_size(list)) > BATCH_MAX) {
		http_problem(r, 413, NULL, "at most %u tasks in one request", BATCH_MAX);
		json_decref(list);
		return;
	}
	if (!http_hold(r, len)) {
		json_decref(list);
		return;
	}
	struct batch *b = xcalloc(1, sizeof(*b));
	*b = (struct batch){.gateway = g, .request = r, .list = list, .verdicts = json_array()};
	if (ndjson) {
		b->text = xmemdup0(text, len);
		b->len = len;
	}
	b->key = key ? xstrdup(key) : NULL;
	go_on(b);
}
