/*
 * Operators' requests about a lane. Each is read and checked here, becomes a
 * change of the lane's setting (setting.c), and is answered with what is set
 * then; who asked is logged. What follows from it is done by whoever watches
 * the bucket: nodes stop pulling, the lane's stream is resized, every router
 * takes part in a purge. Goes well: one read and one write of the bucket.
 * Badly: the field at fault is named (400), there is no such lane to purge
 * (404), the bucket can't be written (503).
 */
#include "router/lane_control.h"

#include <math.h>
#include <stdio.h>
#include <utlist.h>

#include "common/codec.h"
#include "common/jetstream.h"
#include "common/lane_setting.h"
#include "common/log.h"
#include "proto/lane_control.pb-c.h"
#include "router/lanes.h"
#include "router/setting.h"

#define BY_MAX 100

enum control_kind { CONTROL_PAUSE, CONTROL_RESUME, CONTROL_LIMIT, CONTROL_PURGE };

/* One request, until it is answered. */
struct control {
	struct router *router;
	struct service_request *req;
	enum control_kind kind;
	struct lane lane;
	ProtobufCMessage *record;
	char by[BY_MAX + 1];
	int64_t until_wall_ns;
	uint64_t upto, waiting; /* purge */
	bool known;
	struct control *prev, *next;
};

static void control_free(struct control *c)
{
	DL_DELETE(c->router->controls, c);
	codec_free(c->record);
	free(c);
}

static void fail(struct control *c, int code, const char *words)
{
	service_fail(TAKE(c->req), code, "%s", words);
	control_free(c);
}

/* ---- the answer ---- */

static void on_changed(void *data, const json_t *setting, const struct err *e)
{
	static const char *const verbs[] = {"paused", "resumed", "limited", "purged"};
	struct control *c = data;
	Millrace__LaneSetting out = MILLRACE__LANE_SETTING__INIT;
	struct lane_setting now;
	CLEANUP(buf_release) struct buf answer = {0};

	if (e) {
		fail(c, 503, e->text);
		return;
	}
	CLEANUP(free_ptr) char *text = json_dumps(setting, JSON_COMPACT);
	if (lane_setting_parse(text, strlen(text), &now, NULL))
		log_debug("a part of the setting is not understood", LOG_S("lane", c->lane.name));
	log_info("a lane's setting was changed", LOG_S("lane", c->lane.name),
			 LOG_S("to_be", verbs[c->kind]), LOG_S("by", c->by), LOG_S("setting", text));
	out.name = c->lane.name;
	out.known = c->known;
	out.paused = lane_setting_paused(&now, clock_wall_ns());
	out.reason = now.reason;
	out.until_at = out.paused ? now.until_wall_ns : 0;
	out.limit = now.limit;
	out.rate_per_s = now.rate_per_s;
	out.concurrency = now.concurrency;
	out.key_concurrency = now.key_concurrency;
	out.purging = now.purge_upto != 0;
	out.waiting = c->waiting;
	out.purged_at = now.purged_wall_ns;
	codec_to_json_text(&out.base, CODEC_ALL, &answer);
	service_reply(TAKE(c->req), CONTENT_JSON, answer.data, answer.len);
	control_free(c);
}

/* ---- the changes ---- */

static bool edit_pause(void *data, json_t *setting)
{
	const struct control *c = data;
	const Millrace__LanePause *p = (const Millrace__LanePause *)c->record;
	char until[32];

	lane_setting_resume(setting);
	json_object_set_new(setting, "paused", json_true());
	if (p->reason[0])
		json_object_set_new(setting, "reason", json_string(p->reason));
	if (c->until_wall_ns) {
		time_format(c->until_wall_ns, until);
		json_object_set_new(setting, "until", json_string(until));
	}
	if (c->by[0])
		json_object_set_new(setting, "by", json_string(c->by));
	return true;
}

static bool edit_resume(void *data UNUSED, json_t *setting)
{
	return lane_setting_resume(setting);
}

static bool edit_limit(void *data, json_t *setting)
{
	const struct control *c = data;
	const Millrace__LaneLimit *l = (const Millrace__LaneLimit *)c->record;

	for (size_t i = 0; i < l->n_clear; i++)
		json_object_del(setting, l->clear[i]);
	if (l->limit)
		json_object_set_new(setting, "limit", json_integer((json_int_t)l->limit));
	if (l->rate_per_s > 0)
		json_object_set_new(setting, "rate_per_s", json_real(l->rate_per_s));
	if (l->concurrency)
		json_object_set_new(setting, "concurrency", json_integer(l->concurrency));
	if (l->key_concurrency)
		json_object_set_new(setting, "key_concurrency", json_integer(l->key_concurrency));
	return true;
}

static bool edit_purge(void *data, json_t *setting)
{
	const struct control *c = data;
	const json_t *was = json_object_get(setting, "purge");
	json_int_t upto = json_integer_value(json_object_get(was, "upto"));
	char now[32];

	if (json_is_object(was) && (uint64_t)upto >= c->upto)
		return false;
	time_format(clock_wall_ns(), now);
	json_object_set_new(setting, "purge",
						json_pack("{s:I, s:s, s:s, s:O?}", "upto", (json_int_t)c->upto, "at", now,
								  "by", c->by, "cancelled", json_object_get(was, "cancelled")));
	return true;
}

static bool edit_nothing(void *data UNUSED, json_t *setting UNUSED)
{
	return false;
}

/* ---- requests ---- */

/* A bare name is {"name": …}. */
static int read_record(struct service_request *req, const ProtobufCMessageDescriptor *d,
					   ProtobufCMessage **ret, struct err *e)
{
	const struct bus_msg *m = service_message(req);
	const char *body = bus_msg_data(m), *type = bus_msg_header(m, "Content-Type");
	size_t len = bus_msg_len(m);

	while (len > 0 && (body[len - 1] == '\n' || body[len - 1] == ' '))
		len--;
	if (len == 0 || body[0] == '{' || (type && strstr(type, "protobuf")))
		return codec_decode(d, type ? type : CONTENT_JSON, len ? body : "{}", len ? len : 2, ret,
							e);
	json_t *j = json_pack("{s:s%}", "name", body, len);
	if (!j)
		return err_set(e, ERR_INVALID, "name: it is no lane");
	int rc = codec_from_json(d, j, 0, ret, e);
	json_decref(j);
	return rc;
}

/* NULL: the request was answered with what is wrong. All four records begin with the name. */
static struct control *begin(struct router *r, struct service_request *req, enum control_kind kind,
							 const ProtobufCMessageDescriptor *d)
{
	ProtobufCMessage *record = NULL;
	struct lane lane;
	struct err e;

	if (read_record(req, d, &record, &e)) {
		service_fail(req, 400, "%s", e.text);
		return NULL;
	}
	if (lane_parse(((const Millrace__LaneResume *)record)->name, &lane, &e)) {
		service_fail(req, 400, "name: %s", e.text);
		codec_free(record);
		return NULL;
	}
	struct control *c = xcalloc(1, sizeof(*c));
	const struct lane_entry *l = lanes_find(r->lanes, lane.name);
	c->router = r;
	c->req = req;
	c->kind = kind;
	c->lane = lane;
	c->record = record;
	c->known = l && l->state == LANE_READY;
	DL_APPEND(r->controls, c);
	return c;
}

static void take_by(struct control *c, const char *by)
{
	/* It goes into the log: one line, and no more of it than a name. */
	snprintf(c->by, sizeof(c->by), "%s", by);
	for (char *p = c->by; *p; p++) {
		if ((unsigned char)*p < ' ' || *p == 0x7f)
			*p = ' ';
	}
}

void lane_control_on_pause(void *data, struct service_request *req)
{
	struct router *r = data;
	struct control *c = begin(r, req, CONTROL_PAUSE, &millrace__lane_pause__descriptor);
	int64_t for_ns = 0, now_ns = clock_wall_ns();
	struct err e;

	if (!c)
		return;
	const Millrace__LanePause *p = (const Millrace__LanePause *)c->record;
	take_by(c, p->by);
	if (p->duration[0] && duration_parse(p->duration, &for_ns, &e)) {
		err_wrap(&e, "duration");
		fail(c, 400, e.text);
		return;
	}
	if (p->duration[0] && p->until_at) {
		fail(c, 400, "duration and until_at: give one of them");
		return;
	}
	c->until_wall_ns = p->duration[0] ? now_ns + for_ns : p->until_at;
	if ((p->duration[0] || p->until_at) && c->until_wall_ns <= now_ns) {
		fail(c, 400, p->until_at ? "until_at: it is in the past" : "duration: it should be longer");
		return;
	}
	if (strlen(p->reason) > LANE_REASON_MAX) {
		fail(c, 400, "reason: it has more than 255 characters");
		return;
	}
	setting_change(r, c->lane.name, edit_pause, on_changed, c);
}

void lane_control_on_resume(void *data, struct service_request *req)
{
	struct router *r = data;
	struct control *c = begin(r, req, CONTROL_RESUME, &millrace__lane_resume__descriptor);

	if (!c)
		return;
	take_by(c, ((const Millrace__LaneResume *)c->record)->by);
	setting_change(r, c->lane.name, edit_resume, on_changed, c);
}

static const char *wrong_limit(const Millrace__LaneLimit *l)
{
	static const char *const names[] = {"limit", "rate_per_s", "concurrency", "key_concurrency"};

	for (size_t i = 0; i < l->n_clear; i++) {
		bool known = false;
		for (size_t k = 0; k < ARRAY_LEN(names); k++)
			known = known || str_eq(l->clear[i], names[k]);
		if (!known)
			return "clear: names of limits are limit, rate_per_s, concurrency, key_concurrency";
	}
	if (l->limit > INT64_MAX)
		return "limit: it is too large";
	if (!isnan(l->rate_per_s) && (l->rate_per_s < 0 || l->rate_per_s > LANE_RATE_MAX))
		return "rate_per_s: it should be a number up to 1000000";
	if (l->concurrency > LANE_CONCURRENCY_MAX)
		return "concurrency: it is too large";
	if (l->key_concurrency > LANE_CONCURRENCY_MAX)
		return "key_concurrency: it is too large";
	return NULL;
}

void lane_control_on_limit(void *data, struct service_request *req)
{
	struct router *r = data;
	struct control *c = begin(r, req, CONTROL_LIMIT, &millrace__lane_limit__descriptor);

	if (!c)
		return;
	const Millrace__LaneLimit *l = (const Millrace__LaneLimit *)c->record;
	const char *wrong = wrong_limit(l);
	take_by(c, l->by);
	if (wrong)
		fail(c, 400, wrong);
	else
		setting_change(r, c->lane.name, edit_limit, on_changed, c);
}

/* What waits now is what lies there up to the stream's last sequence. */
static void on_stream(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct control *c = data;
	const json_t *state = json_object_get(reply, "state");

	if (e) {
		bool absent = server_code == JS_ERR_STREAM_NOT_FOUND;
		fail(c, absent ? 404 : 503, absent ? "there is no such lane" : e->text);
		return;
	}
	c->upto = (uint64_t)json_integer_value(json_object_get(state, "last_seq"));
	c->waiting = (uint64_t)json_integer_value(json_object_get(state, "messages"));
	if (c->waiting == 0)
		setting_change(c->router, c->lane.name, edit_nothing, on_changed, c);
	else
		setting_change(c->router, c->lane.name, edit_purge, on_changed, c);
}

void lane_control_on_purge(void *data, struct service_request *req)
{
	struct router *r = data;
	struct control *c = begin(r, req, CONTROL_PURGE, &millrace__lane_purge__descriptor);
	struct err e;

	if (!c)
		return;
	take_by(c, ((const Millrace__LanePurge *)c->record)->by);
	CLEANUP(free_ptr) char *verb = xasprintf("STREAM.INFO.LANE_%s", c->lane.name);
	if (js_api(r->bus, verb, NULL, on_stream, c, &e))
		fail(c, 503, e.text);
}

/* Their requests were answered by service_close. */
void lane_control_drop_all(struct router *r)
{
	while (r->controls)
		control_free(r->controls);
}
