/*
 * A task that is tried again. It stands alone because what a retry is about
 * meets here: which rule holds, which class it waits in, how long it may take,
 * whom it avoids. Avoiding is a wish, never a condition: place.c puts the retry
 * on a free node that is not on the list; on its lane, listed nodes hand it back
 * a few times (node/avoid.h). A list that left nobody would not help anybody.
 */
#include "router/retry.h"

#include <stdio.h>

#include "common/log.h"
#include "common/task.h"
#include "router/directory.h"
#include "router/types.h"

#define AVOID_MAX 4 /* the latest count */
#define LIST_MAX (AVOID_MAX * (TOKEN_MAX + 1))

struct retry_rule retry_rule_of(const struct router *r, const struct submission *s)
{
	const struct arrival a = {.headers = s->headers, .nheaders = s->nheaders};
	const char *backoff = arrival_header(&a, H_TASK_BACKOFF);
	struct retry_rule rule = r->retry;
	struct err e;

	types_retry(r->types, s->lane.type, &rule);
	if (s->attempts)
		rule.attempts = s->attempts;
	if (backoff && backoff_parse(backoff, &rule, &e))
		log_warn("a task's backoff can't be read; the default holds", LOG_S("task", s->id),
				 LOG_S("why", e.text));
	return rule;
}

void retry_complete(const struct router *r, struct submission *s)
{
	if (s->timeout_ns)
		return;
	s->timeout_ns = types_timeout_ns(r->types, s->lane.type);
	s->timeout_by_type = s->timeout_ns > 0;
}

enum task_class retry_class(const struct submission *s)
{
	if (s->attempt <= 1 || s->class == CLASS_HIGH)
		return s->class;
	return s->class == CLASS_LOW ? CLASS_NORMAL : CLASS_HIGH;
}

/* node, and the latest of old behind it. */
static void join(const char *node, const char *old, char out[LIST_MAX])
{
	size_t node_len = strlen(node), len = node_len;
	unsigned n = 1;

	memcpy(out, node, len);
	for (const char *p = old; p && *p && n < AVOID_MAX;) {
		p += strspn(p, ", ");
		size_t word = strcspn(p, ", ");
		bool same = word == node_len && memcmp(p, node, word) == 0;
		if (token_ok(p, word) && !same) {
			out[len++] = ',';
			memcpy(out + len, p, word);
			len += word;
			n++;
		}
		p += word;
	}
	out[len] = '\0';
}

void retry_avoid(const struct router *r, struct submission *s, const char *node)
{
	char list[LIST_MAX];

	if (!node || !token_ok(node, strlen(node)))
		return;
	join(node, s->avoid, list);
	s->avoid = NULL;
	if (!directory_serving_beside(r, &s->lane, list)) {
		/* All that are live failed it: then at least not the last one again. */
		join(node, NULL, list);
		if (!directory_serving_beside(r, &s->lane, list))
			return;
	}
	s->avoid = submission_keep_text(&s->kept, list, strlen(list));
}

void retry_returned(struct submission *s, const char *reason)
{
	if (reason && (str_eq(reason, "busy") || str_eq(reason, "no-handler")))
		s->avoid = NULL;
}
