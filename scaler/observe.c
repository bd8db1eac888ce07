/*
 * The looks. It stands alone as the one that asks the broker for counts. Well: pages, then consumers of at most
 * ASKED_A_LOOK lanes that hold anything (in turn, where there are more), then on_done. Badly: an answer that does not come or makes
 * no sense ends the look as failed; the next begins anew.
 */
#include "scaler/observe.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/lane_setting.h"
#include "common/log.h"

#define ASKED_A_LOOK 64

struct setting {
	char lane[LANE_MAX + 1];
	struct lane_setting value;
	UT_hash_handle hh;
};

struct question {
	struct observe *observe;
	char lane[LANE_MAX + 1];
	unsigned look;
	struct question *prev, *next;
};

struct observe {
	struct bus *bus;
	struct kv_watch *watch;
	struct observed_lane *lanes;
	struct setting *settings;
	struct question *questions; /* all that are open; what the bus leaves unanswered at its end is still here */
	void (*on_done)(void *data, bool ok);
	void *data;
	unsigned look;       /* its number; answers to an earlier one don't count */
	unsigned open;       /* questions of this one */
	unsigned turn;       /* lanes whose consumers were asked, over all looks */
	bool looking, failed, told, complained;
};

static struct question *question_new(struct observe *o)
{
	struct question *q = xcalloc(1, sizeof(*q));

	q->observe = o;
	q->look = o->look;
	DL_APPEND(o->questions, q);
	o->open++;
	return q;
}

static void question_free(struct question *q)
{
	DL_DELETE(q->observe->questions, q); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	free(q);
}

/* It could not even be asked. */
static void question_failed(struct question *q)
{
	q->observe->open--;
	q->observe->failed = true;
	question_free(q);
}

/* ---- settings ---- */

static void on_setting(void *data, const struct kv_entry *entry)
{
	struct observe *o = data;
	struct setting *s;
	struct err e;

	if (!entry->key) {
		o->told = true;
		return;
	}
	const char *lane = entry->key + strlen(LANE_SETTING_PREFIX);
	if (strncmp(entry->key, LANE_SETTING_PREFIX, strlen(LANE_SETTING_PREFIX)) != 0 ||
		strlen(lane) > LANE_MAX)
		return;
	HASH_FIND_STR(o->settings, lane, s);
	if (!s && !entry->deleted && HASH_COUNT(o->settings) < OBSERVE_LANES_MAX) {
		s = xcalloc(1, sizeof(*s));
		snprintf(s->lane, sizeof(s->lane), "%s", lane);
		HASH_ADD_STR(o->settings, lane, s);
	}
	if (s && lane_setting_parse(entry->value, entry->deleted ? 0 : entry->len, &s->value, &e))
		log_debug("a lane's setting can't be understood whole", LOG_S("lane", lane),
				  LOG_S("why", e.text));
}

bool observe_paused(const struct observe *o, const char *lane)
{
	struct setting *s;

	HASH_FIND_STR(o->settings, lane, s);
	return s && lane_setting_closed(&s->value, clock_wall_ns());
}

/* ---- the end of a look ---- */

static void remove_lane(struct observe *o, struct observed_lane *l)
{
	HASH_DEL(o->lanes, l);
	free(l);
}

static void conclude(struct observe *o)
{
	struct observed_lane *l, *tmp;
	double now_s = (double)clock_mono_ms() / 1000;
	int64_t wall_ns = clock_wall_ns();

	o->looking = false;
	HASH_ITER (hh, o->lanes, l, tmp) {
		if (o->failed)
			break;
		if (l->look != o->look) {
			remove_lane(o, l);
			continue;
		}
		l->paused = observe_paused(o, l->lane.name);
		lag_look(&l->lag, &l->state, now_s, wall_ns);
	}
	if (o->failed && !o->complained)
		log_warn("the broker does not tell the lanes' lag; deciding nothing until it does");
	o->complained = o->failed;
	o->on_done(o->data, !o->failed);
}

static void answered(struct observe *o, bool ok)
{
	o->failed = o->failed || !ok;
	if (--o->open == 0)
		conclude(o);
}

/* ---- consumers ---- */

static void read_consumer(struct observed_lane *l, const json_t *c)
{
	const char *name = json_string_value(json_object_get(c, "name"));
	uint64_t pending = (uint64_t)json_integer_value(json_object_get(c, "num_pending"));
	uint64_t unacked = (uint64_t)json_integer_value(json_object_get(c, "num_ack_pending"));
	json_int_t delivered =
		json_integer_value(json_object_get(json_object_get(c, "delivered"), "stream_seq"));

	for (int k = 0; k < CLASS_COUNT; k++) {
		if (!name || !str_eq(name, task_class_name((enum task_class)k)))
			continue;
		l->by_class[k] = pending;
		l->state.pending += pending;
		l->state.unacked += unacked;
		if (pending && (!l->state.next_seq || (uint64_t)delivered + 1 < l->state.next_seq))
			l->state.next_seq = (uint64_t)delivered + 1;
	}
}

static void on_consumers(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct question *q = data;
	struct observe *o = q->observe;
	struct observed_lane *l;
	size_t i;
	json_t *c;

	if (q->look == o->look) {
		HASH_FIND_STR(o->lanes, q->lane, l);
		if (l && !e) {
			l->state.asked = true;
			json_array_foreach (json_object_get(reply, "consumers"), i, c)
				read_consumer(l, c);
		}
		/* A lane that was retired in between is no fault. */
		answered(o, !e || server_code == JS_ERR_STREAM_NOT_FOUND);
	}
	question_free(q);
}

static void ask_consumers(struct observe *o, struct observed_lane *l)
{
	CLEANUP(free_ptr) char *verb = xasprintf("CONSUMER.LIST.LANE_%s", l->lane.name);
	struct question *q = question_new(o);
	struct err e;

	memcpy(q->lane, l->lane.name, sizeof(q->lane));
	if (js_api(o->bus, verb, NULL, on_consumers, q, &e))
		question_failed(q);
}

/* Those with anything in them, in turn where there are too many; of the others of this turn the last counts are kept. */
static void ask_all_consumers(struct observe *o)
{
	struct observed_lane *l, *tmp;
	unsigned busy = 0, at = 0, asked = 0;

	HASH_ITER (hh, o->lanes, l, tmp)
		busy += l->look == o->look && l->state.messages > 0;
	unsigned first = busy > ASKED_A_LOOK ? o->turn % busy : 0;
	for (int round = 0; round < 2; round++) {
		at = 0;
		HASH_ITER (hh, o->lanes, l, tmp) {
			if (l->look != o->look || l->state.messages == 0)
				continue;
			bool mine = round == 0 ? at >= first : at < first;
			if (mine && asked < ASKED_A_LOOK) {
				asked++;
				ask_consumers(o, l);
			}
			at++;
		}
	}
	o->turn += asked;
}

/* ---- streams ---- */

static void read_stream(struct observe *o, const json_t *s)
{
	const json_t *state = json_object_get(s, "state"), *config = json_object_get(s, "config");
	const char *name = json_string_value(json_object_get(config, "name"));
	const char *first = json_string_value(json_object_get(state, "first_ts"));
	struct observed_lane *l;
	struct lane lane;
	struct err e;
	int64_t ns = 0;

	if (!name || strncmp(name, "LANE_", 5) != 0 || lane_parse(name + 5, &lane, &e))
		return;
	HASH_FIND_STR(o->lanes, lane.name, l);
	if (!l && HASH_COUNT(o->lanes) >= OBSERVE_LANES_MAX)
		return;
	if (!l) {
		l = xcalloc(1, sizeof(*l));
		l->lane = lane;
		HASH_ADD(hh, o->lanes, lane.name, strlen(lane.name), l);
	}
	l->look = o->look;
	memset(l->by_class, 0, sizeof(l->by_class));
	l->state = (struct lag_state){
		.messages = (uint64_t)json_integer_value(json_object_get(state, "messages")),
		.last_seq = (uint64_t)json_integer_value(json_object_get(state, "last_seq")),
	};
	if (l->state.messages && first && time_parse(first, &ns, NULL) == 0)
		l->state.first_wall_ns = ns;
	/* Empty: nothing has to be asked. */
	l->state.asked = l->state.messages == 0;
}

static void ask_page(struct observe *o, json_int_t offset);

static void on_page(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct question *q = data;
	struct observe *o = q->observe;
	const json_t *streams = json_object_get(reply, "streams");
	json_int_t total = json_integer_value(json_object_get(reply, "total"));
	json_int_t offset = json_integer_value(json_object_get(reply, "offset"));
	size_t i, n = json_array_size(streams);
	json_t *s;

	(void)server_code;
	if (q->look == o->look) {
		json_array_foreach (streams, i, s)
			read_stream(o, s);
		if (!e && n > 0 && offset + (json_int_t)n < total)
			ask_page(o, offset + (json_int_t)n);
		else if (!e)
			ask_all_consumers(o);
		answered(o, !e);
	}
	question_free(q);
}

static void ask_page(struct observe *o, json_int_t offset)
{
	json_t *body = json_pack("{s:s, s:I}", "subject", "work.>", "offset", offset);
	struct question *q = question_new(o);
	struct err e;

	if (js_api(o->bus, "STREAM.LIST", body, on_page, q, &e))
		question_failed(q);
	json_decref(body);
}

bool observe_look(struct observe *o, void (*on_done)(void *data, bool ok), void *data)
{
	if (o->looking || !bus_is_up(o->bus))
		return false;
	o->looking = true;
	o->failed = false;
	o->open = 0;
	o->look++;
	o->on_done = on_done;
	o->data = data;
	ask_page(o, 0);
	if (o->open == 0)
		o->looking = false; /* it could not even be asked */
	return o->looking;
}

/* ---- life ---- */

struct observe *observe_new(struct bus *bus)
{
	struct observe *o = xcalloc(1, sizeof(*o));

	o->bus = bus;
	return o;
}

int observe_watch(struct observe *o, struct err *e)
{
	return kv_watch(o->bus, "settings", LANE_SETTING_PREFIX ">", on_setting, o, &o->watch, e);
}

bool observe_known(const struct observe *o)
{
	return o->told;
}

const struct observed_lane *observe_first(const struct observe *o)
{
	return o->lanes;
}

const struct observed_lane *observe_find(const struct observe *o, const char *lane)
{
	struct observed_lane *l;

	HASH_FIND_STR(o->lanes, lane, l);
	return l;
}

void observe_stop(struct observe *o)
{
	kv_watch_stop(&o->watch);
	o->look++;
	o->looking = false;
}

void observe_free(struct observe **po)
{
	struct observe *o = TAKE(*po);
	struct observed_lane *l, *tmp;
	struct setting *s, *next;

	if (!o)
		return;
	while (o->questions)
		question_free(o->questions);
	HASH_ITER (hh, o->lanes, l, tmp)
		remove_lane(o, l);
	HASH_ITER (hh, o->settings, s, next) {
		HASH_DEL(o->settings, s);
		free(s);
	}
	free(o);
}
