/*
 * From a message to a submission. It stands alone because this is where
 * strangers' words are judged: everything that will meet a subject, a key or
 * a stream's name is checked on the way through here, and what is refused is
 * refused with a sentence that says what would be right. The plain way in
 * (tasks.<type>) costs one pass over the headers and takes no memory; a spec
 * on the bare subject is read by spec.h and then treated as if it had been
 * headers.
 */
#include "common/decode.h"

#include <openssl/evp.h>
#include <stdio.h>
#include <strings.h>

#include "common/backoff.h"
#include "common/codec.h"
#include "common/task.h"
#include "common/spec.h"

#define SCRATCH_HEADERS 64

const char *arrival_header(const struct arrival *a, const char *name)
{
	for (size_t i = 0; i < a->nheaders; i++) {
		if (strcasecmp(a->headers[i].name, name) == 0)
			return a->headers[i].value;
	}
	return NULL;
}

/* ---- ids ---- */

static void id_from_sequence(const struct decode_rules *rules, const struct arrival *a,
							 char out[TASK_ID_MAX + 1])
{
	static const char digits[] = "0123456789abcdefghijklmnopqrstuvwxyz";
	char text[16];
	size_t at = sizeof(text);
	uint64_t v = rules->stream_created_s > 0 ? (uint64_t)rules->stream_created_s : 0;

	text[--at] = '\0';
	do {
		text[--at] = digits[v % 36];
		v /= 36;
	} while (v > 0 && at > 0);
	snprintf(out, TASK_ID_MAX + 1, "%s-%llu", text + at, (unsigned long long)a->sequence);
}

static void id_from_text(const char *text, char out[TASK_ID_MAX + 1])
{
	size_t len = strlen(text);
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (task_id_ok(text, len)) {
		memcpy(out, text, len + 1);
		return;
	}
	if (!EVP_Digest(text, len, digest, &n, EVP_sha256(), NULL))
		abort(); /* SHA-256 is always there */
	out[0] = 'h';
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
}

static void take_id(const struct decode_rules *rules, const struct arrival *a, const char *task_id,
					const char *msg_id, struct submission *s)
{
	if (task_id && task_id_ok(task_id, strlen(task_id)))
		snprintf(s->id, sizeof(s->id), "%s", task_id);
	else if (msg_id && *msg_id)
		id_from_text(msg_id, s->id);
	else if (a->sequence)
		id_from_sequence(rules, a, s->id);
}

/* ---- facts ---- */

static bool is_one_of(const char *name, const char *const *names, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (strcasecmp(name, names[i]) == 0)
			return true;
	}
	return false;
}

/* What a publisher set that only the router may set is not even read. */
static bool readable(const char *name)
{
	static const char *const ids[] = {H_MSG_ID};

	return !task_header_reserved(name) || is_one_of(name, ids, ARRAY_LEN(ids));
}

static int read_publishers(const struct bus_header *headers, size_t n, struct task *t,
						   struct err *e)
{
	struct bus_header few[SCRATCH_HEADERS],
		*list = n <= ARRAY_LEN(few) ? few : xcalloc(n, sizeof(*list));
	size_t kept = 0;
	int rc;

	for (size_t i = 0; i < n; i++) {
		if (readable(headers[i].name))
			list[kept++] = headers[i];
	}
	rc = task_read_headers(list, kept, t, e);
	if (list != few)
		free(list);
	return rc;
}

static void take_facts(const struct task *t, struct submission *s)
{
	s->class = t->priority;
	s->attempts = t->attempts;
	s->timeout_ns = t->timeout_ns;
	s->wait_ns = t->wait_ns;
	s->expires_wall_ns = t->expires_wall_ns;
	if (t->expires_after_ns)
		s->expires_wall_ns = s->submitted_wall_ns + t->expires_after_ns;
	s->project = t->project;
	s->node = t->node;
	s->same_node_as = t->same_node_as;
	s->not_nodes = t->not_nodes;
	s->balance = t->balance;
	s->content_type = t->content_type;
	s->unique = t->unique;
	s->unique_for_ns = t->unique_for_ns;
	s->result_keep_ns = t->result_keep_ns;
	s->retry_of = t->retry_of;
}

static const char *find(const struct bus_header *headers, size_t n, const char *name)
{
	return arrival_header(&(struct arrival){.headers = headers, .nheaders = n}, name);
}

static int check_backoff(const struct bus_header *headers, size_t n, struct err *e)
{
	const char *text = find(headers, n, H_TASK_BACKOFF);
	struct retry_rule rule = RETRY_RULE_DEFAULT;

	if (text && backoff_parse(text, &rule, e))
		return err_wrap(e, "header " H_TASK_BACKOFF);
	return 0;
}

/*
 * The headers of a spec's message and those that the spec spelled out, as one list: the spec's win,
 * and the message's Content-Type was the spec's own, not the body's.
 */
static void merge(const struct arrival *a, const struct spec *spec, struct submission *s)
{
	struct bus_header *list =
		submission_keep(&s->kept, (a->nheaders + spec->nheaders) * sizeof(*list));
	size_t n = 0;

	for (size_t i = 0; i < spec->nheaders; i++) {
		if (!task_header_reserved(spec->headers[i].name))
			list[n++] = spec->headers[i];
	}
	for (size_t i = 0; i < a->nheaders; i++) {
		const char *name = a->headers[i].name;
		if (strcasecmp(name, H_CONTENT_TYPE) != 0 && !find(spec->headers, spec->nheaders, name))
			list[n++] = a->headers[i];
	}
	s->headers = list;
	s->nheaders = n;
}

static int read_spec(const struct decode_rules *rules, const struct arrival *a,
					 struct submission *s, const char **ret_type, const char **ret_msg_id,
					 struct err *e)
{
	struct spec spec;

	if (spec_read(arrival_header(a, H_CONTENT_TYPE), a->body, a->body_len, &s->kept, &spec, e))
		return ERR_INVALID;
	merge(a, &spec, s);
	s->body = spec.body ? spec.body : "";
	s->body_len = spec.body_len;
	*ret_type = spec.type ? spec.type : rules->default_type;
	if (spec.msg_id)
		*ret_msg_id = spec.msg_id;
	if (!*ret_type)
		return err_set(e, ERR_INVALID,
					   "the spec on `tasks` has no \"type\", and no default type is configured");
	return 0;
}

/* What follows "tasks." or "run."; NULL where the subject is something else. */
static const char *subject_type(const char *subject)
{
	if (strncmp(subject, "tasks.", 6) == 0)
		return subject + 6;
	if (strncmp(subject, "run.", 4) == 0)
		return subject + 4;
	return NULL;
}

static int take_due(const struct task *t, struct submission *s, struct err *e)
{
	int64_t due = t->at_wall_ns;

	if (t->delay_ns && due)
		return err_set(e, ERR_INVALID, H_TASK_DELAY " and " H_TASK_AT " exclude each other");
	if (t->delay_ns)
		due = s->submitted_wall_ns + t->delay_ns;
	if (due > s->submitted_wall_ns)
		s->due_wall_ns = due;
	return 0;
}

/* "Task-Delay: 1h": one of ours, as a line. */
static bool is_our_line(const char *value)
{
	static const char *const ours[] = {"Task-", "Nats-", H_CONTENT_TYPE ":"};
	size_t name = strcspn(value, ": \t");

	for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
		if (value[name] == ':' && strncasecmp(value, ours[i], strlen(ours[i])) == 0)
			return true;
	}
	return false;
}

/*
 * A header without a value costs others: as the last one all of them, before another one that one,
 * which the client library takes for its value. A task must not run at once because the header
 * that puts it off was lost so.
 */
static int check_lines(const struct arrival *a, struct err *e)
{
	if (a->headers_unreadable)
		return err_set(e, ERR_INVALID,
					   "its headers can't be read: one has no value, or a line is no header");
	for (size_t i = 0; i < a->nheaders; i++) {
		if (is_our_line(a->headers[i].value))
			return err_set(e, ERR_INVALID,
						   "header %.100s has no value, so that the next line was taken for it: "
						   "\"%.100s\"",
						   a->headers[i].name, a->headers[i].value);
	}
	return 0;
}

int decode_submission(const struct decode_rules *rules, const struct arrival *a,
					  struct submission *ret, struct err *e)
{
	struct submission *s = ret;
	const char *type = subject_type(a->subject), *msg_id = arrival_header(a, H_MSG_ID);
	struct task t = {.priority = CLASS_NORMAL};
	int rc = 0;

	*s = (struct submission){
		.class = CLASS_NORMAL,
		.attempt = 1,
		.epoch = 1,
		.sequence = a->sequence,
		.submitted_wall_ns = a->stored_wall_ns,
		.headers = a->headers,
		.nheaders = a->nheaders,
		.body = a->body,
		.body_len = a->body_len,
	};
	/* First what a dead letter needs, whatever else is wrong. */
	take_id(rules, a, arrival_header(a, H_TASK_ID), msg_id, s);
	if (type && token_ok(type, strlen(type)))
		snprintf(s->lane.type, sizeof(s->lane.type), "%s", type);

	if (check_lines(a, e))
		return ERR_INVALID;
	if (str_eq(a->subject, "tasks"))
		rc = a->body_len > rules->body_max_bytes ? 0 : read_spec(rules, a, s, &type, &msg_id, e);
	else if (!type)
		return err_set(e, ERR_INVALID, "nothing takes tasks on \"%.100s\"; publish on tasks.<type>",
					   a->subject);
	if (rc)
		return rc;
	if (type && !s->lane.type[0] && token_ok(type, strlen(type)))
		snprintf(s->lane.type, sizeof(s->lane.type), "%s", type);
	if (a->body_len > rules->body_max_bytes)
		return err_set(e, ERR_INVALID,
					   "the body has %zu bytes, %zu is the most; put it into the object store "
					   "and name it in " H_TASK_OBJECT,
					   a->body_len, rules->body_max_bytes);
	if (read_publishers(s->headers, s->nheaders, &t, e))
		return ERR_INVALID;
	if (s->kept) /* a spec may have named it */
		take_id(rules, a, t.id, msg_id, s);
	take_facts(&t, s);
	struct lane lane;
	if (lane_make(type, t.requires, &lane, e))
		return ERR_INVALID;
	s->lane = lane;
	if (check_backoff(s->headers, s->nheaders, e))
		return ERR_INVALID;
	return take_due(&t, s, e);
}

/* ---- what comes back ---- */

static int lane_of(const struct arrival *a, const struct task *t, struct lane *ret, struct err *e)
{
	const char *type = arrival_header(a, H_TASK_TYPE), *lane = arrival_header(a, H_OUTCOME_LANE);

	if (type)
		return lane_make(type, t->requires, ret, e);
	if (lane)
		return lane_parse(lane, ret, e);
	return err_set(e, ERR_INVALID,
				   "neither " H_TASK_TYPE " nor " H_OUTCOME_LANE " says which lane it is of");
}

int decode_returned(const struct arrival *a, struct submission *ret, struct err *e)
{
	struct task t;
	const char *deferrals = arrival_header(a, H_TASK_DEFERRALS),
			   *waits = arrival_header(a, H_TASK_WAITS_SINCE),
			   *deliveries = arrival_header(a, H_TASK_DELIVERIES);

	*ret = (struct submission){
		.class = CLASS_NORMAL,
		.attempt = 1,
		.epoch = 1,
		.submitted_wall_ns = a->stored_wall_ns,
		.headers = a->headers,
		.nheaders = a->nheaders,
		.body = a->body,
		.body_len = a->body_len,
	};
	if (task_read_headers(a->headers, a->nheaders, &t, e))
		return ERR_INVALID;
	if (!t.id)
		return err_set(e, ERR_INVALID, "header " H_TASK_ID " is missing");
	snprintf(ret->id, sizeof(ret->id), "%s", t.id);
	if (t.submitted_wall_ns)
		ret->submitted_wall_ns = t.submitted_wall_ns;
	take_facts(&t, ret);
	ret->avoid = t.avoid;
	ret->attempt = MAX_OF(t.attempt, 1u);
	ret->epoch = MAX_OF(t.epoch, 1u);
	ret->sequence = t.sequence;
	ret->reply_to = t.reply_to;
	ret->due_wall_ns = t.due_wall_ns;
	if (deferrals)
		ret->deferrals = (unsigned)MIN_OF(strtoul(deferrals, NULL, 10), 1000ul);
	if (deliveries)
		ret->deliveries = (unsigned)MIN_OF(strtoul(deliveries, NULL, 10), 1000ul);
	if (waits && time_parse(waits, &ret->waits_since_wall_ns, NULL))
		ret->waits_since_wall_ns = 0;
	return lane_of(a, &t, &ret->lane, e);
}
