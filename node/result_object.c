/*
 * Large results. The object's name is made of the execution, so that two of
 * one task never write over each other: payloads/result/<task>/<epoch>.
 *
 * Well: put, its bytes are freed, the outcome is reported with the name. Badly:
 * the broker is away or mute: put again every few seconds, while +WPI (once
 * it is back) keeps the task ours and the bytes count among the node's
 * payloads. The bucket is full or missing for good: a failure that says so;
 * the task is tried again later, when there may be room. An object whose
 * outcome is never stored (this node died between the two) is removed with
 * the old ones by the store.
 */
#include "node/result_object.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/log.h"
#include "common/object.h"
#include "node/report.h"

#define CHUNK_DEADLINE_MS 20000
#define AGAIN_MS 3000

static void put(struct run *r);

bool result_object_wanted(const struct run *r)
{
	size_t max = bus_max_payload(r->node->bus);

	return r->len > (max > 2 * RESULT_ROOM_BYTES ? max - RESULT_ROOM_BYTES : max);
}

static void on_again(struct timeout *t)
{
	put(container_of(t, struct run, put_again));
}

static void put_failed(struct run *r, const struct err *e)
{
	char words[RUN_ERROR_MAX];

	if (e->code == ERR_TIMEOUT || e->code == ERR_UNREACHABLE) {
		log_warn("a large result can't be put into the object store; again in 3 s",
				 LOG_S("task", r->task.id), LOG_S("error", e->text));
		timeout_start(&r->put_again, AGAIN_MS, on_again);
		return;
	}
	snprintf(words, sizeof(words), "the result of %zu bytes can't be put into the object store: %s",
			 r->len, e->text);
	run_fail_instead(r, "error", words);
	r->permanent = e->code == ERR_TOO_LARGE || e->code == ERR_INVALID;
	report_failure(r->node->reporter, r);
}

static void on_put(void *data, const struct object_info *info, const struct err *e)
{
	struct run *r = data;

	if (e) {
		put_failed(r, e);
		return;
	}
	r->result_object = xasprintf("%s/%s", info->bucket, info->name);
	r->result_bytes = r->len;
	run_forget_result(r);
	report_success(r->node->reporter, r);
}

static void put(struct run *r)
{
	CLEANUP(free_ptr)
	char *name = xasprintf(OBJECT_OF_RESULT "%s/%" PRIu64, r->task.id, r->epoch);
	const struct object_source source = {.data = r->data, .fd = -1, .len_bytes = r->len};
	const char *type = r->content_type ? r->content_type
					   : r->borrowed   ? r->task.content_type
									   : NULL;
	struct err e;

	if (object_put(r->node->bus, OBJECT_BUCKET, name, type, &source, CHUNK_DEADLINE_MS, on_put, r,
				   &r->put, &e))
		put_failed(r, &e);
}

void result_object_put(struct run *r)
{
	timeout_init(&r->put_again, bus_timeouts(r->node->bus));
	put(r);
}

void result_object_cancel(struct run *r)
{
	object_put_cancel(&r->put);
	if (r->put_again.all)
		timeout_stop(&r->put_again);
}
