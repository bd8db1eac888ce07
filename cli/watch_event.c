/*
 * Reads the events that components tell each other. It stands alone because
 * it is pure: a message in, what happened out. A message that cannot be read
 * (from a newer version, or from a stranger) is passed over: a watcher only
 * looks.
 */
#include "cli/watch_event.h"

#include <strings.h>

#include "common/codec.h"
#include "common/task.h"
#include "proto/event.pb-c.h"

static const char *state_name(Millrace__State state)
{
	switch (state) {
	case MILLRACE__STATE__STATE_SCHEDULED:
		return "scheduled";
	case MILLRACE__STATE__STATE_QUEUED:
		return "queued";
	case MILLRACE__STATE__STATE_RUNNING:
		return "started";
	case MILLRACE__STATE__STATE_COMPLETED:
		return "completed";
	case MILLRACE__STATE__STATE_DEAD:
		return "dead";
	case MILLRACE__STATE__STATE_CANCELLED:
		return "cancelled";
	case MILLRACE__STATE__STATE_NONE:
	case _MILLRACE__STATE_IS_INT_SIZE:
		break;
	}
	return "unknown";
}

static void read_queued(ProtobufCMessage *record, on_watch_event tell, void *data)
{
	const Millrace__QueuedBatch *batch = (const Millrace__QueuedBatch *)record;

	for (size_t i = 0; i < batch->n_tasks; i++) {
		const Millrace__Queued *q = batch->tasks[i];
		struct watch_event ev = {.event = state_name(q->state),
								 .id = q->id,
								 .type = q->type,
								 .lane = q->lane,
								 .node = "",
								 .error = "",
								 .attempt = q->attempt,
								 .at_wall_ns = q->queued_at};

		tell(data, &ev);
	}
}

static void read_started(ProtobufCMessage *record, on_watch_event tell, void *data)
{
	const Millrace__StartedBatch *batch = (const Millrace__StartedBatch *)record;

	for (size_t i = 0; i < batch->n_tasks; i++) {
		const Millrace__Started *s = batch->tasks[i];
		struct watch_event ev = {.event = "started",
								 .id = s->id,
								 .type = s->type,
								 .lane = s->lane,
								 .node = s->node,
								 .error = "",
								 .attempt = s->attempt,
								 .at_wall_ns = s->started_at};

		tell(data, &ev);
	}
}

static void tell_outcome(const Millrace__Outcome *o, on_watch_event tell, void *data)
{
	struct watch_event ev = {.event = state_name(o->state),
							 .id = o->id,
							 .type = o->type,
							 .lane = o->lane,
							 .node = o->node,
							 .error = o->error,
							 .attempt = o->attempt,
							 .at_wall_ns = o->finished_at};

	if (o->started_at > 0 && o->finished_at > o->started_at)
		ev.duration_ns = o->finished_at - o->started_at;
	tell(data, &ev);
}

static void read_done(ProtobufCMessage *record, on_watch_event tell, void *data)
{
	const Millrace__OutcomeBatch *batch = (const Millrace__OutcomeBatch *)record;

	for (size_t i = 0; i < batch->n_outcomes; i++)
		tell_outcome(batch->outcomes[i], tell, data);
}

static void read_outcome(ProtobufCMessage *record, on_watch_event tell, void *data)
{
	tell_outcome((const Millrace__Outcome *)record, tell, data);
}

static const char *header(const struct watch_message *m, const char *name)
{
	for (size_t i = 0; i < m->nheaders; i++) {
		if (strcasecmp(m->headers[i].name, name) == 0)
			return m->headers[i].value;
	}
	return "";
}

static int64_t time_of(const struct watch_message *m, const char *name)
{
	int64_t at = 0;

	if (time_parse(header(m, name), &at, NULL))
		return 0;
	return at;
}

/* An attempt that ended, told by headers alone. */
static void read_act(const struct watch_message *m, on_watch_event tell, void *data)
{
	struct watch_event ev = {.event = header(m, H_OUTCOME),
							 .id = header(m, H_TASK_ID),
							 .type = header(m, H_TASK_TYPE),
							 .lane = header(m, H_OUTCOME_LANE),
							 .node = header(m, H_OUTCOME_NODE),
							 .error = header(m, H_OUTCOME_ERROR),
							 .attempt = (unsigned)strtoul(header(m, H_TASK_ATTEMPT), NULL, 10),
							 .at_wall_ns = time_of(m, H_OUTCOME_FINISHED)};
	int64_t started = time_of(m, H_OUTCOME_STARTED);
	struct lane lane;

	if (!ev.type[0] && lane_parse(ev.lane, &lane, NULL) == 0)
		ev.type = lane.type;
	if (started && ev.at_wall_ns > started)
		ev.duration_ns = ev.at_wall_ns - started;
	if (ev.id[0])
		tell(data, &ev);
}

/* JSON may be one outcome or a batch of them. */
static bool single_outcome(const struct watch_message *m)
{
	json_t *j;
	bool single;

	if (m->len == 0 || m->data[0] != '{')
		return false;
	j = json_loadb(m->data, m->len, JSON_ALLOW_NUL, NULL);
	single = j && !json_object_get(j, "outcomes");
	json_decref(j);
	return single;
}

void watch_events_read(const struct watch_message *m, on_watch_event tell, void *data)
{
	static const struct {
		const char *subject;
		const ProtobufCMessageDescriptor *record;
		void (*read)(ProtobufCMessage *record, on_watch_event tell, void *data);
	} kinds[] = {
		{"events.queued", &millrace__queued_batch__descriptor, read_queued},
		{"events.started", &millrace__started_batch__descriptor, read_started},
		{"events.done", &millrace__outcome_batch__descriptor, read_done},
	};
	const char *content_type = header(m, H_CONTENT_TYPE);

	if (str_eq(m->subject, "events.act")) {
		read_act(m, tell, data);
		return;
	}
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		bool single = kinds[i].read == read_done && single_outcome(m);
		ProtobufCMessage *record;

		if (!str_eq(m->subject, kinds[i].subject))
			continue;
		if (codec_decode(single ? &millrace__outcome__descriptor : kinds[i].record,
						 content_type[0] ? content_type : NULL, m->data, m->len, &record, NULL))
			return;
		(single ? read_outcome : kinds[i].read)(record, tell, data);
		codec_free(record);
		return;
	}
}
