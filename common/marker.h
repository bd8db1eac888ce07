/*
 * What an entry of the bucket `cancels` says. Pure: key and value in, a
 * marker out. Three kinds, told by the key:
 *
 *	task.<id>    that task is to be cancelled
 *	group.<name> every task of a type, lane or project that was submitted before the marker
 *	move.<id>    that task is to run on another node
 *
 * The value is a small JSON object, readable with `nats kv watch cancels`.
 */
#pragma once

#include "common/buf.h"
#include "common/token.h"

#define MARKERS_BUCKET "cancels"
#define MARKER_KEY_MAX (TASK_ID_MAX + 8)

enum marker_kind { MARKER_TASK, MARKER_GROUP, MARKER_MOVE };

struct marker {
	enum marker_kind kind;
	char id[TASK_ID_MAX + 1]; /* the task's, or the group's name */
	int64_t stored_wall_ns;   /* by the broker's clock */
	/* MARKER_TASK: no such task was stored, so only what was submitted before it is meant. */
	bool early;
	/* MARKER_GROUP: all that are set must fit. */
	char type[TOKEN_MAX + 1];
	char lane[LANE_MAX + 1];
	char project[256];
	int64_t until_wall_ns; /* the last of them comes due then; 0: none is scheduled */
	/* MARKER_MOVE: one of both. */
	char node[TOKEN_MAX + 1];
	char not_node[TOKEN_MAX + 1];
	uint32_t epoch; /* executions up to this router's epoch are to end there */
};

/* ERR_INVALID for what no component of ours wrote. stored_wall_ns is the entry's. */
MUST_CHECK int marker_parse(const char *key, const void *value, size_t len, int64_t stored_wall_ns,
							struct marker *ret, struct err *e);
void marker_key(const struct marker *m, char out[MARKER_KEY_MAX + 1]);
/* by: who asked, or "". Appends the value. */
void marker_value(const struct marker *m, const char *by, struct buf *out);

/* What has to be known of a task. project may be NULL. */
struct marked_task {
	const char *id, *type, *lane, *project;
	int64_t submitted_wall_ns;
};
/* Whether a MARKER_TASK or MARKER_GROUP means it. */
bool marker_cancels(const struct marker *m, const struct marked_task *t);
/* Whether a MARKER_MOVE keeps it from this node. */
bool marker_excludes(const struct marker *m, const char *node);
