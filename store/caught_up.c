/*
 * Is a consumer through with all up to a sequence? It stands alone because
 * shared state's lists and the audit's proof both rest on it, and because a
 * consumer's own "nothing waits" is not enough: since 2.10 nats-server tells
 * its consumers of a message after the publisher has its PubAck, so for a
 * moment they count without it.
 *
 *	CONSUMER.INFO --acked up to it----------------------------> yes
 *	              --something waits, or is out----------------> not yet
 *	              --below it, and nothing waits, it says--> STREAM.MSG.GET of the next one
 *	                          --none, or a later one----------> yes: what was there is gone
 *	                          --there is one------------------> not yet: it has not heard of it
 *
 * It fails: whatever the broker does not answer is no yes.
 */
#include "store/caught_up.h"

#include "store/audit_stream.h"

static void on_next(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct caught_up *c = data;
	if (e != NULL && server_code != JS_ERR_NO_MESSAGE_FOUND) {
		c->on_answer(c->data, false, e);
	} else {
		c->on_answer(c->data, e != NULL || audit_message_seq(reply) > c->upto, NULL);
	}
}

static void on_info(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct caught_up *c = data;
	struct audit_consumer k;
	struct err why;
	(void)server_code;
	if (e != NULL || audit_consumer_read(reply, &k, &why) < 0) {
		c->on_answer(c->data, false, e != NULL ? e : &why);
		return;
	}
	c->waiting = k.pending + k.unacked;
	enum audit_passed passed = audit_consumer_passed(&k, c->upto);
	if (passed != AUDIT_SAYS_SO) {
		c->on_answer(c->data, passed == AUDIT_PASSED, NULL);
		return;
	}
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.MSG.GET.%s", c->stream);
	json_t *body = json_pack("{s:I, s:s}", "seq", (json_int_t)k.delivered_seq + 1, "next_by_subj",
							 k.filter[0] != '\0' ? k.filter : ">");
	int rc = js_api(c->bus, verb, body, on_next, c, &why);
	json_decref(body);
	if (rc < 0) {
		c->on_answer(c->data, false, &why);
	}
}

int caught_up_look(struct caught_up *c, struct err *e)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.INFO.%s.%s", c->stream, c->consumer);
	return js_api(c->bus, verb, NULL, on_info, c, e);
}
