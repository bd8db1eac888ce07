/*
 * Dead letters read. It stands alone because what lies in DEAD came from
 * strangers twice, as a task and as an error, and lies there for months: it
 * is read with everything optional. What leaves again as a task passes the
 * same gate as any publisher's headers (header_passes).
 */
#include "router/letter.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>
#include <strings.h>

#include "common/codec.h"
#include "common/task.h"
#include "common/retry_id.h"
#include "common/decode.h"

#define TEXT_MAX_BYTES 2048

/* ---- reading ---- */

static const char *header(const struct letter_message *m, const char *name)
{
	return arrival_header(&(struct arrival){.headers = m->headers, .nheaders = m->nheaders}, name);
}

static const char *text(const struct letter_message *m, const char *name)
{
	const char *value = header(m, name);

	return value ? value : "";
}

static uint64_t number(const struct letter_message *m, const char *name)
{
	const char *value = header(m, name);

	return value && isdigit((unsigned char)*value) ? strtoull(value, NULL, 10) : 0;
}

static int64_t moment(const struct letter_message *m, const char *name)
{
	const char *value = header(m, name);
	int64_t ns;

	return value && time_parse(value, &ns, NULL) == 0 ? ns : 0;
}

static void take_type(const struct letter_message *m, struct letter *l)
{
	const char *type = header(m, H_TASK_TYPE);

	if (!type && strncmp(m->subject, "dead.", 5) == 0)
		type = m->subject + 5;
	if (type && token_ok(type, strlen(type)) && !str_eq(type, "_invalid"))
		snprintf(l->type, sizeof(l->type), "%s", type);
}

void letter_read(const struct letter_message *m, struct letter *ret)
{
	const char *id = text(m, H_TASK_ID), *fingerprint = text(m, H_OUTCOME_FINGERPRINT);
	uint64_t size = number(m, "Nats-Msg-Size");

	*ret = (struct letter){
		.reason = text(m, H_OUTCOME_REASON),
		.error = text(m, H_OUTCOME_ERROR),
		.node = text(m, H_OUTCOME_NODE),
		.lane = text(m, H_OUTCOME_LANE),
		.version = text(m, H_OUTCOME_VERSION),
		.content_type = text(m, H_CONTENT_TYPE),
		.retry_of = text(m, H_TASK_RETRY_OF),
		.left_out = text(m, H_OUTCOME_LEFT_OUT),
		.attempts = (unsigned)MIN_OF(number(m, H_TASK_ATTEMPT), (uint64_t)100000),
		.submitted_wall_ns = moment(m, H_TASK_SUBMITTED),
		.started_wall_ns = moment(m, H_OUTCOME_STARTED),
		.died_wall_ns = m->stored_wall_ns,
		.seq = m->seq,
		.body_len = size ? (size_t)size : m->body_len,
	};
	if (task_id_ok(id, strlen(id)))
		snprintf(ret->id, sizeof(ret->id), "%s", id);
	take_type(m, ret);
	if (fingerprint_ok(fingerprint))
		snprintf(ret->fingerprint, sizeof(ret->fingerprint), "%s", fingerprint);
	else
		fingerprint_make(ret->type, ret->error, ret->version, ret->fingerprint);
}

/* ---- as a record ---- */

static char *kept_text(struct keep **kept, const char *words)
{
	CLEANUP(buf_release) struct buf clean = {0};
	size_t len = strnlen(words, TEXT_MAX_BYTES);

	if (utf8_ok(words, len))
		return submission_keep_text(kept, words, len);
	utf8_clean(words, len, &clean);
	return submission_keep_text(kept, clean.data ? clean.data : "", clean.len);
}

void letter_record(const struct letter *l, struct keep **kept, Millrace__DeadLetter *ret)
{
	char retry_id[TASK_ID_MAX + 1] = "";

	millrace__dead_letter__init(ret);
	ret->id = kept_text(kept, l->id);
	ret->type = kept_text(kept, l->type);
	ret->fingerprint = kept_text(kept, l->fingerprint);
	ret->reason = kept_text(kept, l->reason);
	ret->error = kept_text(kept, l->error);
	ret->attempts = l->attempts;
	ret->node = kept_text(kept, l->node);
	ret->lane = kept_text(kept, l->lane);
	ret->version = kept_text(kept, l->version);
	ret->submitted_at = l->submitted_wall_ns;
	ret->started_at = l->started_wall_ns;
	ret->died_at = l->died_wall_ns;
	ret->seq = l->seq;
	ret->body_bytes = l->body_len;
	ret->content_type = kept_text(kept, l->content_type);
	ret->retry_of = kept_text(kept, l->retry_of);
	ret->left_out = kept_text(kept, l->left_out);
	if (!letter_refusal(l))
		retry_id_next(l->id, retry_id);
	ret->retry_id = kept_text(kept, retry_id);
}

void letter_record_headers(const struct letter_message *m, struct keep **kept,
						   Millrace__DeadLetter *ret)
{
	Millrace__Header *all = submission_keep(kept, (m->nheaders + 1) * sizeof(*all));

	ret->headers = submission_keep(kept, (m->nheaders + 1) * sizeof(*ret->headers));
	for (size_t i = 0; i < m->nheaders; i++) {
		const struct bus_header *h = &m->headers[i];
		if (!header_passes(h->name, h->value) && strcasecmp(h->name, H_TASK_REQUIRES) != 0)
			continue;
		Millrace__Header *one = &all[ret->n_headers];
		millrace__header__init(one);
		one->name = kept_text(kept, h->name);
		one->value = kept_text(kept, h->value);
		ret->headers[ret->n_headers++] = one;
	}
}

/* ---- replay ---- */

const char *letter_refusal(const struct letter *l)
{
	if (!l->id[0])
		return "it has no id; publish its body again by hand";
	if (!l->type[0])
		return "it has no type; publish its body again on tasks.<type>";
	if (l->left_out[0])
		return "it is not whole: what did not fit into DEAD was left out; submit the task anew";
	return NULL;
}

static bool goes_again(const struct bus_header *h)
{
	static const char *const once[] = {H_TASK_DELAY, H_TASK_AT, H_TASK_EXPIRES, H_TASK_RETRY_OF};

	for (size_t i = 0; i < ARRAY_LEN(once); i++) {
		if (strcasecmp(h->name, once[i]) == 0)
			return false;
	}
	/* The router's own word of what the task requires is all that is left of the publisher's. */
	return header_passes(h->name, h->value) || strcasecmp(h->name, H_TASK_REQUIRES) == 0;
}

void letter_replay_headers(const struct letter_message *m, const struct letter *l,
						   const char *retry_id, struct header_list *list)
{
	list->n = 0;
	headers_add(list, H_TASK_ID, retry_id);
	headers_add(list, H_MSG_ID, retry_id);
	headers_add(list, H_TASK_RETRY_OF, l->id);
	for (size_t i = 0; i < m->nheaders; i++) {
		if (goes_again(&m->headers[i]))
			headers_add(list, m->headers[i].name, m->headers[i].value);
	}
}

/* ---- which ---- */

static int take_seq(const char *name, const char *value, uint64_t *ret, struct err *e)
{
	char *end;

	errno = 0;
	unsigned long long v = strtoull(value, &end, 10);
	if (!isdigit((unsigned char)value[0]) || *end || errno || v == 0)
		return err_set(e, ERR_INVALID, "%s: \"%.40s\" is no sequence of DEAD", name, value);
	*ret = v;
	return 0;
}

/* "<next>", or "<next>-<last>". */
static int take_cursor(const char *text, struct letter_select *s, struct err *e)
{
	char first[24];
	size_t len = strcspn(text, "-");

	if (len == 0 || len >= sizeof(first))
		return err_set(e, ERR_INVALID, "cursor: it is not one of an answer before");
	memcpy(first, text, len);
	first[len] = '\0';
	int rc = take_seq("cursor", first, &s->from_seq, e);
	if (rc == 0 && text[len])
		rc = take_seq("cursor", text + len + 1, &s->upto_seq, e);
	return rc;
}

static int take_id(const char *id, struct letter_select *s, struct err *e)
{
	if (task_id_check(id, e))
		return err_wrap(e, "id");
	/* It was found to be no longer; the bound is for the compiler. */
	snprintf(s->id, sizeof(s->id), "%.*s", (int)sizeof(s->id) - 1, id);
	return 0;
}

static int take_wanted_type(const char *type, struct letter_select *s, struct err *e)
{
	if (!str_eq(type, "_invalid") && token_check("type", type, e))
		return e->code;
	snprintf(s->type, sizeof(s->type), "%s", type);
	return 0;
}

static int take_fingerprint(const char *f, struct letter_select *s, struct err *e)
{
	if (!fingerprint_ok(f))
		return err_set(e, ERR_INVALID,
					   "fingerprint: \"%.40s\" is none; one is ten hex digits, perhaps with a "
					   "version as in 3fa94c1e02-9b1c",
					   utf8_ok(f, strlen(f)) ? f : "?");
	snprintf(s->fingerprint, sizeof(s->fingerprint), "%s", f);
	return 0;
}

static int read_plain(const char *words, struct letter_select *s, struct err *e)
{
	if (str_eq(words, "all")) {
		s->all = true;
		return 0;
	}
	if (strncmp(words, "id:", 3) == 0)
		return take_id(words + 3, s, e);
	if (strncmp(words, "type:", 5) == 0)
		return take_wanted_type(words + 5, s, e);
	if (strncmp(words, "fingerprint:", 12) == 0)
		return take_fingerprint(words + 12, s, e);
	if (strncmp(words, "seq:", 4) == 0)
		return take_seq("seq", words + 4, &s->seq, e);
	return take_id(words, s, e);
}

static int read_record(const Millrace__DeadSelect *r, struct letter_select *s, struct err *e)
{
	int rc = 0;

	if (r->id[0])
		rc = take_id(r->id, s, e);
	if (rc == 0 && r->type[0])
		rc = take_wanted_type(r->type, s, e);
	if (rc == 0 && r->fingerprint[0])
		rc = take_fingerprint(r->fingerprint, s, e);
	if (rc == 0 && r->cursor[0])
		rc = take_cursor(r->cursor, s, e);
	if (rc)
		return rc;
	s->seq = r->seq;
	s->all = r->all;
	s->limit = r->limit;
	s->after_wall_ns = r->after_at;
	/* For the log: a line of it. */
	size_t n = 0;
	for (const char *p = r->by; *p && n + 1 < sizeof(s->by); p++)
		s->by[n++] = *p > ' ' && *p < 0x7f ? *p : '_';
	s->by[n] = '\0';
	if ((s->id[0] || s->seq) && (s->type[0] || s->fingerprint[0] || s->all))
		return err_set(e, ERR_INVALID,
					   "id and seq ask for one letter; leave out type, "
					   "fingerprint and all");
	return 0;
}

int letter_select_read(const char *content_type, const void *data, size_t len,
					   struct letter_select *ret, struct err *e)
{
	const char *p = data;
	ProtobufCMessage *record = NULL;
	char words[256];

	*ret = (struct letter_select){0};
	while (len > 0 && isspace((unsigned char)p[len - 1]))
		len--;
	if (content_type && strcasestr(content_type, "protobuf"))
		goto structured;
	if (len == 0)
		return 0;
	if (p[0] == '{')
		goto structured;
	if (len >= sizeof(words) || memchr(p, '\0', len))
		return err_set(
			e, ERR_INVALID,
			"say which: <id>, id:<id>, seq:<n>, type:<t>, fingerprint:<f>, all, or JSON");
	memcpy(words, p, len);
	words[len] = '\0';
	return read_plain(words, ret, e);
structured:
	if (codec_decode(&millrace__dead_select__descriptor, content_type, p, len, &record, e))
		return e->code;
	int rc = read_record((const Millrace__DeadSelect *)record, ret, e);
	codec_free(record);
	return rc;
}

bool letter_select_one(const struct letter_select *s)
{
	return s->id[0] || s->seq;
}

bool letter_selected(const struct letter_select *s, const struct letter *l)
{
	if (s->id[0] && !str_eq(s->id, l->id))
		return false;
	if (s->seq && s->seq != l->seq)
		return false;
	if (s->type[0] && !str_eq(s->type, l->type[0] ? l->type : "_invalid"))
		return false;
	if (s->fingerprint[0] && !fingerprint_matches(l->fingerprint, s->fingerprint))
		return false;
	return l->died_wall_ns >= s->after_wall_ns;
}
