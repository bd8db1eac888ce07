/*
 * api.dead.*: questions about dead letters and what is done with them. Any
 * router of the queue group answers; none keeps anything of it.
 */
#pragma once

#include "common/service.h"
#include "router/dead_fetch.h"
#include "router/dead_scan.h"

struct dead_desk;
struct dead_desk *dead_desk_new(struct router *r);
/* Ends what is under way, before the bus closes. */
void dead_desk_stop(struct dead_desk *d);
void dead_desk_free(struct dead_desk **d);

/* data is the router. */
void dead_on_list(void *data, struct service_request *req);
void dead_on_get(void *data, struct service_request *req);
void dead_on_groups(void *data, struct service_request *req);
void dead_on_replay(void *data, struct service_request *req);
void dead_on_discard(void *data, struct service_request *req);

/* ---- between the files of the desk ---- */

/* A request takes no longer: then it answers with a cursor. Below the 5 s that askers wait. */
#define DEAD_BUDGET_MS 3000

struct dead_job {
	struct dead_desk *desk;
	struct router *router;
	struct service_request *req;
	bool protobuf; /* the answer's form */
	struct letter_select select;
	int64_t began_mono_ms;
	struct dead_scan *scan;
	struct dead_call call;
	void (*located)(struct dead_job *j, uint64_t seq, const struct err *e);
	struct keep *kept;                   /* texts of the answer */
	void (*release)(struct dead_job *j); /* what the file adds; NULL-able */
	struct dead_job *prev, *next;
};

/*
 * Reads the request into a job of size bytes (the file's own struct, which begins with a
 * dead_job). NULL: it made no sense or too many are under way; that was answered.
 */
void *dead_job_open(struct router *r, struct service_request *req, size_t size,
					void (*release)(struct dead_job *j));
int64_t dead_job_left_ms(const struct dead_job *j);
/* Both end the job. */
void dead_job_reply(struct dead_job *j, const ProtobufCMessage *record);
void dead_job_fail(struct dead_job *j, const struct err *e);
/*
 * Finds the one letter that select.id or select.seq asks for; by select.seq without looking. Then
 * located runs, later: seq, or ERR_NOT_FOUND, or what else went wrong.
 */
void dead_job_locate(struct dead_job *j,
					 void (*located)(struct dead_job *j, uint64_t seq, const struct err *e));
