/*
 * The private PostgreSQL: its cluster in DIR/pg, reached on loopback with a
 * password of its own. It refuses to run as root, so root becomes user
 * `postgres` for it, and keeps only the right to pass through directories
 * that are not readable for others (a checkout below /root).
 */
#pragma once

#include <sys/types.h>

#include "cli/dev_ports.h"
#include "common/err.h"

struct postgres {
	char *bin;      /* "/usr/lib/postgresql/15/bin" */
	char *data;     /* DIR/pg */
	char *password;
	char **become;  /* the words before a command that change the user; empty for an ordinary one */
	unsigned owner_uid, owner_gid; /* of the cluster's files */
};

/* Finds the programs (of the version that made the cluster, where there is one). Release with postgres_release. */
MUST_CHECK int postgres_find(const char *dir, struct postgres *ret, struct err *e);
void postgres_release(struct postgres *p);

/* Makes the cluster and the database `agentsys` where they are not there; a half-made one is made anew. */
MUST_CHECK int postgres_init(struct postgres *p, const char *dir, struct err *e);

/* Owned argv of the server. */
char **postgres_argv(const struct postgres *p, const struct dev_ports *ports);
/* "postgres://millrace:…@127.0.0.1:PORT/agentsys?sslmode=disable"; returns owned. */
char *postgres_url(const struct postgres *p, const struct dev_ports *ports);
/* Whether the server of that pid says it takes connections. */
bool postgres_ready(const struct postgres *p, pid_t pid);
