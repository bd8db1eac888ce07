/*
 * Submits many tasks and follows each to its end: PubAck, `stored` notice,
 * and with run.<type> the answer. Closed loop (so many under way) or open
 * loop (arrivals at a rate, however slow the system is; latency counts from
 * the planned arrival, so a stall is not hidden).
 */
#pragma once

#include "cli/bench_samples.h"
#include "cli/cli.h"

struct flow_spec {
	const char *type;     /* "echo" */
	size_t lanes;         /* > 0: types <type>0, <type>1, … in turn, so many */
	size_t count;
	size_t size_bytes;    /* of each body */
	unsigned inflight;    /* closed loop: unacknowledged submits */
	double rate_per_s;    /* > 0: open loop */
	const char *balance;  /* Task-Balance; NULL: none */
	int64_t from_s, to_s; /* to_s > 0: Task-Delay, spread evenly from one to the other (seconds) */
	bool request;         /* run.<type>, waiting for the answer, instead of tasks.<type> */
	bool acks_only;       /* done when all are acknowledged */
	/* Called once, when mark tasks have been stored. */
	size_t mark;
	void (*on_mark)(void *data);
	void *data;
	const char *label;    /* for the progress on stderr */
};

struct flow_result {
	char prefix[32];      /* of the tasks' ids: <prefix><number> */
	double seconds;       /* from the first submit to the last end */
	size_t acked, stored, answered;
	size_t errors;        /* refused, dead, unanswered, or not ended in time */
	char first_error[500];
	struct samples ack, end; /* submit to PubAck; to the notice or the answer */
};

/* ERR_CLOSED after Ctrl-C, ERR_TIMEOUT where nothing moved for 30 s (what is missing counts as errors then, and it returns 0). */
MUST_CHECK int flow_run(struct cli *c, const struct flow_spec *spec, struct flow_result *ret, struct err *e);
void flow_result_release(struct flow_result *r);
