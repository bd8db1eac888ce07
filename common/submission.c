/*
 * The memory behind a submission. Nearly every submission needs none: its
 * texts are the message's. A spec's do not, and they come in unknown number
 * and must not move, so each is a block in a list that is freed as one.
 */
#include "common/submission.h"

struct keep {
	struct keep *next;
	max_align_t data[];
};

void *submission_keep(struct keep **kept, size_t len_bytes)
{
	struct keep *k = xmalloc(sizeof(*k) + len_bytes);

	k->next = *kept;
	*kept = k;
	return k->data;
}

char *submission_keep_text(struct keep **kept, const char *text, size_t len)
{
	char *copy = submission_keep(kept, len + 1);

	if (len > 0)
		memcpy(copy, text, len);
	copy[len] = '\0';
	return copy;
}

void keep_release(struct keep **kept)
{
	struct keep *k = TAKE(*kept);

	while (k) {
		struct keep *next = k->next;
		free(k);
		k = next;
	}
}

/* Texts of a submission point at values of its headers, so they move with them. */
static void follow(const char **text, const struct bus_header *from, const struct bus_header *to,
				   size_t n)
{
	for (size_t i = 0; *text && i < n; i++) {
		if (*text == from[i].value) {
			*text = to[i].value;
			return;
		}
	}
	*text = NULL;
}

void submission_own(struct submission *s)
{
	struct bus_header *copy = submission_keep(&s->kept, s->nheaders * sizeof(*copy));

	for (size_t i = 0; i < s->nheaders; i++) {
		const struct bus_header *h = &s->headers[i];
		copy[i].name = submission_keep_text(&s->kept, h->name, strlen(h->name));
		copy[i].value = submission_keep_text(&s->kept, h->value, strlen(h->value));
	}
	follow(&s->project, s->headers, copy, s->nheaders);
	follow(&s->node, s->headers, copy, s->nheaders);
	follow(&s->same_node_as, s->headers, copy, s->nheaders);
	follow(&s->not_nodes, s->headers, copy, s->nheaders);
	follow(&s->content_type, s->headers, copy, s->nheaders);
	follow(&s->reply_to, s->headers, copy, s->nheaders);
	follow(&s->avoid, s->headers, copy, s->nheaders);
	follow(&s->unique, s->headers, copy, s->nheaders);
	follow(&s->retry_of, s->headers, copy, s->nheaders);
	s->headers = copy;
	s->body = submission_keep_text(&s->kept, s->body, s->body_len);
}

void submission_release(struct submission *s)
{
	keep_release(&s->kept);
}
