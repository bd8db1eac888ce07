/*
 * Read, change, write if nobody else did meanwhile. It stands alone because
 * pausing, limiting, purging and tidying up all change one value, several
 * routers may do so at once, and people do with `nats kv put`. Goes well: one
 * get, one put. Badly: somebody else was faster, then it begins anew with what
 * they wrote; a broker that is away or a bucket that is full is an error for
 * whoever asked.
 */
#include "router/setting.h"

#include <stdio.h>
#include <utlist.h>

#include "common/jetstream.h"
#include "common/lane_setting.h"

#define TRIES_MAX 20

struct setting_call {
	struct router *router;
	char key[LANE_MAX + 8];
	setting_edit edit;
	setting_done done;
	void *data;
	json_t *setting;
	unsigned tries;
	struct timeout timeout;
	struct err why;
	struct setting_call *prev, *next;
};

static void read_it(struct setting_call *c);

static void drop(struct setting_call *c)
{
	timeout_stop(&c->timeout);
	DL_DELETE(c->router->setting_calls, c);
	json_decref(c->setting);
	free(c);
}

static void finish(struct setting_call *c, const struct err *e)
{
	setting_done done = c->done;

	if (done)
		done(c->data, e ? NULL : c->setting, e);
	drop(c);
}

static void on_put(void *data, uint64_t revision UNUSED, const struct err *e)
{
	struct setting_call *c = data;

	if (e && e->code == ERR_CONFLICT && ++c->tries < TRIES_MAX)
		read_it(c);
	else
		finish(c, e);
}

static void on_get(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct setting_call *c = data;
	json_error_t je;
	struct err why;

	if (e && e->code != ERR_NOT_FOUND) {
		finish(c, e);
		return;
	}
	json_decref(c->setting);
	c->setting = entry && !entry->deleted ? json_loadb(entry->value, entry->len, 0, &je) : NULL;
	if (!json_is_object(c->setting)) {
		json_decref(c->setting);
		c->setting = json_object();
	}
	if (!c->edit(c->data, c->setting)) {
		finish(c, NULL);
		return;
	}
	CLEANUP(free_ptr) char *text = json_dumps(c->setting, JSON_COMPACT);
	if (kv_put(c->router->bus, "settings", c->key, text, strlen(text), entry ? entry->revision : 0,
			   on_put, c, &why))
		finish(c, &why);
}

static void on_failed(struct timeout *t)
{
	struct setting_call *c = container_of(t, struct setting_call, timeout);

	finish(c, &c->why);
}

static void read_it(struct setting_call *c)
{
	if (kv_get(c->router->bus, "settings", c->key, on_get, c, &c->why))
		timeout_start(&c->timeout, 0, on_failed);
}

void setting_change(struct router *r, const char *lane, setting_edit edit, setting_done done,
					void *data)
{
	struct setting_call *c = xcalloc(1, sizeof(*c));

	c->router = r;
	c->edit = edit;
	c->done = done;
	c->data = data;
	snprintf(c->key, sizeof(c->key), LANE_SETTING_PREFIX "%s", lane);
	timeout_init(&c->timeout, r->timeouts);
	DL_APPEND(r->setting_calls, c);
	read_it(c);
}

void setting_drop_all(struct router *r)
{
	struct setting_call *c, *tmp;

	/* The timeouts are gone by now. */
	DL_FOREACH_SAFE (r->setting_calls, c, tmp) {
		json_decref(c->setting);
		free(c);
	}
	r->setting_calls = NULL;
}
