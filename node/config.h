/* What a node is told: its keys, its name, and the lists in them, checked. */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/daemon.h"
#include "common/token.h"

#define NODE_CAPABILITIES_MAX 32
#define NODE_LABELS_MAX 32
#define NODE_AGENTS_MAX 100      /* of agents.max: they must fit into a status */
#define NODE_AGENTS_TOLD_MAX 120 /* with some that are ending */

struct node_label {
	const char *name, *value;
};

struct node_config {
	/* As read from the table: */
	struct bus_config nats;
	struct daemon_config daemon;
	char *capabilities_text;
	char *handlers_path;
	char *pool;
	char *labels_text;
	char *model;
	int64_t slots;
	int64_t weight;
	int64_t memory_bytes;
	char *object_dir;
	int64_t object_bytes, object_disk_bytes;
	int64_t agents_max, orphan_after_ns;
	bool bridge, scaled;
	/* Made of them by node_config_finish: */
	char name[TOKEN_MAX + 1];
	const char
		*capabilities[NODE_CAPABILITIES_MAX]; /* sorted, distinct; point into capabilities_text */
	size_t ncapabilities;
	struct node_label labels[NODE_LABELS_MAX]; /* point into labels_text */
	size_t nlabels;
	const struct doc *handlers; /* the list, or NULL for all built-ins */
	struct doc *handlers_file;
	struct doc none;
};

extern const struct config_program node_program;

/*
 * Checks and splits what the table can't: NAME (from the host and the process id where absent),
 * capabilities (a model is one more: "model_<model>"), labels, pool, and reads the handlers' list
 * from --handlers or from the file's section. c must not move afterwards. ERR_INVALID says which
 * word is wrong and why.
 */
MUST_CHECK int node_config_finish(struct node_config *c, const struct config_extra *extra,
								  struct err *e);
void node_config_release(struct node_config *c, struct config_extra *extra);

/* A name out of any host name: what doesn't fit a token becomes a hyphen. Pure. */
void node_name_default(const char *host, long pid, char out[TOKEN_MAX + 1]);
