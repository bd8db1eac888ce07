/*
 * One answer out of several components' words. It stands alone as what the
 * overviews of other systems have in common. It goes well: all answer. It
 * fails: a part that is away is null in the answer, and "problems" says why;
 * only where nothing is left, or a part without which the rest means nothing,
 * the request is answered as that part was.
 */
#include "gateway/gather.h"

#include "common/clock.h"
#include "gateway/list_page.h"

struct gathering {
	struct http_request *request;
	const struct gather *what;
	json_t *query;
	json_t *answer[GATHER_PARTS_MAX];
	struct asked {
		struct gathering *of;
		size_t index;
		unsigned status;
		char *why; /* owned; NULL: it answered */
	} asked[GATHER_PARTS_MAX];
	size_t n, left;
};

static void gathering_free(struct gathering *x)
{
	for (size_t i = 0; i < x->n; i++) {
		json_decref(x->answer[i]);
		free(x->asked[i].why);
	}
	json_decref(x->query);
	free(x);
}

/* The part whose failure is the answer's; NULL: it can be told without those that failed. */
static const struct asked *fatal(const struct gathering *x)
{
	const struct asked *first = NULL;
	size_t failed = 0;

	for (size_t i = 0; i < x->n; i++) {
		if (!x->asked[i].why)
			continue;
		if (x->what->parts[i].needed)
			return &x->asked[i];
		first = first ? first : &x->asked[i];
		failed++;
	}
	return failed == x->n ? first : NULL;
}

static void answer(struct gathering *x)
{
	const struct asked *bad = fatal(x);

	if (bad) {
		ask_fail(x->request, &(struct ask_answer){.status = bad->status, .why = bad->why});
		return;
	}
	struct gathered g = {.query = x->query, .now_wall_ns = clock_wall_ns()};
	json_t *problems = json_array();

	for (size_t i = 0; i < x->n; i++) {
		g.part[i] = x->answer[i];
		if (x->asked[i].why)
			json_array_append_new(problems, json_string(x->asked[i].why));
	}
	json_t *told = x->what->shape(x->request, &g);

	json_object_set_new(told, "problems", problems);
	http_reply_json(x->request, 200, told);
}

static void on_answer(void *data, const struct ask_answer *a)
{
	struct asked *part = data;
	struct gathering *x = part->of;

	if (a->status == 200 && json_is_object(a->json) && !json_object_get(a->json, "error")) {
		x->answer[part->index] = json_incref((json_t *)(uintptr_t)a->json);
	} else {
		part->status = a->status == 200 ? 502 : a->status;
		part->why = a->status == 200 ? xasprintf("%s: what came as an answer cannot be used",
												 x->what->parts[part->index].subject)
									 : xstrdup(a->why);
	}
	if (--x->left > 0)
		return;
	answer(x);
	gathering_free(x);
}

void gather_on(void *data, struct http_request *r)
{
	static const struct ask_param none[] = {{0}};
	const struct gather *what = http_context(r);
	json_t *query = ask_query(r, what->query ? what->query : none);

	if (!query)
		return;
	if (json_integer_value(json_object_get(query, "limit")) > (json_int_t)LIST_PAGE_MAX) {
		json_decref(query);
		http_problem(r, 400, "limit", "limit: at most %u", LIST_PAGE_MAX);
		return;
	}
	struct gathering *x = xcalloc(1, sizeof(*x));

	*x = (struct gathering){.request = r, .what = what, .query = query};
	while (x->n < GATHER_PARTS_MAX && what->parts[x->n].subject)
		x->n++;
	x->left = x->n;
	for (size_t i = 0; i < x->n; i++) {
		const char *request = what->parts[i].request;

		x->asked[i].of = x;
		x->asked[i].index = i;
		ask(data, what->parts[i].subject, request ? json_loads(request, 0, NULL) : NULL, on_answer,
			&x->asked[i]);
	}
}
