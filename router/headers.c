/*
 * Which headers go on, and which are added. It stands alone because it is the
 * one place where a stranger's words could steer the broker: a Nats-Expected-*
 * header would make a publish fail for ever, a Task-Epoch of the publisher's
 * would fake a fence. Everything that only the router sets is dropped and
 * written anew, so a message that comes back from DELAYED or from a node is
 * treated like a publisher's. Nothing here can fail.
 */
#include "router/headers.h"

#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/task.h"

static bool rewritten(const char *name)
{
	static const char *const ours[] = {H_TASK_ID, H_TASK_TYPE, H_TASK_REQUIRES, H_TASK_DEFERRALS,
									   H_TASK_WAITS_SINCE, H_TASK_DELIVERIES};

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (strcasecmp(name, ours[i]) == 0)
			return true;
	}
	return false;
}

bool header_passes(const char *name, const char *value)
{
	if (!name[0] || task_header_reserved(name) || rewritten(name))
		return false;
	for (const char *p = name; *p; p++) {
		if (*p <= ' ' || *p == 0x7f || *p == ':' || (unsigned char)*p > 0x7f)
			return false;
	}
	return !value || !strpbrk(value, "\r\n");
}

void headers_add(struct header_list *list, const char *name, const char *value)
{
	if (list->n == list->cap) {
		list->cap = list->cap ? list->cap * 2 : 32;
		list->items = xreallocarray(list->items, list->cap, sizeof(*list->items));
	}
	list->items[list->n++] = (struct bus_header){name, value ? value : ""};
}

static void add_time(struct header_list *list, const char *name, int64_t wall_ns, char text[160])
{
	if (!wall_ns)
		return;
	time_format(wall_ns, text);
	headers_add(list, name, text);
}

/* Digits and a NUL, at most 21 bytes; returns where the NUL is. printf would be seen on the hot
 * path. */
static char *put_number(char *out, uint64_t v)
{
	char digits[20];
	size_t n = 0;

	do {
		digits[n++] = (char)('0' + v % 10);
		v /= 10;
	} while (v > 0);
	while (n > 0)
		*out++ = digits[--n];
	*out = '\0';
	return out;
}

static void add_number(struct header_list *list, const char *name, uint64_t v, char text[32])
{
	put_number(text, v);
	headers_add(list, name, text);
}

/* A header is one line: what a node or a library said may not be. */
static void add_sentence(struct header_list *list, const char *name, const char *text)
{
	if (!text || !*text)
		return;
	size_t len = strlen(text);
	if (len >= sizeof(list->error)) {
		len = sizeof(list->error) - 1;
		while (len > 0 && ((unsigned char)text[len] & 0xc0) == 0x80)
			len--; /* not in the middle of a character */
	}
	for (size_t i = 0; i < len; i++)
		list->error[i] = (unsigned char)text[i] < ' ' || text[i] == 0x7f ? ' ' : text[i];
	list->error[len] = '\0';
	headers_add(list, name, list->error);
}

static void add_requires(struct header_list *list, const struct lane *l)
{
	char *text = list->texts[4];
	size_t len = 0;

	if (!l->capabilities)
		return;
	/* At most LANE_MAX characters together, as lane_make saw to it. */
	for (unsigned i = 0; i < l->capabilities; i++)
		len += (size_t)snprintf(text + len, sizeof(list->texts[4]) - len, "%s%s", i ? "," : "",
								l->capability[i]);
	headers_add(list, H_TASK_REQUIRES, text);
}

static void add_burial(struct header_list *list, const struct submission *s, const struct burial *b)
{
	headers_add(list, H_OUTCOME, "failed");
	if (b->reason)
		headers_add(list, H_OUTCOME_REASON, b->reason);
	add_sentence(list, H_OUTCOME_ERROR, b->error);
	if (b->fingerprint)
		headers_add(list, H_OUTCOME_FINGERPRINT, b->fingerprint);
	if (b->version)
		headers_add(list, H_OUTCOME_VERSION, b->version);
	if (b->left_out)
		headers_add(list, H_OUTCOME_LEFT_OUT, b->left_out);
	if (b->node)
		headers_add(list, H_OUTCOME_NODE, b->node);
	if (s->lane.name[0])
		headers_add(list, H_OUTCOME_LANE, s->lane.name);
	add_time(list, H_OUTCOME_STARTED, b->started_wall_ns, list->texts[3]);
	add_time(list, H_OUTCOME_FINISHED, b->finished_wall_ns, list->texts[5]);
}

void headers_make_bare(struct header_list *list, enum header_target target,
					   const struct submission *s, const char *msg_id, const struct burial *burial)
{
	/* Two numbers share a text: each is short. */
	char *numbers = list->texts[1];

	list->n = 0;
	headers_add(list, H_TASK_ID, s->id);
	add_number(list, H_TASK_ATTEMPT, s->attempt, numbers);
	add_number(list, H_TASK_EPOCH, s->epoch, numbers + 32);
	if (s->sequence)
		add_number(list, H_TASK_SEQUENCE, s->sequence, numbers + 64);
	if (s->deferrals)
		add_number(list, H_TASK_DEFERRALS, s->deferrals, numbers + 96);
	if (s->deliveries)
		add_number(list, H_TASK_DELIVERIES, s->deliveries, numbers + 128);
	add_time(list, H_TASK_SUBMITTED, s->submitted_wall_ns, list->texts[0]);
	if (s->reply_to)
		headers_add(list, H_TASK_REPLY_TO, s->reply_to);
	add_requires(list, &s->lane);
	if (s->avoid && target != TO_DEAD)
		headers_add(list, H_TASK_AVOID, s->avoid);
	headers_add(list, H_MSG_ID, msg_id);
	switch (target) {
	case TO_LANE:
		break;
	case TO_DIRECT:
		headers_add(list, H_TASK_TYPE, s->lane.type);
		break;
	case TO_DELAYED:
		headers_add(list, H_TASK_TYPE, s->lane.type);
		add_time(list, H_TASK_DUE, s->due_wall_ns, list->texts[2]);
		add_time(list, H_TASK_WAITS_SINCE, s->waits_since_wall_ns, list->texts[6]);
		break;
	case TO_DEAD:
		if (s->lane.type[0])
			headers_add(list, H_TASK_TYPE, s->lane.type);
		add_burial(list, s, burial);
		break;
	}
}

void headers_make(struct header_list *list, enum header_target target, const struct submission *s,
				  const char *msg_id, const struct burial *burial)
{
	headers_make_bare(list, target, s, msg_id, burial);
	if (s->timeout_by_type && target == TO_LANE) {
		duration_format(s->timeout_ns, list->texts[2]); /* free: a lane has no Task-Due */
		headers_add(list, H_TASK_TIMEOUT, list->texts[2]);
	}
	for (size_t i = 0; i < s->nheaders; i++) {
		if (header_passes(s->headers[i].name, s->headers[i].value))
			headers_add(list, s->headers[i].name, s->headers[i].value);
	}
}

void header_list_release(struct header_list *list)
{
	free(list->items);
	*list = (struct header_list){0};
}

void headers_msg_id(const struct submission *s, const char *suffix, char out[MSG_ID_MAX])
{
	size_t id_len = strlen(s->id), suffix_len = strlen(suffix);

	/* An id of TASK_ID_MAX, two numbers of at most 10 digits; every suffix is a short word of ours. */
	memcpy(out, s->id, id_len);
	char *p = out + id_len;
	*p++ = '/';
	p = put_number(p, s->attempt);
	*p++ = '/';
	p = put_number(p, s->epoch);
	memcpy(p, suffix, MIN_OF(suffix_len, (size_t)16));
	p[MIN_OF(suffix_len, (size_t)16)] = '\0';
}
