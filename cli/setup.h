/*
 * `millrace setup`, in its parts: the walk over all declarations (setup.c),
 * one stream or consumer (setup_item.c), the database (setup_database.c).
 */
#pragma once

#include "cli/cli.h"

struct setup {
	struct cli *cli;
	bool dry_run;
	int64_t replicas; /* told by --replicas; 0: keep what a stream has, TASKS' for a new one */
	int64_t tasks_replicas; /* what TASKS has; 0: it does not exist yet */
	unsigned server;  /* how new the broker is: 2.<server> */
	json_t *rows;     /* a list of what was found and done */
	unsigned created, updated, unchanged;
	unsigned differs; /* items that are not as declared, and why no update helps */
	unsigned ignored; /* fields that the server does not know */
};

/* The whole command; the exit code. */
int cmd_setup(struct cli *cli, int argc, char **argv);

/*
 * Makes the stream as declared (declared: its config, borrowed) and adds its row. Whatever the server refuses is a
 * row too; an error is only what makes going on pointless (the broker is away). keep: names of fields, ended by NULL,
 * that stay as they are on an existing stream; or NULL.
 */
MUST_CHECK int setup_stream(struct setup *s, const char *kind, const json_t *declared, const char *const *keep,
                            struct err *e);
MUST_CHECK int setup_consumer(struct setup *s, const char *stream, const json_t *declared, struct err *e);

/* Walks over all declarations of the broker: a row for each (with dry_run only what would be done). */
MUST_CHECK int setup_broker(struct setup *s, struct err *e);

/*
 * Runs `millrace-store --migrate`, the program beside this one, and passes its words on. Adds a row.
 */
MUST_CHECK int setup_database(struct setup *s, struct err *e);

/* Adds a row {"kind","name","result"}; borrowed, for more keys. */
json_t *setup_row(struct setup *s, const char *kind, const char *name, const char *result);
