/*
 * The $JS.ACK reply of a delivered message, in both of its forms (nats-server
 * ADR-15):
 *   $JS.ACK.<stream>.<consumer>.<delivered>.<stream seq>.<consumer seq>.<time>.<pending>
 *   $JS.ACK.<domain>.<account hash>.<stream>.<consumer>.<delivered>.….<pending>[.<random>]
 */
#include "common/jetstream.h"

#define V1_TOKENS 9
#define V2_TOKENS 11

static bool number(const char *s, uint64_t *ret)
{
	uint64_t v = 0;

	if (!*s)
		return false;
	for (; *s; s++) {
		if (*s < '0' || *s > '9')
			return false;
		v = v * 10 + (uint64_t)(*s - '0');
	}
	*ret = v;
	return true;
}

int js_meta_parse(const char *reply, struct js_meta *ret, struct err *e)
{
	char *token[V2_TOKENS + 2];
	size_t n = 0, len = reply ? strlen(reply) : 0;
	uint64_t time_ns;

	if (len < 8 || len >= sizeof(ret->text) || memcmp(reply, "$JS.ACK.", 8) != 0)
		return err_set(e, ERR_PROTOCOL, "not the reply subject of a JetStream message");
	memcpy(ret->text, reply, len + 1);
	token[n++] = ret->text;
	for (char *p = ret->text; *p; p++) {
		if (*p == '.') {
			*p = '\0';
			if (n == ARRAY_LEN(token))
				return err_set(e, ERR_PROTOCOL, "a JetStream reply subject with too many tokens");
			token[n++] = p + 1;
		}
	}
	if (n != V1_TOKENS && n < V2_TOKENS)
		return err_set(e, ERR_PROTOCOL, "a JetStream reply subject with %zu tokens", n);
	char **t = token + (n == V1_TOKENS ? 2 : 4);
	ret->stream = t[0];
	ret->consumer = t[1];
	if (!number(t[2], &ret->delivered) || !number(t[3], &ret->stream_seq) ||
	    !number(t[4], &ret->consumer_seq) || !number(t[5], &time_ns) || !number(t[6], &ret->pending))
		return err_set(e, ERR_PROTOCOL, "a JetStream reply subject whose counts are no numbers");
	ret->stored_wall_ns = (int64_t)time_ns;
	return 0;
}
