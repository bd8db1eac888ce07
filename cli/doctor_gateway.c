/*
 * The doctor's look at the gateway: as a client of it, by the address that
 * MILLRACE_HTTP names. It stands alone because it is the one check over HTTP.
 * Without an address there is nothing to look at: a system does without one.
 *
 * Well: /livez is 200 and /readyz too. Badly: nobody listens there, it is not
 * what it should be, or it is alive and cannot do its work (then its own words
 * are told).
 */
#include "cli/doctor.h"
#include "cli/http_client.h"

#include <stdio.h>

#define LOOK_MS 5000

struct look {
	bool done;
	long status;
	char words[300];
};

static void on_reply(void *data, const struct http_reply *r)
{
	struct look *l = data;
	json_t *j = json_loadb(r->body, r->len, JSON_ALLOW_NUL, NULL);
	const char *detail = json_string_value(json_object_get(j, "detail"));

	l->status = r->status;
	snprintf(l->words, sizeof(l->words), "%s", r->status == 0 ? r->error : detail ? detail : "");
	json_decref(j);
	l->done = true;
}

static int ask(struct doctor *d, struct http_client *client, const char *path, struct look *ret,
			   struct err *e)
{
	struct http_exchange *x = http_exchange_new(client, on_reply, ret);

	*ret = (struct look){0};
	http_exchange_send(x, path, NULL, LOOK_MS);
	int rc = cli_wait(d->cli, &ret->done, -1, e);
	http_exchange_free(&x);
	return rc;
}

static void judge(struct doctor *d, const char *url, const struct look *live,
				  const struct look *ready)
{
	if (live->status == 0)
		doctor_add(d, FINDING_WRONG, "gateway",
				   "start it: millrace-gateway; or is MILLRACE_HTTP wrong?",
				   "nobody answers at %s: %s", url, live->words);
	else if (live->status != 200)
		doctor_add(d, FINDING_WRONG, "gateway",
				   "is that a gateway's address? unset MILLRACE_HTTP where there is none",
				   "%s/livez answers %ld", url, live->status);
	else if (ready->status != 200)
		doctor_add(d, FINDING_WRONG, "gateway", "it goes on by itself when that is there again",
				   "the gateway at %s is not ready%s%s", url, *ready->words ? ": " : "",
				   ready->words);
	else
		doctor_add(d, FINDING_OK, "gateway", NULL, "%s is ready", url);
}

static void on_closed(void *data)
{
	bool *closed = data;

	*closed = true;
}

void doctor_gateway(struct doctor *d)
{
	const char *url = d->cli->config.http;
	struct http_client *client;
	struct look live = {0}, ready = {0};
	struct err e = {0};
	bool closed = false;

	if (!url || !*url)
		return;
	if (http_client_open(&d->cli->loop, url, NULL, 2, &client, &e)) {
		doctor_add(d, FINDING_WRONG, "gateway", "set it right, or unset it", "MILLRACE_HTTP: %s",
				   e.text);
		return;
	}
	int rc = ask(d, client, "/livez", &live, &e);
	if (!rc && live.status == 200)
		rc = ask(d, client, "/readyz", &ready, &e);
	http_client_close(&client, on_closed, &closed);
	while (!closed)
		uv_run(&d->cli->loop, UV_RUN_ONCE);
	if (!rc) /* else Ctrl-C: the doctor ends */
		judge(d, url, &live, &ready);
}
