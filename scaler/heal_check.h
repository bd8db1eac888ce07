/*
 * Health as figures: what was seen → which checks are ill, and what each asks
 * for. Pure: no clock, no bus, no memory of its own.
 */
#pragma once

#include "common/token.h"

enum heal_kind {
	HEAL_CPU,
	HEAL_MEMORY,
	HEAL_DISK,
	HEAL_HEARTBEAT, /* a node that says nothing */
	HEAL_BROKER,
	HEAL_DATABASE,
	HEAL_NODE,   /* its tasks fail, or it is started again and again */
	HEAL_AGENT,  /* agents of a node that crash */
	HEAL_ERRORS, /* of all tasks */
	HEAL_KINDS
};
enum heal_level { HEAL_OK, HEAL_WARNING, HEAL_CRITICAL };
enum heal_action {
	HEAL_NONE,
	HEAL_ALERT,
	HEAL_CLEAR_CACHES,
	HEAL_CLEAN_TEMP,
	HEAL_RESTART_BROKER,
	HEAL_RESTART_DATABASE,
	HEAL_RESTART_NODE,
	HEAL_REMOVE_STALE,
	HEAL_QUARANTINE,
	HEAL_ACTIONS
};
#define HEAL_BIT(x) (1u << (x))
#define HEAL_ALL_KINDS (HEAL_BIT(HEAL_KINDS) - 1)

/* "cpu", "critical", "clean_temp": as they stand in records and config. */
const char *heal_kind_name(enum heal_kind k);
const char *heal_level_name(enum heal_level l);
const char *heal_action_name(enum heal_action a);
/* HEAL_KINDS, HEAL_ACTIONS: no such. */
enum heal_kind heal_kind_of(const char *name);
enum heal_action heal_action_of(const char *name);

/* Percents, seconds. */
struct heal_limits {
	double cpu, memory, disk;
	double heartbeat_s;
	double away_s;       /* broker or database silent for so long: it is restarted */
	double failure_rate; /* of all tasks that ended within the window */
	double unhealthy;    /* of one node's */
	uint64_t tasks;      /* so many must have ended, else a rate says nothing */
	unsigned restarts;   /* of a node within the window */
	unsigned can;        /* HEAL_BIT of actions that there are means for: a command, a driver */
};

struct heal_host {
	char name[128];
	double cpu, memory;  /* percent; negative: not known */
	double disk;         /* the fullest of those looked at */
	char disk_path[256]; /* "": of a node's directory */
	bool local;          /* we run there: what can be cleaned, we can clean */
};

struct heal_node {
	char name[TOKEN_MAX + 1], pool[TOKEN_MAX + 1];
	char host[128];
	bool ready;  /* takes tasks */
	uint64_t types;       /* what it serves, as one number: equal for nodes of one kind */
	bool scaled; /* a scaler started it */
	double heartbeat_age_s;
	uint64_t done, failed; /* within the window, of tasks that ended: failed is among done */
	unsigned restarts;     /* the same */
	unsigned agents, agents_backoff;
};

struct heal_service {
	bool known; /* whether anybody could be asked */
	bool answers;
	double silent_s;
};

struct heal_view {
	const struct heal_host *hosts;
	size_t nhosts;
	const struct heal_node *nodes;
	size_t nnodes;
	struct heal_service broker, database;
};

struct heal_finding {
	enum heal_kind kind;
	enum heal_level level;
	char host[128];
	char subject[256]; /* which directory, node, component; "": the host */
	double value, limit;
	unsigned actions; /* HEAL_BIT of what it asks for */
	char reason[256]; /* a sentence */
};

/*
 * The checks of the kinds asked for (HEAL_BIT), into ret: broker, database and hosts always, nodes only where ill.
 * Over max the rest is not told: the order is broker, database, errors, hosts, nodes. Returns how many.
 */
size_t heal_check(const struct heal_view *v, const struct heal_limits *l, unsigned kinds,
				  struct heal_finding *ret, size_t max);
