/*
 * An agent process for tests, which is the test's own program again and does what each body says, and
 * a worker handler with it.
 */
#pragma once

#include <arpa/inet.h>
#include <errno.h>
#include <signal.h>

#include "node/handlers/frame.h"
#include "rig.h"

/* ---- the agent ---- */

static bool read_all(void *to, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = read(0, (char *)to + done, len - done);
		if (n <= 0)
			return false;
		done += (size_t)n;
	}
	return true;
}

static void write_all(const char *data, size_t len)
{
	for (size_t done = 0; done < len;) {
		ssize_t n = write(1, data + done, len - done);
		if (n <= 0)
			_exit(7);
		done += (size_t)n;
	}
}

static void answer(json_t *header, const void *body, size_t len)
{
	CLEANUP(buf_release) struct buf b = {0};
	struct err e;
	if (frame_write(header, body, len, &b, &e) < 0)
		_exit(8);
	json_decref(header);
	write_all(b.data, b.len);
}

static void answer_text(json_int_t run, const char *text)
{
	answer(json_pack("{s:s, s:I, s:s}", "op", "result", "run", run, "content_type", "text/plain"), text,
	       strlen(text));
}

static bool mute;
static json_int_t held[64];
static size_t nheld;

static bool starts(const char *body, const char *word)
{
	return strncmp(body, word, strlen(word)) == 0;
}

static void act(json_int_t run, const json_t *header, const char *body, size_t len)
{
	if (starts(body, "echo:")) {
		answer(json_pack("{s:s, s:I}", "op", "result", "run", run), body + 5, len - 5);
	} else if (starts(body, "pid")) {
		char text[16];
		snprintf(text, sizeof text, "%d", (int)getpid());
		answer_text(run, text);
	} else if (starts(body, "facts")) {
		char *dump = json_dumps(header, JSON_COMPACT | JSON_SORT_KEYS);
		answer_text(run, dump);
		free(dump);
	} else if (starts(body, "hold")) {
		held[nheld++] = run;
	} else if (starts(body, "release")) {
		for (size_t i = nheld; i > 0; i--) { /* in another order than they came */
			answer_text(held[i - 1], "released");
		}
		nheld = 0;
		answer_text(run, "all");
	} else if (starts(body, "fail:")) {
		answer(json_pack("{s:s, s:I, s:s, s:i}", "op", "fail", "run", run, "error", body + 5,
		                 "retry_after_ms", 1500),
		       NULL, 0);
	} else if (starts(body, "return:")) {
		answer(json_pack("{s:s, s:I, s:s, s:i, s:b}", "op", "return", "run", run, "error", body + 7,
		                 "retry_after_ms", 2500, "permanent", 1),
		       NULL, 0);
	} else if (starts(body, "never:")) {
		answer(json_pack("{s:s, s:I, s:s, s:b}", "op", "fail", "run", run, "error", body + 6, "permanent", 1),
		       NULL, 0);
	} else if (starts(body, "mute")) {
		mute = true;
		answer_text(run, "not a word more");
	} else if (starts(body, "who")) {
		char text[256];
		snprintf(text, sizeof text, "%s %s %s", getenv("MILLRACE_AGENT_ID"),
				 getenv("MILLRACE_AGENT_ROLE"), getenv("MILLRACE_PROJECT_ID"));
		answer_text(run, text);
	} else if (starts(body, "crash")) {
		fprintf(stderr, "out of luck\n");
		_exit(3);
	} else if (starts(body, "quit")) {
		answer_text(run, "bye");
		_exit(0);
	} else if (starts(body, "garbage")) {
		write_all("Hello, I am no frame at all\n", 28);
		pause();
	} else if (starts(body, "stranger")) {
		answer_text(run + 1000, "?");
		pause();
	} else if (starts(body, "big")) {
		size_t n = 5 << 20;
		CLEANUP(free_ptr) char *big = xcalloc(1, n);
		answer(json_pack("{s:s, s:I}", "op", "result", "run", run), big, n);
		pause();
	}
}

static bool deaf_to_cancel, says_ready;

static int agent_main(void)
{
	uint32_t n;
	while (read_all(&n, sizeof n)) {
		n = ntohl(n);
		CLEANUP(free_ptr) char *frame = xcalloc(1, n + 1);
		if (!read_all(frame, n))
			_exit(9);
		char *body = memchr(frame, '\n', n);
		json_t *h = json_loadb(frame, (size_t)(body - frame), 0, NULL);
		const char *op = json_string_value(json_object_get(h, "op"));
		json_int_t run = json_integer_value(json_object_get(h, "run"));
		if (str_eq(op, "hello") && says_ready) {
			if (json_integer_value(json_object_get(h, "heartbeat_interval_ms")) <= 0)
				_exit(11);
			answer(json_pack("{s:s, s:b}", "op", "ready", "ping", 1), NULL, 0);
		} else if (str_eq(op, "ping") && !mute) {
			answer(json_pack("{s:s}", "op", "pong"), NULL, 0);
		} else if (str_eq(op, "task")) {
			act(run, h, body + 1, n - (size_t)(body + 1 - frame));
		} else if (str_eq(op, "cancel") && !deaf_to_cancel) {
			answer(json_pack("{s:s, s:I, s:s}", "op", "fail", "run", run, "error", "let go"), NULL, 0);
		}
		json_decref(h);
	}
	_exit(0);
}

/* A program that is started as an agent is one: main begins with this. */
#define AGENT_MAIN(argc, argv)                                                                     \
	do {                                                                                           \
		if ((argc) > 1 && (str_eq((argv)[1], "--agent") || str_eq((argv)[1], "--deaf") ||          \
						   str_eq((argv)[1], "--pings"))) {                                        \
			deaf_to_cancel = str_eq((argv)[1], "--deaf");                                          \
			says_ready = str_eq((argv)[1], "--pings");                                             \
			return agent_main();                                                                   \
		}                                                                                          \
	} while (0)

/* ---- what the tests of both kinds need ---- */

UNUSED static char *worker_yaml(const char *word, const char *more)
{
	char self[512];
	ssize_t n = readlink("/proc/self/exe", self, sizeof self - 1);
	assert_true(n > 0);
	self[n] = '\0';
	/* No limit on memory: the sanitizers reserve terabytes of addresses. */
	return xasprintf("- type: w\n  kind: worker\n  command: ['%s', %s]\n  backoff_min: 50ms\n"
	                 "  limits: {grace: 300ms, memory: 0, output: 2MiB}\n%s",
	                 self, word, more);
}

UNUSED static void open_worker(struct rig *r, const char *word, const char *more)
{
	CLEANUP(free_ptr) char *yaml = worker_yaml(word, more);
	rig_open(r, yaml);
}

UNUSED static void expect(struct rig *r, struct rig_run *run, enum handler_outcome outcome, const char *words)
{
	rig_wait(r, run);
	const char *got = run->outcome == RESULT_OK ? run->data : run->error;
	if (run->outcome != outcome || strstr(got, words) == NULL)
		fail_msg("outcome %d: %s; want %s", run->outcome, got, words);
}
