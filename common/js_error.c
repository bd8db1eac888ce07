/*
 * err_codes as nats-server's server/errors.json lists them; a code that is
 * not in the table falls back to the HTTP-like code beside it.
 */
#include "common/js_error.h"

static const struct {
	int err_code;
	enum err_code code;
} known[] = {
	{10047, ERR_FULL},      /* insufficient resources */
	{10077, ERR_FULL},      /* stream store failed: maximum messages or bytes exceeded */
	{10122, ERR_FULL},      /* maximum messages per subject exceeded */
	{10023, ERR_FULL},      /* insufficient storage */
	{10028, ERR_FULL},      /* resource limits exceeded for account */
	{10054, ERR_TOO_LARGE}, /* message size exceeds maximum allowed */
	{10097, ERR_TOO_LARGE}, /* header size exceeds maximum allowed */
	{10071, ERR_CONFLICT},  /* wrong last sequence */
	{10164, ERR_CONFLICT},  /* wrong last sequence: constant form */
	{10070, ERR_CONFLICT},  /* wrong last msg id */
	{10060, ERR_CONFLICT},  /* expected stream does not match */
	{10059, ERR_NOT_FOUND}, /* stream not found */
	{10014, ERR_NOT_FOUND}, /* consumer not found */
	{10037, ERR_NOT_FOUND}, /* message not found */
	{10058, ERR_EXISTS},    /* stream name in use with another configuration */
	{10013, ERR_EXISTS},    /* consumer name in use */
	{10148, ERR_EXISTS},    /* consumer exists */
	{10039, ERR_UNREACHABLE}, /* JetStream not enabled for account */
	{10076, ERR_UNREACHABLE}, /* JetStream not enabled */
	{10008, ERR_UNREACHABLE}, /* JetStream temporarily unavailable */
};

int js_error_read(const json_t *error, struct err *ret)
{
	int http = (int)json_integer_value(json_object_get(error, "code"));
	int err_code = (int)json_integer_value(json_object_get(error, "err_code"));
	const char *words = json_string_value(json_object_get(error, "description"));
	int code = http == 404 ? ERR_NOT_FOUND : http == 503 ? ERR_UNREACHABLE : http == 400 ? ERR_INVALID : ERR_FAILED;

	for (size_t i = 0; i < ARRAY_LEN(known); i++) {
		if (known[i].err_code == err_code)
			code = known[i].code;
	}
	err_set(ret, code, "JetStream: %s (%d)", words ? words : "refused without words", err_code);
	return err_code;
}
