/*
 * What every command of `millrace` stands on: parsed flags, a connection that
 * is opened when a command first needs it, requests that wait for their
 * answer by running the loop, and one way to print (print.h: tables on a
 * terminal, tabs in a pipe, JSON lines with --json).
 *
 * Data goes to stdout, words to stderr. A command returns its exit code;
 * nobody else ends the process.
 */
#pragma once

#include <jansson.h>
#include <uv.h>

#include "common/bus.h"
#include "common/clock.h"
#include "common/codec.h"
#include "common/config.h"
#include "common/jetstream.h"
#include "common/pg.h"

enum cli_exit {
	EXIT_OK = 0,
	EXIT_FAILED = 1,
	EXIT_USAGE = 2,
	EXIT_NOT_FOUND = 3,
	EXIT_TASK_FAILED = 4,
	EXIT_UNREACHABLE = 5,
	EXIT_TIMED_OUT = 124,
	EXIT_INTERRUPTED = 130,
};

struct cli;

/* A flag of a command: --name; given twice, all of its values are kept. */
struct cli_flag {
	const char *name;  /* "data"; NULL ends a list */
	char short_flag;   /* 'H' for -H, or 0 */
	const char *value; /* what help calls the value ("D"); NULL: a switch; "[=D]": only as --name=D,
						  may be bare */
	const char *help;
};

/*
 * A command by its words ("task list"; "dev" beside "dev status": the longest that fits is taken).
 * Each file exports a list ended by a NULL name, and main.c lists those lists.
 */
struct cli_command {
	const char *name;
	const char *usage; /* what follows the name: "TYPE [flags]" */
	const char *help;  /* one line for the overview */
	const char *text;  /* more for `millrace help CMD`: examples; or NULL */
	const struct cli_flag
		*flags; /* its own, or NULL; a name that is global too is the command's after its name */
	unsigned min_args, max_args; /* of positional arguments; CLI_ANY_ARGS: no limit */
	/* argv holds the positional arguments alone (argv[0] is the first one). */
	int (*run)(struct cli *c, int argc, char **argv);
};
#define CLI_ANY_ARGS 0xffffu

extern const struct cli_command commands_dev[];    /* dev.c */
extern const struct cli_command commands_setup[];  /* setup.c */
extern const struct cli_command commands_submit[]; /* submit.c */
extern const struct cli_command commands_task[];   /* task.c */
extern const struct cli_command commands_lane[];   /* lane.c */
extern const struct cli_command commands_lane_control[]; /* lane_control.c */
extern const struct cli_command commands_node[];   /* node.c */
extern const struct cli_command commands_pool[];   /* pool.c */
extern const struct cli_command commands_schedule[]; /* schedule.c */
extern const struct cli_command commands_dead[];   /* dead.c */
extern const struct cli_command commands_doctor[]; /* doctor.c */
extern const struct cli_command commands_decode[]; /* decode.c */
extern const struct cli_command commands_bench[];  /* bench.c */
extern const struct cli_command commands_bench_users[]; /* bench_users.c */
extern const struct cli_command commands_bench_load[]; /* bench_load.c */
extern const struct cli_command commands_audit[];  /* audit.c */
extern const struct cli_command commands_state[];  /* state.c */
extern const struct cli_command commands_performance[]; /* performance.c */
extern const struct cli_command commands_heal[];   /* heal.c */
extern const struct cli_command commands_scaler[]; /* scaler.c */
extern const struct cli_command commands_top[];    /* top.c */


/* Global flags, environment and file; filled by common/config. */
struct cli_config {
	struct bus_config nats;
	struct pg_config database; /* --database-url, DATABASE_URL */
	char *http;                /* of a gateway; NULL or "": none is known */
	char *log_level;
	bool json;
	bool no_color;
	int64_t limit;      /* rows of a list; 0: not given */
	int64_t timeout_ns; /* of one request to the system; 0: not given (cli_timeout_ms) */
};

struct cli_flag_value {
	const struct cli_flag *flag;
	const char *value; /* NULL: given bare */
};

struct cli {
	uv_loop_t loop;  /* initialised; closed by main */
	struct bus *bus; /* NULL until cli_connect */
	struct cli_config config;
	const struct cli_command *command;
	struct cli_flag_value *flags;
	size_t nflags;
	bool terminal; /* stdout is a terminal */
	bool color;
	bool interrupted; /* SIGINT or SIGTERM came; a second one ends the process */
	void (*on_abrupt_end)(void); /* NULL, or what that second one must not leave out */
	/* private to connect.c: */
	struct err down;            /* why the broker is away */
	bool settled, was_up, lost; /* settled: up, or refused for good */
	uv_signal_t intr, term;
	uv_timer_t timer;
	bool signals_on;
	struct api_wait *abandoned; /* of call.c: steps that ended before their answer */
};

/* ---- flags of the command ---- */

bool cli_has(const struct cli *c, const char *flag);
/* The last value; NULL where absent or bare. */
const char *cli_value(const struct cli *c, const char *flag);
/* The nth value (from 0) of a flag that may be repeated; NULL after the last. */
const char *cli_value_nth(const struct cli *c, const char *flag, size_t nth);
/* Untouched where absent or bare; ERR_INVALID names the flag and says what would be right. */
MUST_CHECK int cli_duration(const struct cli *c, const char *flag, int64_t *io_ns, struct err *e);
MUST_CHECK int cli_number(const struct cli *c, const char *flag, int64_t min, int64_t max,
						  int64_t *io_n, struct err *e);

/* ---- ending ---- */

/* Prints "millrace: <sentence>" on stderr; returns the exit code that fits e->code. */
int cli_fail(const struct cli *c, const struct err *e);
int cli_exit_code(int err_code);
/* Prints the sentence and where to find the usage; EXIT_USAGE. */
int cli_usage(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);
/* A line of words on stderr. */
void cli_say(const struct cli *c, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* ---- the connection ---- */

/* How long one request may take: --timeout, else 5 s. */
int64_t cli_timeout_ms(const struct cli *c);

/*
 * Runs the loop until the broker is there, at most --timeout, else 2 s. ERR_UNREACHABLE names the
 * address and what to do about it. Does nothing where it is up already.
 */
MUST_CHECK int cli_connect(struct cli *c, struct err *e);

/* From now on Ctrl-C ends a wait with ERR_CLOSED instead of the process; cli_wait does it by
 * itself. */
void cli_catch_signals(struct cli *c);

/*
 * Runs the loop until *done, at most timeout_ms (negative: for ever). 0; ERR_TIMEOUT; ERR_CLOSED
 * after Ctrl-C. Installs the signal handlers on first use, so Ctrl-C before it ends the process as
 * usual.
 */
MUST_CHECK int cli_wait(struct cli *c, const bool *done, int64_t timeout_ms, struct err *e);

/*
 * Connects where needed, sends request (borrowed; NULL: an empty body) and waits for the JSON
 * answer (returns owned). An error the service tells has its sentence (404 is ERR_NOT_FOUND, 400
 * ERR_INVALID, …); where nobody serves the subject, ERR_UNREACHABLE names the component that would.
 */
MUST_CHECK int cli_call(struct cli *c, const char *subject, const json_t *request, json_t **ret,
						struct err *e);
/* The same with a record as the request. */
MUST_CHECK int cli_call_record(struct cli *c, const char *subject, const ProtobufCMessage *request,
							   json_t **ret, struct err *e);

/* $JS.API.<verb>, waiting. ret_server_code: the server's err_code, 0 where it gave none; may be
 * NULL. Returns owned. */
MUST_CHECK int cli_js_api(struct cli *c, const char *verb, const json_t *body, json_t **ret,
						  int *ret_server_code, struct err *e);
/* Publishes and waits for the PubAck. ret_seq may be NULL. */
MUST_CHECK int cli_publish(struct cli *c, const struct bus_out *out, uint64_t *ret_seq,
						   bool *ret_duplicate, struct err *e);

/* ---- printing ---- */

enum cli_cell {
	CELL_TEXT,   /* strings as they are, numbers in full, arrays joined by commas, objects as k=v */
	CELL_LONG,   /* the same, cut at 60 characters in a table on a terminal */
	CELL_NUMBER, /* right-aligned */
	CELL_BYTES,  /* 1.2 MiB on a terminal, plain bytes in a pipe */
	CELL_DURATION_MS, /* 12.3ms, 4.5s on a terminal */
	CELL_AGE,         /* RFC 3339 in the record, "12s ago" on a terminal */
	CELL_STATE,       /* coloured */
};
struct cli_column {
	const char *title; /* "SUBMITTED" */
	const char *key;   /* of the JSON object */
	enum cli_cell cell;
};

/* rows: an array of objects. With --json each object is a line, whole. Prints nothing but the head
 * for an empty table. */
void cli_print_rows(const struct cli *c, const struct cli_column *columns, size_t n,
					const json_t *rows);
/* The same for a list that came whole: 50 rows (all with --json) unless --limit; says when there
 * are more. */
void cli_print_limited(const struct cli *c, const struct cli_column *columns, size_t n,
					   json_t *rows);
/* One object: "title  value" lines, absent values left out; with --json the object on one line. */
void cli_print_record(const struct cli *c, const struct cli_column *columns, size_t n,
					  const json_t *object);
/* One JSON value and a newline, flushed. */
void cli_print_json(const json_t *j);
/* Whether stdout has gone (a closed pipe): streams end then. */
bool cli_output_closed(void);

/* ---- ids ---- */

