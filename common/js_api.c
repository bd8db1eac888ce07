/* Management requests: $JS.API.<verb> with JSON both ways, errors translated. */
#include "common/bus_packet.h"
#include "common/js_error.h"

struct api_call {
	js_on_api on_reply;
	void *data;
	char *verb;
};

static void call_free(void *data)
{
	struct api_call *c = data;

	free(c->verb);
	free(c);
}

static void on_reply(void *data, struct bus_msg **m, const struct err *failed)
{
	struct api_call *c = data;
	struct err e = {0};
	json_error_t je;
	json_t *j = NULL;
	int server_code = 0;

	if (failed) {
		e = *failed;
		if (failed->code == ERR_NOT_FOUND)
			err_set(&e, ERR_UNREACHABLE, "JetStream does not answer: is it enabled on this broker and account?");
	} else {
		j = json_loadb(bus_msg_data(*m), bus_msg_len(*m), 0, &je);
		if (!json_is_object(j))
			err_set(&e, ERR_PROTOCOL, "JetStream answered with something that is no JSON object");
		else if (json_object_get(j, "error"))
			server_code = js_error_read(json_object_get(j, "error"), &e);
	}
	if (e.code)
		err_wrap(&e, "%s", c->verb);
	c->on_reply(c->data, e.code ? NULL : j, server_code, e.code ? &e : NULL);
	json_decref(j);
	call_free(c);
}

int js_api(struct bus *b, const char *verb, const json_t *body, js_on_api on_api, void *data, struct err *e)
{
	CLEANUP(free_ptr) char *subject = xasprintf("$JS.API.%s", verb);
	CLEANUP(free_ptr) char *text = body ? json_dumps(body, JSON_COMPACT) : NULL;
	struct api_call *c = xmalloc(sizeof(*c));
	int rc;

	*c = (struct api_call){.on_reply = on_api, .data = data, .verb = xstrdup(verb)};
	rc = bus_request_owned(b, &(struct bus_out){.subject = subject, .data = text, .len = text ? strlen(text) : 0},
	                 JS_API_TIMEOUT_MS, on_reply, c, call_free, e);
	if (rc)
		call_free(c);
	return rc;
}
