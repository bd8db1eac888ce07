/*
 * The bus against a real broker that is killed and comes back: publishes,
 * pulls, watches and requests each keep what they promise. Skipped where
 * there is no nats-server in the PATH.
 */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <arpa/inet.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/jetstream.h"

#define PATIENCE_MS 30000
#define SKIPPED 77

static char dir[] = "/tmp/millrace-bus-XXXXXX";
static char port[8];
static pid_t broker;
static uv_loop_t loop;
static uv_timer_t tick; /* so that a turn of the loop ends */
static struct bus *bus;
static unsigned ups, downs;

/* ---- the broker ---- */

static void pick_port(void)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM, 0);

	assert_int_equal(bind(fd, (struct sockaddr *)&a, len), 0);
	assert_int_equal(getsockname(fd, (struct sockaddr *)&a, &len), 0);
	snprintf(port, sizeof(port), "%u", ntohs(a.sin_port));
	close(fd);
}

static void broker_start(void)
{
	broker = fork();
	assert_true(broker >= 0);
	if (broker > 0)
		return;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	int null = open("/dev/null", O_RDWR);
	dup2(null, 1);
	dup2(null, 2);
	execlp("nats-server", "nats-server", "-a", "127.0.0.1", "-p", port, "-js", "-sd", dir, (char *)NULL);
	_exit(SKIPPED);
}

static void broker_kill(void)
{
	kill(broker, SIGKILL);
	waitpid(broker, NULL, 0);
}

static bool broker_there(void)
{
	const char *path = getenv("PATH");
	CLEANUP(free_ptr) char *all = xstrdup(path ? path : "");
	char *save = NULL;

	for (char *d = strtok_r(all, ":", &save); d; d = strtok_r(NULL, ":", &save)) {
		CLEANUP(free_ptr) char *file = xasprintf("%s/nats-server", d);
		if (access(file, X_OK) == 0)
			return true;
	}
	return false;
}

/* ---- the loop ---- */

static void on_tick(uv_timer_t *t UNUSED)
{
}

#define await(condition)                                                 \
	do {                                                                 \
		int64_t until = clock_mono_ms() + PATIENCE_MS;                   \
		while (!(condition) && clock_mono_ms() < until)                  \
			uv_run(&loop, UV_RUN_ONCE);                                  \
		assert_true(condition);                                          \
	} while (0)

static void on_up(void *data UNUSED)
{
	ups++;
}

static void on_down(void *data UNUSED, const struct err *e UNUSED)
{
	downs++;
}

static struct bus *open_bus(void)
{
	struct bus_config c = {.url = xasprintf("nats://127.0.0.1:%s", port)};
	struct bus_events ev = {.on_up = on_up, .on_down = on_down};
	struct bus *b;
	struct err e;

	assert_int_equal(bus_open(&loop, &c, "test", &ev, &b, &e), 0);
	free(c.url);
	return b;
}

static void kill_and_await_down(void)
{
	unsigned before = downs;

	broker_kill();
	await(downs > before);
}

/* ---- JetStream ---- */

struct answer {
	bool came;
	int code;
	json_t *reply;
};

static void on_api(void *data, const json_t *reply, int server_code UNUSED, const struct err *e)
{
	struct answer *a = data;

	a->came = true;
	a->code = e ? e->code : 0;
	a->reply = reply ? json_deep_copy(reply) : NULL;
}

static json_t *ask(const char *verb, json_t *body)
{
	struct answer a = {0};
	struct err e;

	/* Just after a start JetStream may not answer yet. */
	for (int i = 0; i < 20 && (!a.came || a.code == ERR_UNREACHABLE); i++) {
		a = (struct answer){0};
		assert_int_equal(js_api(bus, verb, body, on_api, &a, &e), 0);
		await(a.came);
	}
	assert_int_equal(a.code, 0);
	json_decref(body);
	return a.reply;
}

static void create_stream(const char *name, const char *subject, bool bucket)
{
	char verb[64];
	json_t *config = json_pack("{s:s, s:[s], s:s, s:b}", "name", name, "subjects", subject, "storage", "file",
	                           "allow_direct", 1);

	if (bucket)
		json_object_set_new(config, "max_msgs_per_subject", json_integer(1));
	snprintf(verb, sizeof(verb), "STREAM.CREATE.%s", name);
	json_decref(ask(verb, config));
}

static uint64_t messages(const char *stream)
{
	char verb[64];

	snprintf(verb, sizeof(verb), "STREAM.INFO.%s", stream);
	json_t *j = ask(verb, NULL);
	uint64_t n = (uint64_t)json_integer_value(json_object_get(json_object_get(j, "state"), "messages"));
	json_decref(j);
	return n;
}

static unsigned acked, refused;
static int refusal;

static void on_puback(void *data UNUSED, const struct js_puback *ack UNUSED, const struct err *e)
{
	acked += !e;
	refused += e != NULL;
	refusal = e ? e->code : refusal;
}

static void publish(const char *subject, unsigned number, int64_t deadline_ms)
{
	char id[32];
	struct bus_header h = {"Nats-Msg-Id", id};
	struct err e;

	snprintf(id, sizeof(id), "%s-%u", subject, number);
	assert_int_equal(js_publish(bus, &(struct bus_out){.subject = subject, .data = "x", .len = 1, .headers = &h, .nheaders = 1},
	                            deadline_ms, on_puback, NULL, &e), 0);
}

static void publishes_survive_a_restart(void **state UNUSED)
{
	create_stream("PUB", "pub", false);
	acked = refused = 0;
	for (unsigned i = 0; i < 500; i++)
		publish("pub", i, 0);
	await(acked > 100);
	kill_and_await_down();
	for (unsigned i = 500; i < 600; i++)
		publish("pub", i, 0);
	broker_start();
	await(acked == 600);
	assert_int_equal(refused, 0);
	assert_int_equal(js_publish_inflight(bus), 0);
	assert_int_equal(messages("PUB"), 600);
}

static void a_missing_stream_ends_at_the_deadline(void **state UNUSED)
{
	acked = refused = 0;
	publish("nowhere", 0, 1000);
	await(refused == 1);
	assert_int_equal(refusal, ERR_NOT_FOUND);
	kill_and_await_down();
	publish("nowhere", 1, 500);
	await(refused == 2);
	assert_int_equal(refusal, ERR_UNREACHABLE);
	broker_start();
	await(bus_is_up(bus));
}

/* ---- pull ---- */

struct puller {
	struct js_pull *pull;
	unsigned came;
	unsigned ends[JS_PULL_GONE + 1];
};

static void on_pulled(void *data, struct bus_msg **m, const struct js_meta *meta UNUSED)
{
	struct puller *p = data;

	p->came++;
	js_ack(bus, bus_msg_reply(*m));
}

static void on_end(void *data, enum js_pull_end why)
{
	struct puller *p = data;

	p->ends[why]++;
}

/* ---- acks ---- */

static struct {
	uint64_t seq[4];
	int64_t at_ms[4];
	unsigned n;
} acks_seen;

static void on_ack(void *data UNUSED, struct bus_msg **m)
{
	struct js_meta meta;

	assert_int_equal(js_meta_parse(bus_msg_subject(*m), &meta, NULL), 0);
	assert_true(acks_seen.n < ARRAY_LEN(acks_seen.seq));
	acks_seen.seq[acks_seen.n] = meta.stream_seq;
	acks_seen.at_ms[acks_seen.n++] = clock_mono_ms();
}

/* The newest waits for a newer one, or a moment; what is older leaves at once. */
static void the_newest_ack_of_a_stream_is_held_for_a_moment(void **state UNUSED)
{
	struct bus_sub *sub;
	struct err e;

	assert_int_equal(bus_subscribe(bus, "$JS.ACK.HELD.>", NULL, on_ack, NULL, &sub, &e), 0);
	(void)messages("PUB"); /* a round trip: the subscription is there */
	js_ack(bus, "$JS.ACK.HELD.c.1.7.7.1700000000000000000.0");
	js_ack(bus, "$JS.ACK.HELD.d.1.5.5.1700000000000000000.0");
	int64_t since_ms = clock_mono_ms();
	js_ack(bus, "$JS.ACK.HELD.c.1.8.8.1700000000000000000.0");
	await(acks_seen.n == 3);
	assert_int_equal(acks_seen.seq[0], 5);
	assert_int_equal(acks_seen.seq[1], 7);
	assert_int_equal(acks_seen.seq[2], 8);
	assert_true(acks_seen.at_ms[2] - since_ms >= 90);
	bus_unsubscribe(&sub);
}

static void pulls_survive_a_restart(void **state UNUSED)
{
	struct puller p = {0};
	struct js_pull_events ev = {on_pulled, on_end, &p};
	struct err e;

	create_stream("PULL", "pull", false);
	json_decref(ask("CONSUMER.DURABLE.CREATE.PULL.c",
	                json_pack("{s:s, s:{s:s, s:s}}", "stream_name", "PULL", "config", "durable_name", "c",
	                          "ack_policy", "explicit")));
	assert_int_equal(js_pull_open(bus, "PULL", "c", &ev, &p.pull, &e), 0);
	assert_int_equal(js_pull_ask(p.pull, 10, 20000, 0, &e), 0);
	kill_and_await_down();
	assert_int_equal(p.ends[JS_PULL_LOST], 1);
	assert_int_equal(js_pull_credits(p.pull), 0);
	assert_int_equal(js_pull_ask(p.pull, 10, 20000, 0, &e), ERR_UNREACHABLE);
	broker_start();
	await(bus_is_up(bus));
	acked = 0;
	for (unsigned i = 0; i < 10; i++)
		publish("pull", i, 0);
	await(acked == 10);
	while (p.came < 10) {
		unsigned ends = p.ends[JS_PULL_FILLED] + p.ends[JS_PULL_EMPTY] + p.ends[JS_PULL_LOST];
		assert_int_equal(js_pull_ask(p.pull, 10 - p.came, 1000, 0, &e), 0);
		await(p.ends[JS_PULL_FILLED] + p.ends[JS_PULL_EMPTY] + p.ends[JS_PULL_LOST] > ends);
	}
	/* Deleted under a request: gone. One that the broker has not seen by then is never answered. */
	assert_int_equal(js_pull_ask(p.pull, 1, 20000, 0, &e), 0);
	for (json_int_t waiting = 0; waiting == 0;) {
		json_t *j = ask("CONSUMER.INFO.PULL.c", NULL);
		waiting = json_integer_value(json_object_get(j, "num_waiting"));
		json_decref(j);
	}
	json_decref(ask("CONSUMER.DELETE.PULL.c", NULL));
	await(p.ends[JS_PULL_GONE] == 1);
	js_pull_close(&p.pull);
}

/* ---- watch ---- */

struct watcher {
	unsigned told;
	char a[16], b[16];
};

static void on_entry(void *data, const struct kv_entry *entry)
{
	struct watcher *w = data;

	if (!entry->key) {
		w->told++;
		return;
	}
	char *to = entry->key[0] == 'a' ? w->a : w->b;
	snprintf(to, sizeof(w->a), "%.*s", (int)entry->len, (const char *)entry->value);
}

static unsigned puts_done;

static void on_put(void *data UNUSED, uint64_t revision UNUSED, const struct err *e)
{
	puts_done += !e;
}

static void put(const char *key, const char *value)
{
	struct err e;

	puts_done = 0;
	assert_int_equal(kv_put(bus, "B", key, value, strlen(value), KV_ANY_REVISION, on_put, NULL, &e), 0);
	await(puts_done == 1);
}

/* The one consumer of the bucket: its watch. */
static char *watch_address(void)
{
	json_t *j = ask("CONSUMER.NAMES.KV_B", NULL);
	const json_t *names = json_object_get(j, "consumers");
	char *address = xasprintf("%sw.%s", bus_inbox_prefix(bus),
	                          json_string_value(json_array_get(names, json_array_size(names) - 1)));

	json_decref(j);
	return address;
}

static void watches_survive_a_restart_and_a_gap(void **state UNUSED)
{
	struct watcher w = {0};
	struct kv_watch *watch;
	struct err e;

	create_stream("KV_B", "$KV.B.>", true);
	put("a", "1");
	assert_int_equal(kv_watch(bus, "B", ">", on_entry, &w, &watch, &e), 0);
	await(w.told == 1);
	assert_string_equal(w.a, "1");
	put("b", "2");
	await(str_eq(w.b, "2"));
	kill_and_await_down();
	w = (struct watcher){.told = w.told};
	broker_start();
	await(w.told == 2);
	assert_string_equal(w.a, "1");
	assert_string_equal(w.b, "2");
	put("b", "3");
	await(str_eq(w.b, "3"));
	/* A heartbeat that tells of a delivery which never came. */
	CLEANUP(free_ptr) char *address = watch_address();
	w = (struct watcher){.told = w.told};
	struct bus_header h = {"Nats-Last-Consumer", "99"};
	assert_int_equal(bus_publish(bus, &(struct bus_out){.subject = address, .headers = &h, .nheaders = 1}, &e), 0);
	await(w.told == 3);
	assert_string_equal(w.a, "1");
	assert_string_equal(w.b, "3");
	kv_watch_stop(&watch);
}

/* ---- requests ---- */

static unsigned replies;
static int reply_code;

static void on_reply(void *data UNUSED, struct bus_msg **m UNUSED, const struct err *e)
{
	replies++;
	reply_code = e ? e->code : 0;
}

static int request(const char *subject)
{
	struct err e;
	unsigned before = replies;

	assert_int_equal(bus_request(bus, &(struct bus_out){.subject = subject}, 300, on_reply, NULL, NULL, &e), 0);
	assert_int_equal(replies, before);
	await(replies > before);
	return reply_code;
}

static void on_silent(void *data UNUSED, struct bus_msg **m UNUSED)
{
}

static void requests_end_in_each_way(void **state UNUSED)
{
	struct bus_sub *sub;
	struct bus_call *call = NULL;
	struct err e;

	assert_int_equal(bus_subscribe(bus, "silent", NULL, on_silent, NULL, &sub, &e), 0);
	assert_int_equal(request("silent"), ERR_TIMEOUT);
	assert_int_equal(request("nobody"), ERR_NOT_FOUND);
	unsigned before = replies;
	assert_int_equal(bus_request(bus, &(struct bus_out){.subject = "silent"}, 100, on_reply, NULL, &call, &e), 0);
	bus_call_cancel(&call);
	assert_null(call);
	kill_and_await_down();
	assert_int_equal(replies, before);
	assert_int_equal(request("silent"), ERR_UNREACHABLE);
	broker_start();
	await(bus_is_up(bus));
	/* The subscription came back with the connection. */
	assert_int_equal(request("silent"), ERR_TIMEOUT);
	bus_unsubscribe(&sub);
}

/* More than a write each is worth: the second connection carries them, and a broker without room for it does no harm. */
static unsigned unanswered;

static void on_nobody(void *data UNUSED, struct bus_msg **m UNUSED, const struct err *e)
{
	assert_non_null(e);
	assert_int_equal(e->code, ERR_NOT_FOUND);
	unanswered++;
}

/* So many that most leave through the buffer, by a connection that hears no replies. */
static void nobody_is_heard_in_a_burst_too(void **state UNUSED)
{
	struct err e;

	for (unsigned i = 0; i < 2000; i++)
		assert_int_equal(bus_request(bus, &(struct bus_out){.subject = "nobody"}, 60000, on_nobody, NULL, NULL, &e), 0);
	await(unanswered == 2000);
}

static void a_burst_arrives_whole(void **state UNUSED)
{
	create_stream("BURST", "burst", false);
	acked = refused = 0;
	for (unsigned i = 0; i < 20000; i++)
		publish("burst", i, 0);
	await(acked == 20000);
	assert_int_equal(messages("BURST"), 20000);
}

/* ---- begin and end ---- */

static int setup(void **state UNUSED)
{
	assert_non_null(mkdtemp(dir));
	pick_port();
	uv_loop_init(&loop);
	uv_timer_init(&loop, &tick);
	uv_timer_start(&tick, on_tick, 20, 20);
	bus = open_bus(); /* before the broker is there */
	await(downs == 1);
	broker_start();
	await(ups == 1);
	return 0;
}

static int teardown(void **state UNUSED)
{
	bus_close(&bus);
	uv_close((uv_handle_t *)&tick, NULL);
	uv_run(&loop, UV_RUN_DEFAULT);
	assert_int_equal(uv_loop_close(&loop), 0);
	broker_kill();
	pid_t rm = fork();
	if (rm == 0) {
		execlp("rm", "rm", "-rf", dir, (char *)NULL);
		_exit(1);
	}
	waitpid(rm, NULL, 0);
	return 0;
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(publishes_survive_a_restart),
		cmocka_unit_test(a_missing_stream_ends_at_the_deadline),
		cmocka_unit_test(the_newest_ack_of_a_stream_is_held_for_a_moment),
		cmocka_unit_test(pulls_survive_a_restart),
		cmocka_unit_test(watches_survive_a_restart_and_a_gap),
		cmocka_unit_test(requests_end_in_each_way),
		cmocka_unit_test(nobody_is_heard_in_a_burst_too),
		cmocka_unit_test(a_burst_arrives_whole),
	};

	if (!broker_there())
		return SKIPPED;
	signal(SIGPIPE, SIG_IGN);
	return cmocka_run_group_tests(tests, setup, teardown);
}
