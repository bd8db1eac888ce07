/*
 * How full the streams are that every task needs, looked at once a second (a
 * request each, whatever the load). Well: far from their limits, nothing is
 * shed. Near them: the level rises, that is said once, and inbox and run ask
 * here before they take a submission on. Badly: a look gets no answer; then
 * the last ones hold for STALE_MS, and afterwards nothing is refused on
 * account of what is not known any more.
 */
#include "router/shed.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/jetstream.h"
#include "common/log.h"
#include "router/shed_level.h"

#define LOOK_MS 1000
#define STALE_MS 10000

static const char *const streams[] = {"TASKS", "EVENTS", "DELAYED"};
#define STREAMS ARRAY_LEN(streams)

struct gauge {
	struct shed *shed;
	const char *stream;
	double share;
	int64_t seen_mono_ms; /* 0: never */
	struct metric *metric;
};

struct shed {
	struct router *router;
	struct gauge gauges[STREAMS];
	struct shed_rule rule;
	enum shed_level level;
	char why[160];
	struct metric *metric;
	struct timeout timeout;
};

static void judge(struct shed *s)
{
	const struct gauge *fullest = &s->gauges[0];
	int64_t now_ms = clock_mono_ms();
	double share = 0;

	for (size_t i = 0; i < STREAMS; i++) {
		const struct gauge *g = &s->gauges[i];
		if (g->seen_mono_ms && now_ms - g->seen_mono_ms <= STALE_MS && g->share > share) {
			share = g->share;
			fullest = g;
		}
	}
	enum shed_level was = s->level;
	s->level = shed_level_next(&s->rule, was, share);
	metric_set(s->metric, (double)s->level);
	if (s->level == SHED_NOTHING) {
		if (was != SHED_NOTHING)
			log_info("submissions are taken again, of any priority");
		return;
	}
	snprintf(s->why, sizeof(s->why),
			 "refused to keep room for more urgent tasks: stream %s is %.0f %% full; submit it "
			 "again later, or with a higher priority",
			 fullest->stream, share * 100);
	if (s->level != was)
		log_warn("a stream that every task needs fills up; submissions are refused",
				 LOG_S("stream", fullest->stream), LOG_I("percent", (int64_t)(share * 100)),
				 LOG_S("refused", s->level == SHED_LOW ? "low" : "low and normal"));
}

static void on_info(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct gauge *g = data;
	const json_t *config = json_object_get(reply, "config"),
				 *state = json_object_get(reply, "state");

	if (e)
		return;
	g->share = shed_share(json_number_value(json_object_get(state, "messages")),
						  json_number_value(json_object_get(config, "max_msgs")),
						  json_number_value(json_object_get(state, "bytes")),
						  json_number_value(json_object_get(config, "max_bytes")));
	g->seen_mono_ms = clock_mono_ms();
	metric_set(g->metric, g->share);
	judge(g->shed);
}

static void on_look(struct timeout *t)
{
	struct shed *s = container_of(t, struct shed, timeout);
	struct err e;

	timeout_start(t, LOOK_MS, on_look);
	judge(s);
	for (size_t i = 0; i < STREAMS && bus_is_up(s->router->bus); i++) {
		CLEANUP(free_ptr) char *verb = xasprintf("STREAM.INFO.%s", streams[i]);
		if (js_api(s->router->bus, verb, NULL, on_info, &s->gauges[i], &e))
			log_debug("a stream's fill is not known", LOG_S("why", e.text));
	}
}

const char *shed_why(const struct shed *s, enum task_class class)
{
	return shed_refuses(s->level, class) ? s->why : NULL;
}

struct shed *shed_new(struct router *r)
{
	struct shed *s = xcalloc(1, sizeof(*s));
	char labels[48];

	s->router = r;
	s->rule =
		(struct shed_rule){(double)r->config.shed_low / 100, (double)r->config.shed_normal / 100};
	s->metric = metric_gauge("millrace_router_shed_level",
							 "Submissions refused: 0 none, 1 low, 2 low and normal.", NULL);
	for (size_t i = 0; i < STREAMS; i++) {
		snprintf(labels, sizeof(labels), "stream=\"%s\"", streams[i]);
		s->gauges[i] = (struct gauge){
			.shed = s,
			.stream = streams[i],
			.metric = metric_gauge("millrace_router_stream_fill",
								   "How full a stream is that every task needs, of 1.", labels),
		};
	}
	timeout_init(&s->timeout, r->timeouts);
	return s;
}

void shed_begin(struct shed *s)
{
	timeout_start(&s->timeout, 0, on_look);
}

void shed_free(struct shed **s)
{
	free(TAKE(*s));
}
