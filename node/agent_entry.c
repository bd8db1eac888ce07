/*
 * Entries of the bucket `agents`, which anybody may have put there by hand:
 * read apart from what follows, so that a table of garbage can be held against
 * it. What another node hosts is not judged: that is for the other node.
 */
#include "node/agent_entry.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/codec.h"
#include "proto/scale.pb-c.h"

/* It goes into an environment, and is compared with a header. */
static int check_project(const char *s, struct err *e)
{
	size_t len = strlen(s);

	for (size_t i = 0; i < len; i++) {
		if ((unsigned char)s[i] < 0x20 || s[i] == 0x7f)
			return err_set(e, ERR_INVALID, "project_id has a control character");
	}
	return len <= AGENT_PROJECT_MAX
			   ? 0
			   : err_set(e, ERR_INVALID, "project_id has %zu bytes, %d is the most", len,
						 AGENT_PROJECT_MAX);
}

static int check_interval(int64_t ms, struct err *e)
{
	if (!ms || (ms >= AGENT_HEARTBEAT_MIN_MS && ms <= AGENT_HEARTBEAT_MAX_MS))
		return 0;
	return err_set(e, ERR_INVALID, "heartbeat_interval_ms is %" PRId64 ", not from %d to %d", ms,
				   AGENT_HEARTBEAT_MIN_MS, AGENT_HEARTBEAT_MAX_MS);
}

static int take(const Millrace__Agent *a, struct agent_entry *ret, struct err *e)
{
	const char *id = a->agent_id ? a->agent_id : "", *project = a->project_id ? a->project_id : "";

	if (*id && !str_eq(id, ret->id))
		return err_set(e, ERR_INVALID, "agent_id is \"%.130s\", not the key", id);
	if (token_check("role_type", a->role_type ? a->role_type : "", e) ||
		check_project(project, e) || check_interval(a->heartbeat_interval_ms, e))
		return e->code;
	snprintf(ret->role, sizeof(ret->role), "%s", a->role_type);
	snprintf(ret->project, sizeof(ret->project), "%s", project);
	ret->heartbeat_ms =
		a->heartbeat_interval_ms ? a->heartbeat_interval_ms : AGENT_HEARTBEAT_DEFAULT_MS;
	ret->here = true;
	return 0;
}

int agent_entry_read(const char *key, const void *value, size_t len, const char *node,
					 struct agent_entry *ret, struct err *e)
{
	ProtobufCMessage *m = NULL;
	struct agent_entry entry = {0};
	struct err why = {0};

	if (task_id_check(key, &why) ||
		codec_from_json_text(&millrace__agent__descriptor, value, len, CODEC_LENIENT, &m, &why))
		return err_set(e, ERR_INVALID, "%s", why.text);
	const Millrace__Agent *a = (const Millrace__Agent *)(const void *)m;
	int rc = 0;
	snprintf(entry.id, sizeof(entry.id), "%s", key);
	if (a->node && str_eq(a->node, node))
		rc = take(a, &entry, &why);
	codec_free(m);
	if (rc)
		return err_set(e, ERR_INVALID, "%s", why.text);
	*ret = entry;
	return 0;
}
