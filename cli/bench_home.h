/*
 * The system that a bench measures: a private one, started for it and
 * removed afterwards, or one that runs (--dir of a `millrace dev`, --url).
 */
#pragma once

#include "cli/cli.h"
#include "common/pg.h"

struct bench_home {
	struct cli *cli;
	char *dir;        /* NULL with --url */
	pid_t supervisor; /* 0: not ours */
	bool made_dir;    /* dir is ours too, and goes with it */
	json_t *record;   /* of `millrace dev`; NULL with --url */
	struct pg *pg;    /* connected, or NULL where no database is known */
	bool gateway;     /* set before it is opened: with HTTP */
	size_t lanes;     /* set before it is opened: the nodes have types lane0, lane1, …, as echo */
};

/* ret: zero but for gateway and lanes; with lanes it has to be a system that is started. Reads --dir, --url, --nodes, --slots; starts what is to be started and connects c->bus. Says so on stderr. */
MUST_CHECK int bench_home_open(struct cli *c, struct bench_home *ret, struct err *e);
/* Ends what was started; a directory that was there before stays, with its data. */
void bench_home_close(struct bench_home *h);

/* The pids of now (a component may have been started again). Borrowed; NULL with --url. */
const json_t *bench_home_components(struct bench_home *h);

/* One statement, waiting; on_rows sees the result before it returns. */
MUST_CHECK int bench_sql(struct bench_home *h, const char *sql, const struct pg_param *params, size_t n,
                         void (*on_rows)(void *data, struct pg_rows rows), void *data, struct err *e);

/* Median of 200 writes of 4 KiB with fdatasync in dir, µs; NaN where it cannot be measured. */
double bench_fsync_us(const char *dir);

/* The flags that it reads, for a command's list. */
#define BENCH_HOME_FLAGS                                                                  \
	{.name = "dir",                                                                       \
	 .value = "D",                                                                        \
	 .help = "measure the millrace dev that runs in D, else start one there for the run " \
			 "(default: one of its own, removed afterwards)"},                            \
		{.name = "url",                                                                   \
		 .value = "URL",                                                                  \
		 .help = "measure the system behind this broker (and DATABASE_URL)"},             \
		{.name = "nodes",                                                                 \
		 .value = "N",                                                                    \
		 .help = "nodes of the system that is started (default 2)"},                      \
	{                                                                                     \
		.name = "slots", .value = "N",                                                    \
		.help = "tasks that each of them runs at once (default 512)"                      \
	}
