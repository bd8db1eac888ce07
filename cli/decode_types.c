/*
 * Two tables: the records, and the subjects that carry one. They stand alone
 * so that `decode` says "no such record" with the list of those that there
 * are, and a new record is one line here.
 */
#include "cli/decode_types.h"

#include <strings.h>

#include "proto/api.pb-c.h"
#include "proto/event.pb-c.h"
#include "proto/task.pb-c.h"

static const ProtobufCMessageDescriptor *const records[] = {
	&millrace__task_spec__descriptor,	  &millrace__queued_batch__descriptor,	&millrace__queued__descriptor,
	&millrace__started_batch__descriptor, &millrace__started__descriptor,		&millrace__outcome_batch__descriptor,
	&millrace__outcome__descriptor,		  &millrace__node_status__descriptor,	&millrace__stored_batch__descriptor,
	&millrace__stored__descriptor,		  &millrace__task__descriptor,			&millrace__attempt__descriptor,
	&millrace__task_get__descriptor,	  &millrace__task_list__descriptor,		&millrace__task_page__descriptor,
	&millrace__stats_get__descriptor,	  &millrace__type_stats__descriptor,	&millrace__stats__descriptor,
	&millrace__lane_get__descriptor,	  &millrace__lane__descriptor,			&millrace__lane_page__descriptor,
	&millrace__node_get__descriptor,	  &millrace__node__descriptor,			&millrace__node_page__descriptor,
};

static const struct {
	const char *subject; /* ending in '.': a prefix */
	const ProtobufCMessageDescriptor *record;
} subjects[] = {
	{"tasks", &millrace__task_spec__descriptor},
	{"events.queued", &millrace__queued_batch__descriptor},
	{"events.started", &millrace__started_batch__descriptor},
	{"events.done", &millrace__outcome_batch__descriptor},
	{"events.node", &millrace__node_status__descriptor},
	{"$KV.nodes.", &millrace__node_status__descriptor},
	{"stored", &millrace__stored_batch__descriptor},
	{"api.task.get", &millrace__task_get__descriptor},
	{"api.task.list", &millrace__task_list__descriptor},
	{"api.task.stats", &millrace__stats_get__descriptor},
	{"api.lane.get", &millrace__lane_get__descriptor},
	{"api.node.get", &millrace__node_get__descriptor},
};

const ProtobufCMessageDescriptor *record_by_name(const char *name)
{
	if (strncasecmp(name, "millrace.", 9) == 0)
		name += 9;
	for (size_t i = 0; i < ARRAY_LEN(records); i++) {
		if (strcasecmp(records[i]->short_name, name) == 0)
			return records[i];
	}
	return NULL;
}

const ProtobufCMessageDescriptor *record_by_subject(const char *subject)
{
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
		const char *s = subjects[i].subject;
		size_t len = strlen(s);

		if (s[len - 1] == '.' ? strncmp(subject, s, len) == 0 : str_eq(subject, s))
			return subjects[i].record;
	}
	return NULL;
}

void record_names(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(records); i++)
		buf_printf(out, "%s%s", i > 0 ? " " : "", records[i]->short_name);
}
