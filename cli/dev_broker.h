/*
 * The private broker: which nats-server, and how it is started. A current
 * one is preferred ($DIR/bin, then PATH); the distribution's old one serves
 * development, with a warning.
 */
#pragma once

#include "cli/dev_ports.h"
#include "common/err.h"

struct broker_version {
	int major, minor, patch;
};
/* From what `nats-server --version` prints ("nats-server: v2.12.1-beta"). false: it is none. */
bool broker_version_parse(const char *text, struct broker_version *ret);
/* 2.10 is the first that Millrace calls current. */
bool broker_version_current(struct broker_version v);

struct broker {
	char *program;
	struct broker_version version;
};
/*
 * Order: MILLRACE_DEV_NATS_SERVER, DIR/bin/nats-server, .run/bin/nats-server, the first current one on PATH, any other.
 * ERR_NOT_FOUND says how to get one. Release with broker_release.
 */
MUST_CHECK int broker_find(const char *dir, struct broker *ret, struct err *e);
void broker_release(struct broker *b);

/* Writes DIR/nats/server.conf and returns the argv (owned, NULL-terminated; argv_free). */
MUST_CHECK int broker_prepare(const struct broker *b, const char *dir, const struct dev_ports *ports,
                              char ***ret_argv, struct err *e);
/* Whether a NATS server greets on that port; waits at most 100 ms. */
bool broker_answers(int port);

/* "a", "b", NULL → owned copies; for CLEANUP too. */
char **argv_make(const char *first, ...) __attribute__((sentinel));
void argv_add(char ***argv, const char *word);
void argv_free(char ***argv);
