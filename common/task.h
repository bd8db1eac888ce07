/*
 * A task's facts as its headers tell them, and the names of those headers.
 * The body is never looked at. Reading is forgiving in case ("task-id" is
 * Task-Id) and strict in value: a header that is ours and cannot be
 * understood is an error that names it.
 */
#pragma once

#include "common/bus.h"
#include "common/clock.h"
#include "common/placement.h"
#include "common/token.h"

/* A publisher's; each has a row in docs/protocol.md, which check_docs.sh holds. */
#define H_TASK_ID "Task-Id"
#define H_TASK_PRIORITY "Task-Priority"
#define H_TASK_REQUIRES "Task-Requires"
#define H_TASK_TIMEOUT "Task-Timeout"
#define H_TASK_ATTEMPTS "Task-Attempts"
#define H_TASK_BACKOFF "Task-Backoff"
#define H_TASK_DELAY "Task-Delay"
#define H_TASK_AT "Task-At"
#define H_TASK_WAIT "Task-Wait"
#define H_TASK_PROJECT "Task-Project"
#define H_TASK_META "Task-Meta"
#define H_TASK_OBJECT "Task-Object"
#define H_TASK_NODE "Task-Node"                 /* these four: placement.h */
#define H_TASK_SAME_NODE_AS "Task-Same-Node-As"
#define H_TASK_NOT_NODES "Task-Not-Nodes"
#define H_TASK_BALANCE "Task-Balance"
#define H_TASK_EXPIRES "Task-Expires" /* RFC 3339, or a duration from Task-Submitted-At on */
#define H_TASK_UNIQUE "Task-Unique"         /* a key: one unfinished task of its type has it */
#define H_TASK_UNIQUE_FOR "Task-Unique-For" /* a duration: held so long, even when it has ended */
#define H_TASK_RESULT_EXPIRES "Task-Result-Expires" /* a duration after the end, or "never" */
/* Set by the router alone; stripped from what a publisher sends. */
#define H_TASK_TYPE "Task-Type" /* on DELAYED, DIRECT and DEAD, where the subject does not tell */
#define H_TASK_ATTEMPT "Task-Attempt"
#define H_TASK_EPOCH "Task-Epoch"
#define H_TASK_FLOW "Task-Flow"
#define H_TASK_REPLY_TO "Task-Reply-To"
#define H_TASK_SUBMITTED "Task-Submitted-At" /* RFC 3339: when TASKS stored it */
#define H_TASK_SEQUENCE "Task-Sequence"      /* its sequence in TASKS */
#define H_TASK_DUE "Task-Due"                /* on DELAYED: RFC 3339 */
#define H_TASK_AVOID "Task-Avoid-Nodes"      /* comma-separated: they failed it; others go first */
/* Between routers, on DELAYED and DIRECT: what a task had already. */
#define H_TASK_DEFERRALS "Task-Deferrals"     /* put off so often without an attempt spent (lane full, returned) */
#define H_TASK_DELIVERIES "Task-Deliveries"   /* that it had, of nodes that were lost with it */
#define H_TASK_WAITS_SINCE "Task-Waits-Since" /* RFC 3339: for a node that it needs */
/* On events.act and DEAD: how an attempt ended. Stripped before a retry. */
#define H_OUTCOME "Outcome"                  /* failed | returned */
#define H_OUTCOME_REASON "Outcome-Reason"    /* error timeout crash no-responders no-handler breaker deliveries limit invalid; shed, expired, purged by the router */
#define H_OUTCOME_ERROR "Outcome-Error"      /* a sentence */
#define H_OUTCOME_PERMANENT "Outcome-Permanent" /* "true": retrying cannot help */
#define H_OUTCOME_RETRY_AFTER "Outcome-Retry-After" /* a duration */
#define H_OUTCOME_NODE "Outcome-Node"
#define H_OUTCOME_LANE "Outcome-Lane"
#define H_OUTCOME_STARTED "Outcome-Started-At"
#define H_OUTCOME_FINISHED "Outcome-Finished-At"
#define H_OUTCOME_VERSION "Outcome-Version"         /* of the handler that failed, where it says so */
#define H_OUTCOME_FINGERPRINT "Outcome-Fingerprint" /* on DEAD: which failure it is */
#define H_OUTCOME_LEFT_OUT "Outcome-Left-Out"       /* on DEAD, where not all fitted: headers | body */
/* A replay or manual retry: the task that it is another try of. Only router and store set it. */
#define H_TASK_RETRY_OF "Task-Retry-Of"
/* With a result: it is too large for a message, and lies there (bucket/name); so many bytes. */
#define H_RESULT_OBJECT "Result-Object"
#define H_RESULT_BYTES "Result-Bytes"
#define H_CONTENT_TYPE "Content-Type"
#define H_MSG_ID "Nats-Msg-Id"

#define TASK_ATTEMPTS_DEFAULT 4u              /* the first and three retries */
#define TASK_RESULT_NEVER INT64_MAX           /* its result does not expire */
#define TASK_TIMEOUT_DEFAULT_NS (300 * NS_PER_S)

/* Strings point into the message that was read, or are NULL. Numbers are 0 where absent. */
struct task {
	const char *id;
	const char *requires;
	const char *content_type;
	const char *project;
	const char *reply_to;
	const char *object;
	const char *msg_id;
	const char *avoid; /* nodes; NULL: none */
	const char *unique;
	const char *retry_of;
	const char *node, *same_node_as, *not_nodes; /* checked; placement.h reads them */
	enum balance balance;
	enum task_class priority;  /* CLASS_NORMAL where absent */
	int64_t timeout_ns;
	int64_t delay_ns;
	int64_t at_wall_ns;
	int64_t wait_ns;
	int64_t expires_wall_ns; /* 0 also while it is a duration and the submission's time is not known */
	int64_t expires_after_ns; /* of the submission; 0: a moment was told */
	int64_t submitted_wall_ns;
	int64_t due_wall_ns;
	int64_t unique_for_ns;
	int64_t result_keep_ns;    /* 0: not said; TASK_RESULT_NEVER */
	uint64_t sequence;
	unsigned attempts;         /* the most there may be; 0: the default */
	unsigned attempt;          /* 1 for the first */
	uint32_t epoch;
};

/*
 * Reads every header above from m. ERR_INVALID names the header and the value
 * at fault. Ids are checked, requires is not split (lane_make does that).
 */
MUST_CHECK int task_read(const struct bus_msg *m, struct task *ret, struct err *e);
/* The same from headers that are no message's (a spec's, a test's); what is read points into them. */
MUST_CHECK int task_read_headers(const struct bus_header *headers, size_t n, struct task *ret, struct err *e);

/* "high" "normal" "low" in any case, or 0–9 with 9 the highest (7–9 high, 3–6 normal, 0–2 low). */
MUST_CHECK int task_priority_parse(const char *text, enum task_class *ret, struct err *e);

/* Whether name is a header that only the router may set (Task-Attempt …, Outcome*, Nats-*). */
bool task_header_reserved(const char *name);

/* The execution's fencing number: the router's epoch << 32 + the delivery's consumer sequence. */
uint64_t task_execution_epoch(uint32_t router_epoch, uint64_t consumer_seq);
