/*
 * A PubAck is {"stream":"X","seq":12}, perhaps with "domain" and "duplicate";
 * or {"error":{…}}. Two come with every task, so the plain form is scanned;
 * all else goes through the JSON parser.
 */
#include "common/js_puback.h"

#include "common/js_error.h"

static const char *skip(const char *at, const char *end, const char *literal)
{
	size_t len = strlen(literal);

	if (!at || (size_t)(end - at) < len || memcmp(at, literal, len) != 0)
		return NULL;
	at += len;
	while (at < end && *at == ' ')
		at++;
	return at;
}

bool js_puback_scan(const char *text, size_t len, struct js_puback *ret)
{
	const char *end = text + len, *at = skip(text, end, "{\"stream\":\"");
	uint64_t seq = 0;

	if (!at)
		return false;
	at = memchr(at, '"', (size_t)(end - at));
	at = skip(at, end, "\",");
	at = skip(at, end, "\"seq\":");
	if (!at || at == end || *at < '0' || *at > '9')
		return false;
	for (; at < end && *at >= '0' && *at <= '9'; at++) {
		if (seq > UINT64_MAX / 10 - 1)
			return false;
		seq = seq * 10 + (uint64_t)(*at - '0');
	}
	if (at != end - 1 || *at != '}')
		return false;
	*ret = (struct js_puback){.seq = seq};
	return true;
}

int js_puback_read(const char *text, size_t len, struct js_puback *ret, struct err *e)
{
	json_error_t je;
	json_t *j = json_loadb(text, len, 0, &je);
	const json_t *error = json_object_get(j, "error"), *seq = json_object_get(j, "seq");
	int rc = 0;

	if (error) {
		js_error_read(error, e);
		rc = e->code;
	} else if (!json_is_string(json_object_get(j, "stream")) || !json_is_integer(seq)) {
		rc = err_set(e, ERR_PROTOCOL, "the broker answered a publish with something that is no PubAck");
	} else {
		*ret = (struct js_puback){.seq = (uint64_t)json_integer_value(seq),
		                          .duplicate = json_is_true(json_object_get(j, "duplicate"))};
	}
	json_decref(j);
	return rc;
}
