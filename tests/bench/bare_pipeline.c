/*
 * The bare pipeline: the hops of a task with nothing but messages, to compare
 * `millrace bench pipeline` with. Four processes, as in the real thing:
 *
 *	publisher ─▶ [BARE_TASKS] ─▶ router ─▶ [BARE_LANE] ─▶ node ─▶ [BARE_EVENTS] ─▶ store
 *
 * Every hop publishes with a Nats-Msg-Id, waits for the PubAck, then acks what
 * it took. The router also publishes an event for each task and the node one
 * for each outcome, many in one message as the real ones do; the store acks and
 * counts. Bodies are passed on, never looked at; nothing is kept in a database.
 *
 *	bare_pipeline --count N --size BYTES        (broker: NATS_URL)
 *
 * Goes well: prints bare_pipeline_per_s=<tasks a second from the first publish
 * to the last event acked>. Fails: a hop that gets no further for 30 s, or
 * ends, ends the whole with exit 1. The streams are deleted in any case.
 */
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/buf.h"
#include "common/jetstream.h"
#include "common/task.h"

#define BATCH 512u
#define EVENTS_MAX 256u   /* tasks in one message of events */
#define EVENT_BYTES 64u   /* about what one record takes, besides the body */
#define INFLIGHT 4096u
#define STALL_MS 30000

struct bench {
	size_t count, size;
};

/* A message taken whose ack waits for PubAcks. */
struct held {
	struct hop *hop;
	char *reply;
	unsigned open; /* PubAcks that are to come */
};

struct hop {
	uv_loop_t loop;
	struct bus *bus;
	const struct bench *bench;
	const char *stream, *next; /* takes from; publishes to (subject), or NULL */
	struct js_pull *pull;
	uv_timer_t watch;
	size_t done, last_done;
	int64_t moved_ms;
	uint64_t batches;
	/* events that gather during one turn of the loop */
	struct held *gathered[EVENTS_MAX];
	struct buf events;
	size_t ngathered;
	bool deferred;
	/* publisher */
	size_t sent;
	char *body;
	bool up, quit;
	int code;
};

static void end(struct hop *h, int code)
{
	h->code = code;
	h->quit = true;
	uv_stop(&h->loop);
}

static void die(struct hop *h, const char *what, const struct err *e)
{
	fprintf(stderr, "bare_pipeline: %s: %s\n", what, e->text);
	end(h, 1);
}

static void settle(struct held *m)
{
	struct hop *h = m->hop;

	if (--m->open > 0)
		return;
	js_ack(h->bus, m->reply);
	h->done++;
	free(m->reply);
	free(m);
}

/* ---- events ---- */

struct event_batch {
	struct hop *hop;
	size_t n;
	struct held *held[];
};

static void on_event_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct event_batch *b = data;

	(void)ack;
	if (e)
		die(b->hop, "events", e);
	for (size_t i = 0; i < b->n; i++)
		settle(b->held[i]);
	free(b);
}

static void flush_events(void *data)
{
	struct hop *h = data;
	size_t bytes = h->ngathered * sizeof(struct held *);
	struct event_batch *b;
	char id[48];
	struct bus_header header = {H_MSG_ID, id};
	struct bus_out out = {.subject = "bare.events", .headers = &header, .nheaders = 1};
	struct err e = {0};

	h->deferred = false;
	if (h->ngathered == 0)
		return;
	b = xmalloc(sizeof(*b) + bytes);
	b->hop = h;
	b->n = h->ngathered;
	memcpy(b->held, h->gathered, bytes);
	h->ngathered = 0;
	snprintf(id, sizeof(id), "%d-%llu", (int)getpid(), (unsigned long long)h->batches++);
	out.data = h->events.data;
	out.len = h->events.len;
	if (js_publish(h->bus, &out, 0, on_event_puback, b, &e) != 0)
		die(h, "events", &e);
	buf_reset(&h->events);
}

/* The task's record, with its body as the real events carry body or result. */
static void gather(struct hop *h, struct held *m, const void *body, size_t len)
{
	static const char record[EVENT_BYTES];

	buf_add(&h->events, record, sizeof(record));
	buf_add(&h->events, body, len);
	h->gathered[h->ngathered++] = m;
	if (h->ngathered == EVENTS_MAX) {
		flush_events(h);
	} else if (!h->deferred) {
		h->deferred = true;
		bus_defer(h->bus, flush_events, h);
	}
}

/* ---- taking and passing on ---- */

static void ask(struct hop *h)
{
	struct err e = {0};

	/* Away for a moment: on_up asks again. */
	if (!h->quit && js_pull_credits(h->pull) == 0 && js_pull_ask(h->pull, BATCH, 2000, 0, &e) != 0 &&
	    e.code != ERR_UNREACHABLE)
		die(h, h->stream, &e);
}

static void on_end(void *data, enum js_pull_end why)
{
	(void)why;
	ask(data);
}

static void on_passed_on(void *data, const struct js_puback *ack, const struct err *e)
{
	struct held *m = data;

	(void)ack;
	if (e)
		die(m->hop, "pass on", e);
	settle(m);
}

static void pass_on(struct hop *h, const struct bus_msg *in, struct held *m)
{
	const char *id = bus_msg_header(in, "Task-Id");
	struct bus_header headers[] = {
		{H_MSG_ID, id ? id : ""},           {"Task-Id", id ? id : ""},
		{"Task-Attempt", "1"},              {"Task-Epoch", "1"},
		{"Task-Submitted-At", "2026-01-02T03:04:05.678901Z"},
		{"Task-Sequence", "1"},
	};
	struct bus_out out = {
		.subject = h->next,
		.data = bus_msg_data(in),
		.len = bus_msg_len(in),
		.headers = headers,
		.nheaders = ARRAY_LEN(headers),
	};
	struct err e = {0};

	m->open++;
	if (js_publish(h->bus, &out, 0, on_passed_on, m, &e) != 0)
		die(h, "pass on", &e);
}

static void on_msg(void *data, struct bus_msg **msg, const struct js_meta *meta)
{
	struct hop *h = data;
	struct held *m = xcalloc(1, sizeof(*m));

	(void)meta;
	m->hop = h;
	m->reply = xstrdup(bus_msg_reply(*msg));
	m->open = 1;
	if (str_eq(h->stream, "BARE_EVENTS")) {
		/* The store: each message holds as many tasks as its length tells. */
		h->done += bus_msg_len(*msg) / (EVENT_BYTES + h->bench->size) - 1;
		settle(m);
		/* The router's events and the node's. */
		if (h->done >= 2 * h->bench->count)
			end(h, 0);
		return;
	}
	if (h->next)
		pass_on(h, *msg, m);
	gather(h, m, bus_msg_data(*msg), bus_msg_len(*msg));
}

/* ---- publishing ---- */

static void send_more(void *data);

static void on_published(void *data, const struct js_puback *ack, const struct err *e)
{
	struct hop *h = data;

	(void)ack;
	if (e)
		die(h, "publish", e);
	if (++h->done == h->bench->count)
		end(h, 0);
	if (!h->deferred) {
		h->deferred = true;
		bus_defer(h->bus, send_more, h);
	}
}

static void send_more(void *data)
{
	struct hop *h = data;

	h->deferred = false;
	while (h->sent < h->bench->count && js_publish_inflight(h->bus) < INFLIGHT && !h->quit) {
		char id[32];
		struct bus_header headers[] = {{H_MSG_ID, id}, {"Task-Id", id}};
		struct bus_out out = {
			.subject = "bare.tasks",
			.data = h->body,
			.len = h->bench->size,
			.headers = headers,
			.nheaders = ARRAY_LEN(headers),
		};
		struct err e = {0};

		snprintf(id, sizeof(id), "bare-%zu", h->sent++);
		if (js_publish(h->bus, &out, 0, on_published, h, &e) != 0)
			die(h, "publish", &e);
	}
}

/* ---- a hop's life ---- */

static void on_up(void *data)
{
	struct hop *h = data;

	if (!h->up && !h->stream)
		send_more(h);
	else if (h->stream)
		ask(h);
	h->up = true;
}

static void on_watch(uv_timer_t *t)
{
	struct hop *h = t->data;

	if (h->done != h->last_done) {
		h->last_done = h->done;
		h->moved_ms = clock_mono_ms();
	} else if (h->up && h->done > 0 && clock_mono_ms() - h->moved_ms > STALL_MS) {
		fprintf(stderr, "bare_pipeline: %s: nothing moved for 30 s\n", h->stream ? h->stream : "publisher");
		end(h, 1);
	}
}

static int run_hop(const struct bench *b, const char *stream, const char *next)
{
	struct hop *h = xcalloc(1, sizeof(*h));
	struct bus_config config = {.url = getenv("NATS_URL")};
	const struct bus_events events = {.on_up = on_up, .data = h};
	const struct js_pull_events pull = {.on_msg = on_msg, .on_end = on_end, .data = h};
	struct err e = {0};

	h->bench = b;
	h->stream = stream;
	h->next = next;
	h->body = xcalloc(1, b->size + 1);
	memset(h->body, 'x', b->size);
	uv_loop_init(&h->loop);
	uv_timer_init(&h->loop, &h->watch);
	h->watch.data = h;
	uv_timer_start(&h->watch, on_watch, 1000, 1000);
	if (bus_open(&h->loop, &config, "bare pipeline", &events, &h->bus, &e) != 0 ||
	    (stream && js_pull_open(h->bus, stream, "taker", &pull, &h->pull, &e) != 0)) {
		die(h, "start", &e);
		return 1;
	}
	while (!h->quit)
		uv_run(&h->loop, UV_RUN_DEFAULT);
	/* The last acks leave; the process ends with what it has. */
	bus_close(&h->bus);
	return h->code;
}

/* ---- streams ---- */

struct step {
	uv_loop_t *loop;
	bool done, ok;
};

static void on_api(void *data, const json_t *reply, int server_code, const struct err *e)
{
	struct step *s = data;

	(void)reply;
	(void)server_code;
	s->ok = !e;
	s->done = true;
	if (e)
		fprintf(stderr, "bare_pipeline: %s\n", e->text);
	uv_stop(s->loop);
}

static bool call(struct bus *bus, const char *verb, json_t *body)
{
	struct step s = {.loop = bus_loop(bus)};
	struct err e = {0};

	if (js_api(bus, verb, body, on_api, &s, &e) != 0) {
		fprintf(stderr, "bare_pipeline: %s\n", e.text);
		s.done = true;
	}
	while (!s.done)
		uv_run(s.loop, UV_RUN_DEFAULT);
	json_decref(body);
	return s.ok;
}

static const struct {
	const char *name, *subject;
} streams[] = {
	{"BARE_TASKS", "bare.tasks"}, {"BARE_LANE", "bare.lane"}, {"BARE_EVENTS", "bare.events"}};

static bool make_streams(struct bus *bus)
{
	for (size_t i = 0; i < ARRAY_LEN(streams); i++) {
		CLEANUP(free_ptr) char *create = xasprintf("STREAM.CREATE.%s", streams[i].name);
		CLEANUP(free_ptr)
		char *consumer = xasprintf("CONSUMER.DURABLE.CREATE.%s.taker", streams[i].name);

		if (!call(bus, create,
		          json_pack("{s:s, s:[s], s:s, s:s, s:I}", "name", streams[i].name, "subjects",
		                    streams[i].subject, "retention", "workqueue", "storage", "file",
		                    "duplicate_window", (json_int_t)(30 * NS_PER_S))) ||
		    !call(bus, consumer,
		          json_pack("{s:s, s:{s:s, s:s, s:i}}", "stream_name", streams[i].name, "config",
		                    "durable_name", "taker", "ack_policy", "explicit", "max_ack_pending", 20000)))
			return false;
	}
	return true;
}

static void on_ready(void *data)
{
	uv_stop(data);
}

/* In a process of its own: the hops are forked from one that never had a connection. */
static int manage(bool make)
{
	uv_loop_t loop;
	struct bus_config config = {.url = getenv("NATS_URL")};
	const struct bus_events events = {.on_up = on_ready, .data = &loop};
	struct bus *bus = NULL;
	struct err e = {0};
	bool ok = true;

	uv_loop_init(&loop);
	if (bus_open(&loop, &config, "bare pipeline", &events, &bus, &e) != 0) {
		fprintf(stderr, "bare_pipeline: %s\n", e.text);
		return 1;
	}
	while (!bus_is_up(bus))
		uv_run(&loop, UV_RUN_DEFAULT);
	for (size_t i = 0; !make && i < ARRAY_LEN(streams); i++) {
		CLEANUP(free_ptr) char *verb = xasprintf("STREAM.DELETE.%s", streams[i].name);

		ok = call(bus, verb, NULL) && ok;
	}
	if (make)
		ok = make_streams(bus);
	bus_close(&bus);
	return ok ? 0 : 1;
}

/* ---- the whole ---- */

static pid_t launch(const struct bench *b, int role)
{
	static const struct {
		const char *stream, *next;
	} roles[] = {{NULL, NULL}, {"BARE_TASKS", "bare.lane"}, {"BARE_LANE", NULL}, {"BARE_EVENTS", NULL}};
	pid_t parent = getpid(), pid = fork();

	if (pid != 0)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != parent)
		_exit(1);
	if (role < 0)
		_exit(manage(role == -1));
	_exit(run_hop(b, roles[role].stream, roles[role].next));
}

static bool ended_well(pid_t pid)
{
	int status = 1;

	while (waitpid(pid, &status, 0) < 0 && errno == EINTR)
		;
	return pid > 0 && status == 0;
}

int main(int argc, char **argv)
{
	struct bench b = {.count = 100000, .size = 200};
	pid_t hops[4];
	int64_t start_ns;
	bool ok;

	for (int i = 1; i + 1 < argc; i += 2) {
		if (str_eq(argv[i], "--count"))
			b.count = strtoul(argv[i + 1], NULL, 10);
		else if (str_eq(argv[i], "--size"))
			b.size = strtoul(argv[i + 1], NULL, 10);
	}
	if (!getenv("NATS_URL") || b.count == 0 || b.size > 1 << 20) {
		fprintf(stderr, "usage: NATS_URL=… bare_pipeline [--count N] [--size BYTES]\n");
		return 2;
	}
	if (!ended_well(launch(&b, -1)))
		return 1;
	for (int role = 3; role >= 1; role--)
		hops[role] = launch(&b, role);
	start_ns = clock_mono_ns();
	hops[0] = launch(&b, 0);
	ok = ended_well(hops[0]) && ended_well(hops[3]);
	if (ok)
		printf("bare_pipeline_per_s=%.0f\n",
		       (double)b.count / ((double)(clock_mono_ns() - start_ns) / NS_PER_S));
	for (int role = 1; role <= 2; role++) {
		kill(hops[role], SIGKILL);
		ended_well(hops[role]);
	}
	ended_well(launch(&b, -2));
	return ok ? 0 : 1;
}
