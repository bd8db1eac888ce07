/* A ring, looked through from its end: only who got a 404 from the store ever looks. */
#include "gateway/recent.h"

#include <stdio.h>

#include "common/clock.h"

#define RECENT_MS 10000

void recent_note(struct recent *r, const char *id, const char *type, const char *lane)
{
	if (!r->ring)
		r->ring = xcalloc(RECENT_MAX, sizeof(*r->ring));
	struct recent_task *t = &r->ring[r->next++ % RECENT_MAX];

	snprintf(t->id, sizeof(t->id), "%s", id);
	snprintf(t->type, sizeof(t->type), "%s", type);
	snprintf(t->lane, sizeof(t->lane), "%s", lane);
	t->at_mono_ms = clock_mono_ms();
}

const struct recent_task *recent_find(const struct recent *r, const char *id)
{
	int64_t since_ms = clock_mono_ms() - RECENT_MS;

	for (size_t i = r->next; r->ring && i > 0 && i + RECENT_MAX > r->next; i--) {
		const struct recent_task *t = &r->ring[(i - 1) % RECENT_MAX];

		if (t->at_mono_ms < since_ms)
			break;
		if (str_eq(t->id, id))
			return t;
	}
	return NULL;
}

void recent_release(struct recent *r)
{
	free(r->ring);
	*r = (struct recent){0};
}
