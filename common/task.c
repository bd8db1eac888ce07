/*
 * A task's facts out of its headers. It stands alone because router and node
 * read every task through it, 20,000 times a second: one pass over the
 * headers, each compared by length before by letters, nothing allocated,
 * every text borrowed from the message. Of a header that is repeated the
 * first counts. A header that is ours and cannot be understood ends the
 * reading with a sentence that names it: guessing a timeout would be worse
 * than a dead letter.
 */
#include "common/task.h"

#include <ctype.h>
#include <errno.h>
#include <strings.h>

#include "common/codec.h"

#define TEXT_MAX_BYTES 255u
#define OBJECT_MAX_BYTES 1024u
#define ATTEMPTS_MAX 1000u

enum field {
	F_ID,
	F_PRIORITY,
	F_REQUIRES,
	F_TIMEOUT,
	F_ATTEMPTS,
	F_DELAY,
	F_AT,
	F_WAIT,
	F_PROJECT,
	F_OBJECT,
	F_NODE,
	F_SAME_NODE_AS,
	F_NOT_NODES,
	F_BALANCE,
	F_EXPIRES,
	F_ATTEMPT,
	F_EPOCH,
	F_REPLY_TO,
	F_SUBMITTED,
	F_SEQUENCE,
	F_DUE,
	F_AVOID,
	F_CONTENT_TYPE,
	F_MSG_ID,
	F_UNIQUE,
	F_UNIQUE_FOR,
	F_RESULT_EXPIRES,
	F_RETRY_OF,
};

struct known {
	const char *name;
	size_t len;
	enum field field;
};
#define KNOWN(name, field)            \
	{                                 \
		name, sizeof(name) - 1, field \
	}

static const struct known table[] = {
	KNOWN(H_TASK_ID, F_ID),
	KNOWN(H_TASK_PRIORITY, F_PRIORITY),
	KNOWN(H_TASK_REQUIRES, F_REQUIRES),
	KNOWN(H_TASK_TIMEOUT, F_TIMEOUT),
	KNOWN(H_TASK_ATTEMPTS, F_ATTEMPTS),
	KNOWN(H_TASK_DELAY, F_DELAY),
	KNOWN(H_TASK_AT, F_AT),
	KNOWN(H_TASK_WAIT, F_WAIT),
	KNOWN(H_TASK_PROJECT, F_PROJECT),
	KNOWN(H_TASK_OBJECT, F_OBJECT),
	KNOWN(H_TASK_NODE, F_NODE),
	KNOWN(H_TASK_SAME_NODE_AS, F_SAME_NODE_AS),
	KNOWN(H_TASK_NOT_NODES, F_NOT_NODES),
	KNOWN(H_TASK_BALANCE, F_BALANCE),
	KNOWN(H_TASK_EXPIRES, F_EXPIRES),
	KNOWN(H_TASK_ATTEMPT, F_ATTEMPT),
	KNOWN(H_TASK_EPOCH, F_EPOCH),
	KNOWN(H_TASK_REPLY_TO, F_REPLY_TO),
	KNOWN(H_TASK_SUBMITTED, F_SUBMITTED),
	KNOWN(H_TASK_SEQUENCE, F_SEQUENCE),
	KNOWN(H_TASK_DUE, F_DUE),
	KNOWN(H_TASK_AVOID, F_AVOID),
	KNOWN(H_CONTENT_TYPE, F_CONTENT_TYPE),
	KNOWN(H_MSG_ID, F_MSG_ID),
	KNOWN(H_TASK_UNIQUE, F_UNIQUE),
	KNOWN(H_TASK_UNIQUE_FOR, F_UNIQUE_FOR),
	KNOWN(H_TASK_RESULT_EXPIRES, F_RESULT_EXPIRES),
	KNOWN(H_TASK_RETRY_OF, F_RETRY_OF),
};

static const struct known *find(const char *name)
{
	/* Most headers of strangers end here. */
	switch (name[0] | 0x20) {
	case 't':
	case 'c':
	case 'n':
		break;
	default:
		return NULL;
	}
	size_t len = strlen(name);
	for (size_t i = 0; i < ARRAY_LEN(table); i++) {
		if (table[i].len == len && strcasecmp(table[i].name, name) == 0)
			return &table[i];
	}
	return NULL;
}

static int read_number(const char *value, uint64_t min, uint64_t max, uint64_t *ret, struct err *e)
{
	char *end;

	errno = 0;
	uint64_t v = strtoull(value, &end, 10);
	/* strtoull takes blanks and signs. */
	if (!isdigit((unsigned char)value[0]) || *end || errno)
		return err_set(e, ERR_INVALID, "\"%.40s\" is no whole number", value);
	if (v < min || v > max)
		return err_set(e, ERR_INVALID, "%.20s is not within %llu to %llu", value,
					   (unsigned long long)min, (unsigned long long)max);
	*ret = v;
	return 0;
}

static int read_text(const char *value, size_t max_bytes, const char **ret, struct err *e)
{
	size_t len = strlen(value);

	if (len > max_bytes)
		return err_set(e, ERR_INVALID, "%zu bytes are over the limit of %zu", len, max_bytes);
	if (!utf8_ok(value, len))
		return err_set(e, ERR_INVALID, "the text is not UTF-8");
	*ret = len > 0 ? value : NULL;
	return 0;
}

static int read_timeout(const char *value, int64_t *ret, struct err *e)
{
	int64_t ns;
	int rc = duration_parse(value, &ns, e);

	if (rc)
		return rc;
	if (ns < NS_PER_MS)
		return err_set(e, ERR_INVALID, "\"%.40s\" is shorter than a millisecond", value);
	*ret = ns;
	return 0;
}

/* "2030-01-02T03:04:05Z" or "90s": only a moment has a T in it. */
static int read_expires(const char *value, struct task *t, struct err *e)
{
	int64_t ns;

	if (strpbrk(value, "Tt"))
		return time_parse(value, &t->expires_wall_ns, e);
	if (duration_parse(value, &ns, e))
		return err_set(e, ERR_INVALID,
					   "\"%.40s\" is neither a moment (2030-01-02T03:04:05Z) nor a duration (90s)",
					   value);
	t->expires_after_ns = MAX_OF(ns, 1);
	return 0;
}

/* At once is a millisecond: 0 says that nothing was said. */
static int read_result_expires(const char *value, int64_t *ret, struct err *e)
{
	int64_t ns;

	if (strcasecmp(value, "never") == 0) {
		*ret = TASK_RESULT_NEVER;
		return 0;
	}
	if (duration_parse(value, &ns, e))
		return err_wrap(e, "neither \"never\" nor a duration");
	*ret = MAX_OF(ns, NS_PER_MS);
	return 0;
}

/* Said and nothing in it: as if it had not been said. */
static int read_placement(enum field field, const char *value, struct task *t, struct err *e)
{
	struct wish wish;

	if (!*value)
		return 0;
	if (field == F_BALANCE)
		return balance_parse(value, &t->balance, e);
	if (field == F_NOT_NODES) {
		t->not_nodes = value;
		return names_check(value, e);
	}
	if (field == F_NODE) {
		t->node = value;
		return wish_node(value, &wish, e);
	}
	t->same_node_as = value;
	return wish_task(value, &wish, e);
}

static int read_value(enum field field, const char *value, struct task *t, struct err *e)
{
	uint64_t n = 0;
	int rc;

	switch (field) {
	case F_ID:
		t->id = value;
		return task_id_check(value, e);
	case F_PRIORITY:
		return task_priority_parse(value, &t->priority, e);
	case F_REQUIRES:
		t->requires
		= *value ? value : NULL;
		return 0;
	case F_TIMEOUT:
		return read_timeout(value, &t->timeout_ns, e);
	case F_ATTEMPTS:
		rc = read_number(value, 1, ATTEMPTS_MAX, &n, e);
		t->attempts = (unsigned)n;
		return rc;
	case F_DELAY:
		return duration_parse(value, &t->delay_ns, e);
	case F_AT:
		return time_parse(value, &t->at_wall_ns, e);
	case F_WAIT:
		return duration_parse(value, &t->wait_ns, e);
	case F_PROJECT:
		return read_text(value, TEXT_MAX_BYTES, &t->project, e);
	case F_OBJECT:
		return read_text(value, OBJECT_MAX_BYTES, &t->object, e);
	case F_NODE:
	case F_SAME_NODE_AS:
	case F_NOT_NODES:
	case F_BALANCE:
		return read_placement(field, value, t, e);
	case F_EXPIRES:
		return read_expires(value, t, e);
	case F_ATTEMPT:
		rc = read_number(value, 1, UINT32_MAX, &n, e);
		t->attempt = (unsigned)n;
		return rc;
	case F_EPOCH:
		rc = read_number(value, 0, UINT32_MAX, &n, e);
		t->epoch = (uint32_t)n;
		return rc;
	case F_REPLY_TO:
		t->reply_to = *value ? value : NULL;
		return 0;
	case F_SUBMITTED:
		return time_parse(value, &t->submitted_wall_ns, e);
	case F_SEQUENCE:
		return read_number(value, 0, UINT64_MAX, &t->sequence, e);
	case F_DUE:
		return time_parse(value, &t->due_wall_ns, e);
	case F_AVOID:
		t->avoid = *value ? value : NULL;
		return 0;
	case F_CONTENT_TYPE:
		return read_text(value, TEXT_MAX_BYTES, &t->content_type, e);
	case F_MSG_ID:
		t->msg_id = *value ? value : NULL;
		return 0;
	case F_UNIQUE:
		return read_text(value, TEXT_MAX_BYTES, &t->unique, e);
	case F_UNIQUE_FOR:
		return duration_parse(value, &t->unique_for_ns, e);
	case F_RESULT_EXPIRES:
		return read_result_expires(value, &t->result_keep_ns, e);
	case F_RETRY_OF:
		t->retry_of = value;
		return task_id_check(value, e);
	}
	return 0;
}

int task_read(const struct bus_msg *m, struct task *ret, struct err *e)
{
	size_t n;
	const struct bus_header *headers = bus_msg_headers(m, &n);

	return task_read_headers(headers, n, ret, e);
}

int task_read_headers(const struct bus_header *headers, size_t n, struct task *ret, struct err *e)
{
	struct task t = {.priority = CLASS_NORMAL};
	uint32_t seen = 0;

	for (size_t i = 0; i < n; i++) {
		const struct known *k = find(headers[i].name);
		if (!k || seen >> k->field & 1)
			continue;
		seen |= UINT32_C(1) << k->field;
		int rc = read_value(k->field, headers[i].value ? headers[i].value : "", &t, e);
		if (rc) {
			err_wrap(e, "header %s", k->name);
			return ERR_INVALID;
		}
	}
	if (t.expires_after_ns && t.submitted_wall_ns)
		t.expires_wall_ns = t.submitted_wall_ns + t.expires_after_ns;
	*ret = t;
	return 0;
}

int task_priority_parse(const char *text, enum task_class *ret, struct err *e)
{
	for (int c = 0; c < CLASS_COUNT; c++) {
		if (strcasecmp(text, task_class_name((enum task_class)c)) == 0) {
			*ret = (enum task_class)c;
			return 0;
		}
	}
	if (!isdigit((unsigned char)text[0]) || text[1])
		return err_set(e, ERR_INVALID, "\"%.40s\" is not high, normal, low, or 0 to 9", text);
	*ret = text[0] >= '7' ? CLASS_HIGH : text[0] >= '3' ? CLASS_NORMAL : CLASS_LOW;
	return 0;
}

bool task_header_reserved(const char *name)
{
	static const char *const ours[] = {
		H_TASK_ATTEMPT,   H_TASK_EPOCH,    H_TASK_FLOW, H_TASK_REPLY_TO,
		H_TASK_SUBMITTED, H_TASK_SEQUENCE, H_TASK_DUE,	   H_TASK_AVOID,
	};

	switch (name[0] | 0x20) {
	case 'n':
		return strncasecmp(name, "Nats-", 5) == 0;
	case 'o':
		return strncasecmp(name, H_OUTCOME, sizeof(H_OUTCOME) - 1) == 0 &&
			   (name[sizeof(H_OUTCOME) - 1] == '\0' || name[sizeof(H_OUTCOME) - 1] == '-');
	case 't':
		for (size_t i = 0; i < ARRAY_LEN(ours); i++) {
			if (strcasecmp(name, ours[i]) == 0)
				return true;
		}
		return false;
	default:
		return false;
	}
}

uint64_t task_execution_epoch(uint32_t router_epoch, uint64_t consumer_seq)
{
	return ((uint64_t)router_epoch << 32) + consumer_seq;
}
