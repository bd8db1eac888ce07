/* What a scaler is told: its keys, and its pools. */
#pragma once

#include "common/bus.h"
#include "common/config.h"
#include "common/daemon.h"
#include "common/token.h"
#include "scaler/heal_config.h"
#include "scaler/policy.h"

#define POOLS_MAX 256

enum driver_kind {
	DRIVER_PROCESS, /* nodes are our children on this machine */
	DRIVER_EXEC,    /* commands start them, wherever */
	DRIVER_ADVISE,  /* somebody else does: the target is told, nothing is started */
};
const char *driver_name(enum driver_kind k);

/* A pool as the file says it: nodes of one kind. */
struct pool_config {
	char name[TOKEN_MAX + 1];
	unsigned line;
	char *driver_text;
	enum driver_kind driver;
	int64_t min, max, step, slots, agents, full_percent;
	int64_t promise_ns, up_cooldown_ns, down_cooldown_ns, idle_ns, start_ns;
	char *capabilities_text, *handlers_path, *types_text;
	char **command; /* of a node, in place of millrace-node; NULL: that */
	char **start, **stop; /* DRIVER_EXEC */
	char **env;
	/* Made of them: */
	char **types;        /* that its nodes serve; NULL: the built-in ones */
	char **capabilities; /* NULL: none */
	struct policy_rule rule;
};

struct scaler_config {
	struct bus_config nats;
	struct daemon_config daemon;
	char *name;
	char *dir;
	int64_t tick_ns, lease_ns, orphan_ns;
	int64_t nodes_max;
	bool keep_nodes, tied;
	struct heal_config heal;
	/* From the section `pools:`; without one a pool `default` of built-in handlers. */
	struct pool_config *pools;
	size_t npools;
};

extern const struct config_program scaler_program;

/* Checks what the table can't, makes name and dir, reads the pools. ERR_INVALID names file and line. */
MUST_CHECK int scaler_config_finish(struct scaler_config *c, const struct config_extra *extra,
									struct err *e);
void scaler_config_release(struct scaler_config *c, struct config_extra *extra);

/* pool_file.c */
MUST_CHECK int pool_file_read(const struct doc *list, const char *path, struct pool_config **ret,
							  size_t *ret_n, struct err *e);
void pool_file_free(struct pool_config *pools, size_t n);
/* Whether its nodes, as configured, serve the lane. */
bool pool_config_serves(const struct pool_config *p, const struct lane *lane);
