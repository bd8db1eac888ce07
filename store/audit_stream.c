/*
 * The audit's reading of the broker. It stands alone because its verdicts end
 * tasks: each is a function of one answer, and tested by table. What can't be
 * read counts as "it may be there".
 */
#include "store/audit_stream.h"

#include <strings.h>

#include "common/base64.h"
#include "common/task.h"

static uint64_t number(const json_t *object, const char *key)
{
	json_int_t v = json_integer_value(json_object_get(object, key));
	return v > 0 ? (uint64_t)v : 0;
}

int audit_stream_read(const json_t *info, struct audit_stream *ret, struct err *e)
{
	const json_t *state = json_object_get(info, "state");
	if (!json_is_integer(json_object_get(state, "messages")) ||
		!json_is_integer(json_object_get(state, "last_seq"))) {
		return err_set(e, ERR_PROTOCOL, "a stream's state can't be read");
	}
	const json_t *deleted = json_object_get(state, "deleted");
	*ret = (struct audit_stream){
		.messages = number(state, "messages"),
		.first_seq = number(state, "first_seq"),
		.last_seq = number(state, "last_seq"),
		.holes = number(state, "num_deleted"),
		.deleted = json_is_array(deleted) ? deleted : NULL,
	};
	return 0;
}

enum audit_place audit_stream_has(const struct audit_stream *s, uint64_t seq)
{
	if (s->gone || (s->first_seq > 0 && seq < s->first_seq)) {
		return AUDIT_ABSENT;
	}
	/* Nothing in it: what was recorded up to its last message is gone; what is later may have come
	 * since. */
	return s->messages == 0 && seq <= s->last_seq ? AUDIT_ABSENT : AUDIT_THERE_PERHAPS;
}

int audit_consumer_read(const json_t *info, struct audit_consumer *ret, struct err *e)
{
	const json_t *delivered = json_object_get(json_object_get(info, "delivered"), "stream_seq");
	const json_t *floor = json_object_get(json_object_get(info, "ack_floor"), "stream_seq");
	const char *filter =
		json_string_value(json_object_get(json_object_get(info, "config"), "filter_subject"));
	if (!json_is_integer(delivered) || !json_is_integer(floor)) {
		return err_set(e, ERR_PROTOCOL, "a consumer's state can't be read");
	}
	*ret = (struct audit_consumer){
		.delivered_seq = number(json_object_get(info, "delivered"), "stream_seq"),
		.floor_seq = number(json_object_get(info, "ack_floor"), "stream_seq"),
		.pending = number(info, "num_pending"),
		.unacked = number(info, "num_ack_pending"),
		.filter = filter != NULL ? filter : "",
	};
	return 0;
}

enum audit_passed audit_consumer_passed(const struct audit_consumer *c, uint64_t seq)
{
	if (c->floor_seq >= seq || (c->unacked == 0 && c->delivered_seq >= seq)) {
		return AUDIT_PASSED;
	}
	return c->pending == 0 && c->unacked == 0 ? AUDIT_SAYS_SO : AUDIT_NOT_YET;
}

/* "NATS/1.0\r\nName: value\r\n…" */
static bool headers_say(const char *p, size_t len, const char *task_id)
{
	size_t id_len = strlen(task_id), name_len = strlen(H_TASK_ID);
	const char *end = p + len;
	while (p < end) {
		const char *line_end = memmem(p, (size_t)(end - p), "\r\n", 2);
		if (line_end == NULL) {
			line_end = end;
		}
		if ((size_t)(line_end - p) > name_len && p[name_len] == ':' &&
			strncasecmp(p, H_TASK_ID, name_len) == 0) {
			const char *value = p + name_len + 1;
			while (value < line_end && *value == ' ') {
				value++;
			}
			return (size_t)(line_end - value) == id_len && memcmp(value, task_id, id_len) == 0;
		}
		p = line_end + MIN_OF((size_t)(end - line_end), 2u);
	}
	return false;
}

bool audit_message_is(const json_t *reply, const char *task_id)
{
	const json_t *message = json_object_get(reply, "message");
	const char *text = json_string_value(json_object_get(message, "hdrs"));
	CLEANUP(buf_release) struct buf headers = {0};
	struct err e;
	if (!json_is_object(message)) {
		return true;
	}
	if (text == NULL) { /* a message without headers is no task of ours */
		return false;
	}
	if (base64_decode(text, strlen(text), &headers, &e) < 0) {
		return true;
	}
	return headers_say(headers.data, headers.len, task_id);
}

uint64_t audit_message_seq(const json_t *reply)
{
	return number(json_object_get(reply, "message"), "seq");
}
