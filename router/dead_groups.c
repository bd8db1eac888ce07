/*
 * api.dead.groups: how many letters of which failure. It stands alone for its
 * table: one entry a fingerprint, at most GROUPS_MAX of them, whatever DEAD
 * holds; letters of further fingerprints are counted together. The walk is
 * cut by the time that one answer may take; then the answer has a cursor and
 * the asker sums up.
 */
#include <stdio.h>
#include <uthash.h>

#include "common/codec.h"
#include "router/dead_desk.h"

#define GROUPS_MAX 1000
#define ERROR_SHOWN 240

struct group {
	char fingerprint[FINGERPRINT_MAX + 1];
	char type[TOKEN_MAX + 1];
	char id[TASK_ID_MAX + 1];
	char reason[32], version[TOKEN_MAX + 1], error[ERROR_SHOWN + 1];
	uint64_t count;
	int64_t first_wall_ns, last_wall_ns;
	UT_hash_handle hh;
};

struct grouping {
	struct dead_job job;
	struct group *groups;
	uint64_t letters, ungrouped;
};

static void release(struct dead_job *j)
{
	struct grouping *x = (struct grouping *)j;
	struct group *g, *tmp;

	HASH_ITER (hh, x->groups, g, tmp) {
		HASH_DEL(x->groups, g);
		free(g);
	}
}

static void copy(char *to, size_t size, const char *from)
{
	size_t len = strnlen(from, size - 1);

	if (from[len])
		while (len > 0 && ((unsigned char)from[len] & 0xc0) == 0x80)
			len--; /* not in the middle of a character */
	memcpy(to, from, len);
	to[len] = '\0';
}

static bool on_letter(void *data, const struct letter *l, const struct letter_message *m UNUSED)
{
	struct grouping *x = data;
	struct group *g;

	x->letters++;
	HASH_FIND_STR(x->groups, l->fingerprint, g);
	if (!g && HASH_COUNT(x->groups) >= GROUPS_MAX) {
		x->ungrouped++;
		return true;
	}
	if (!g) {
		g = xcalloc(1, sizeof(*g));
		copy(g->fingerprint, sizeof(g->fingerprint), l->fingerprint);
		copy(g->type, sizeof(g->type), l->type);
		g->first_wall_ns = l->died_wall_ns;
		HASH_ADD_STR(x->groups, fingerprint, g);
	}
	g->count++;
	g->last_wall_ns = l->died_wall_ns;
	copy(g->id, sizeof(g->id), l->id);
	copy(g->reason, sizeof(g->reason), l->reason);
	copy(g->version, sizeof(g->version), l->version);
	copy(g->error, sizeof(g->error), l->error);
	return true;
}

static int more_first(const struct group *a, const struct group *b)
{
	if (a->count != b->count)
		return a->count < b->count ? 1 : -1;
	return strcmp(a->fingerprint, b->fingerprint);
}

static char *clean(struct dead_job *j, const char *words)
{
	CLEANUP(buf_release) struct buf text = {0};

	utf8_clean(words, strlen(words), &text);
	return submission_keep_text(&j->kept, text.data ? text.data : "", text.len);
}

static void on_end(void *data, uint64_t next_seq, const struct err *e)
{
	struct grouping *x = data;
	Millrace__DeadGroups out = MILLRACE__DEAD_GROUPS__INIT;
	char cursor[24] = "";

	if (e) {
		dead_job_fail(&x->job, e);
		return;
	}
	HASH_SORT(x->groups, more_first);
	size_t n = HASH_COUNT(x->groups);
	Millrace__DeadGroup *all = submission_keep(&x->job.kept, (n + 1) * sizeof(*all));
	out.groups = submission_keep(&x->job.kept, (n + 1) * sizeof(*out.groups));
	for (struct group *g = x->groups; g; g = g->hh.next) {
		Millrace__DeadGroup *one = &all[out.n_groups];
		millrace__dead_group__init(one);
		one->fingerprint = g->fingerprint;
		one->type = g->type;
		one->count = g->count;
		one->id = g->id;
		one->reason = clean(&x->job, g->reason);
		one->error = clean(&x->job, g->error);
		one->version = clean(&x->job, g->version);
		one->first_at = g->first_wall_ns;
		one->last_at = g->last_wall_ns;
		out.groups[out.n_groups++] = one;
	}
	out.letters = x->letters;
	out.ungrouped = x->ungrouped;
	if (next_seq)
		snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)next_seq);
	out.next_cursor = cursor;
	dead_job_reply(&x->job, &out.base);
}

void dead_on_groups(void *data, struct service_request *req)
{
	struct grouping *x = dead_job_open(data, req, sizeof(*x), release);
	struct dead_scan_events ev = {.on_letter = on_letter, .on_end = on_end, .data = x};
	struct err e;

	if (x && dead_scan_start(x->job.router, &x->job.select, DEAD_BUDGET_MS, &ev, &x->job.scan, &e))
		dead_job_fail(&x->job, &e);
}
