/*
 * A task spelled out in its body. It stands alone because it is the slow
 * way in: only the bare subject `tasks` takes it, and only here is a body ever
 * looked at. Which of the three forms it is, the Content-Type says, or else
 * the first character. What can't be read is an error with a sentence, which
 * becomes a dead letter.
 */
#include "common/spec.h"

#include <stdio.h>
#include <strings.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/task.h"
#include "proto/task.pb-c.h"

void spec_add_header(struct spec *s, struct keep **kept, const char *name, const char *value)
{
	if (s->nheaders == s->cap) {
		size_t cap = s->cap ? s->cap * 2 : 16;
		struct bus_header *more = submission_keep(kept, cap * sizeof(*more));
		if (s->nheaders)
			memcpy(more, s->headers, s->nheaders * sizeof(*more));
		s->headers = more;
		s->cap = cap;
	}
	s->headers[s->nheaders++] =
		(struct bus_header){submission_keep_text(kept, name, strlen(name)),
							submission_keep_text(kept, value, strlen(value))};
}

static void add_requires(struct spec *s, struct keep **kept, const Millrace__TaskSpec *t)
{
	CLEANUP(buf_release) struct buf list = {0};

	for (size_t i = 0; i < t->n_requires; i++)
		buf_printf(&list, "%s%s", i ? "," : "", t->requires[i]);
	if (list.len)
		spec_add_header(s, kept, H_TASK_REQUIRES, list.data);
}

static void read_record(const Millrace__TaskSpec *t, struct keep **kept, struct spec *s)
{
	char text[40];

	if (t->id[0])
		spec_add_header(s, kept, H_TASK_ID, t->id);
	if (t->type[0])
		s->type = submission_keep_text(kept, t->type, strlen(t->type));
	if (t->content_type[0])
		spec_add_header(s, kept, H_CONTENT_TYPE, t->content_type);
	if (t->priority[0])
		spec_add_header(s, kept, H_TASK_PRIORITY, t->priority);
	if (t->project[0])
		spec_add_header(s, kept, H_TASK_PROJECT, t->project);
	add_requires(s, kept, t);
	if (t->timeout_ms) {
		snprintf(text, sizeof(text), "%lldms", (long long)t->timeout_ms);
		spec_add_header(s, kept, H_TASK_TIMEOUT, text);
	}
	if (t->attempts) {
		snprintf(text, sizeof(text), "%u", t->attempts);
		spec_add_header(s, kept, H_TASK_ATTEMPTS, text);
	}
	if (t->delay_ms) {
		snprintf(text, sizeof(text), "%lldms", (long long)t->delay_ms);
		spec_add_header(s, kept, H_TASK_DELAY, text);
	}
	if (t->run_at) {
		time_format(t->run_at, text);
		spec_add_header(s, kept, H_TASK_AT, text);
	}
	for (size_t i = 0; i < t->n_headers; i++)
		spec_add_header(s, kept, t->headers[i]->name, t->headers[i]->value);
	s->body = submission_keep_text(kept, (const char *)t->payload.data, t->payload.len);
	s->body_len = t->payload.len;
}

static int read_protobuf(const void *body, size_t len, struct keep **kept, struct spec *ret,
						 struct err *e)
{
	ProtobufCMessage *m = NULL;
	struct err why;

	if (codec_unpack(&millrace__task_spec__descriptor, body, len, &m, &why))
		return err_set(
			e, ERR_INVALID,
			"the body on `tasks` is neither JSON (it starts with '{') nor a protobuf TaskSpec; "
			"a plain body belongs on tasks.<type>");
	read_record((const Millrace__TaskSpec *)m, kept, ret);
	codec_free(m);
	return 0;
}

int spec_read(const char *content_type, const void *body, size_t len, struct keep **kept,
			  struct spec *ret, struct err *e)
{
	struct spec s = {0};
	const char *text = body;
	size_t blanks = 0;
	int rc;

	if (len == 0)
		return err_set(e, ERR_INVALID,
					   "the body on `tasks` is empty; it must be a task as JSON, such as "
					   "{\"type\":\"echo\",\"text\":\"hello\"}, or be published on tasks.<type>");
	while (blanks < len && (text[blanks] == ' ' || text[blanks] == '\t' || text[blanks] == '\r' ||
							text[blanks] == '\n'))
		blanks++;
	bool json = blanks < len && text[blanks] == '{';
	if (content_type && strcasestr(content_type, "json"))
		json = true;
	else if (content_type && strcasestr(content_type, "protobuf"))
		json = false;
	rc = json ? spec_read_json(text, len, kept, &s, e) : read_protobuf(body, len, kept, &s, e);
	if (rc == 0)
		*ret = s;
	return rc;
}
