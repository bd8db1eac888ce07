/*
 * The broker by itself. One stream, one pull consumer, both ends in this
 * process: an upper bound for anything that passes through it once. Goes
 * well: all messages are acked. Fails: no stream can be made, or nothing
 * comes for 30 s; the stream is deleted in any case.
 */
#include "cli/bench_broker.h"

#include <signal.h>
#include <stdio.h>
#include <unistd.h>

#include "cli/dev_broker.h"
#include "common/proc.h"
#include "common/task.h"

#define STREAM "BENCH_BROKER"
#define SUBJECT "bench.broker"
#define INFLIGHT 4096
#define BATCH 1000u
#define STALL_MS 30000

struct broker_run {
	struct cli *cli;
	struct js_pull *pull;
	size_t count, sent, taken;
	const char *body;
	size_t len;
	bool deferred, done, failed;
	struct err why;
};

static void send_more(void *data);

static void fail(struct broker_run *r, const struct err *e)
{
	if (!r->failed)
		r->why = *e;
	r->failed = r->done = true;
}

static void on_puback(void *data, const struct js_puback *ack, const struct err *e)
{
	struct broker_run *r = data;

	(void)ack;
	if (e)
		fail(r, e);
	if (!r->deferred && !r->done) {
		r->deferred = true;
		bus_defer(r->cli->bus, send_more, r);
	}
}

static void send_more(void *data)
{
	struct broker_run *r = data;

	r->deferred = false;
	while (r->sent < r->count && js_publish_inflight(r->cli->bus) < INFLIGHT && !r->failed) {
		char id[32];
		struct bus_header h = {H_MSG_ID, id};
		struct bus_out out = {
			.subject = SUBJECT, .data = r->body, .len = r->len, .headers = &h, .nheaders = 1};
		struct err e = {0};

		snprintf(id, sizeof(id), "%zu", r->sent++);
		if (js_publish(r->cli->bus, &out, 30000, on_puback, r, &e) != 0)
			fail(r, &e);
	}
}

static void ask(struct broker_run *r)
{
	struct err e = {0};

	if (!r->done && js_pull_ask(r->pull, BATCH, 1000, 0, &e) != 0)
		fail(r, &e);
}

static void on_msg(void *data, struct bus_msg **m, const struct js_meta *meta)
{
	struct broker_run *r = data;

	(void)meta;
	js_ack(r->cli->bus, bus_msg_reply(*m));
	if (++r->taken == r->count)
		r->done = true;
}

static void on_end(void *data, enum js_pull_end why)
{
	(void)why;
	ask(data);
}

static int make_stream(struct cli *c, struct err *e)
{
	json_t *stream = json_pack("{s:s, s:[s], s:s, s:s, s:I}", "name", STREAM, "subjects", SUBJECT,
	                           "retention", "workqueue", "storage", "file", "duplicate_window",
	                           (json_int_t)(10 * NS_PER_S));
	json_t *consumer = json_pack("{s:s, s:{s:s, s:s, s:i}}", "stream_name", STREAM, "config",
	                             "durable_name", "taker", "ack_policy", "explicit", "max_ack_pending",
	                             20000);
	json_t *reply = NULL;
	int rc = cli_js_api(c, "STREAM.CREATE." STREAM, stream, &reply, NULL, e);

	json_decref(reply);
	reply = NULL;
	if (rc == 0)
		rc = cli_js_api(c, "CONSUMER.DURABLE.CREATE." STREAM ".taker", consumer, &reply, NULL, e);
	json_decref(reply);
	json_decref(stream);
	json_decref(consumer);
	return rc;
}

static void delete_stream(struct cli *c)
{
	json_t *reply = NULL;
	struct err ignored = {0};

	if (cli_js_api(c, "STREAM.DELETE." STREAM, NULL, &reply, NULL, &ignored) == 0)
		json_decref(reply);
}

/* After Ctrl-C as well: nobody else would delete it, and it is large. Another one ends the process. */
static void clean_up(struct cli *c)
{
	bool interrupted = c->interrupted;

	c->interrupted = false;
	delete_stream(c);
	c->interrupted = c->interrupted || interrupted;
}

int bench_broker_only(struct cli *c, size_t count, size_t size_bytes, double *ret_per_s, struct err *e)
{
	CLEANUP(free_ptr) char *body = xcalloc(1, size_bytes + 1);
	struct broker_run r = {.cli = c, .count = count, .body = body, .len = size_bytes};
	const struct js_pull_events ev = {.on_msg = on_msg, .on_end = on_end, .data = &r};
	int64_t start_ns;
	int rc;

	memset(body, 'x', size_bytes);
	delete_stream(c);
	if (make_stream(c, e) != 0)
		return err_wrap(e, "broker alone");
	if (js_pull_open(c->bus, STREAM, "taker", &ev, &r.pull, e) != 0) {
		delete_stream(c);
		return e->code;
	}
	start_ns = clock_mono_ns();
	ask(&r);
	send_more(&r);
	rc = cli_wait(c, &r.done, STALL_MS + (int64_t)count / 2, e);
	js_pull_close(&r.pull);
	if (rc == 0 && r.failed) {
		*e = r.why;
		rc = e->code;
	}
	if (rc == 0)
		*ret_per_s = (double)count / ((double)(clock_mono_ns() - start_ns) / NS_PER_S);
	if (js_publish_inflight(c->bus) > 0)
		bus_close(&c->bus); /* what is under way points to r */
	clean_up(c);
	return rc;
}

int bench_bare_pipeline(struct cli *c, size_t count, size_t size_bytes, const char *log_path,
                        double *ret_per_s, struct err *e)
{
	CLEANUP(free_ptr) char *program = proc_sibling("bare_pipeline");
	CLEANUP(free_ptr) char *count_text = xasprintf("%zu", count);
	CLEANUP(free_ptr) char *size_text = xasprintf("%zu", size_bytes);
	CLEANUP(free_ptr) char *url = xasprintf("NATS_URL=%s", c->config.nats.url);
	CLEANUP(argv_free) char **argv = argv_make(program, "--count", count_text, "--size", size_text, NULL);
	CLEANUP(buf_release) struct buf tail = {0};
	const char *env[] = {url, NULL};
	struct proc_spec spec = {
		.argv = (const char *const *)argv, .env = env, .log_path = log_path, .death_signal = SIGKILL};
	const char *last = NULL;
	double per_s;

	if (access(program, X_OK) != 0)
		return err_set(e, ERR_NOT_FOUND, "%s was not built", program);
	if (proc_run(&spec, e) != 0)
		return e->code;
	proc_log_tail(log_path, 2000, &tail);
	/* The log may hold those of earlier runs. */
	for (const char *at = tail.data; at && (at = strstr(at, "bare_pipeline_per_s=")); at++)
		last = at;
	if (!last || sscanf(last, "bare_pipeline_per_s=%lf", &per_s) != 1)
		return err_set(e, ERR_PROTOCOL, "bare_pipeline did not tell its figure (%s)", log_path);
	*ret_per_s = per_s;
	return 0;
}
