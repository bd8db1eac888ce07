/*
 * Configuration by one table per program. Each key has a dotted name
 * ("nats.url"), which is --nats-url on the command line, MILLRACE_NATS_URL
 * (and the alias of the table, NATS_URL) in the environment, and
 *	nats:
 *	  url: …
 * in the YAML file. Flags > environment > file > default. NAME_FILE in the
 * environment reads the value from that file. A key that the table does not
 * know is an error that names file and line (or the flag).
 *
 * Every program also takes --help, --version, --config FILE, --check-config
 * and --show-config (secrets redacted).
 */
#pragma once

#include "common/err.h"

enum config_type {
	CONFIG_STRING,   /* char *, owned by the config; NULL where unset */
	CONFIG_INT,      /* int64_t */
	CONFIG_SIZE,     /* int64_t bytes: "65536", "64k" = "64KiB", "1MiB" (1024s); "64kB" (1000s) */
	CONFIG_DURATION, /* int64_t ns */
	CONFIG_BOOL,     /* bool */
};

struct config_key {
	const char *name;
	enum config_type type;
	size_t offset;       /* in the program's config struct */
	const char *def;     /* as it would be written; NULL: unset */
	const char *help;
	const char *env;     /* an alias beside MILLRACE_<NAME>, or NULL */
	int64_t min, max;    /* for numbers; both 0: any that is not negative */
	bool secret;
	char short_flag;     /* 'n' for -n, or 0 */
};

/* A YAML file as a tree, for sections that are lists (a node's handlers). */
enum doc_kind { DOC_SCALAR, DOC_MAP, DOC_LIST };
struct doc {
	enum doc_kind kind;
	char *key;           /* in a map; else NULL */
	char *scalar;
	struct doc *child;   /* first of a map or list */
	struct doc *next;
	unsigned line;
};
/*
 * Returns owned; an empty file is an empty map. Limits: 1 MiB, depth 16, 10,000 values;
 * no anchors, no key twice. Errors begin with "<path>:<line>: ".
 */
MUST_CHECK int doc_read(const char *path, struct doc **ret, struct err *e);
/* The same of text in memory; name stands for the path. */
MUST_CHECK int doc_parse(const char *name, const void *text, size_t len, struct doc **ret,
                         struct err *e);
const struct doc *doc_get(const struct doc *map, const char *key); /* NULL: absent */
void doc_free(struct doc *d);

struct config_program {
	const char *name;               /* "millrace-router" */
	const char *summary;            /* one sentence for --help */
	const char *usage;              /* what follows the name: "NAME [options]" */
	const struct config_key *const *tables; /* NULL-terminated list of tables, each ended by a key without name */
	const char *sections;           /* comma-separated top-level file keys that the program reads by itself, or NULL */
	const char *epilog;             /* more for --help, or NULL */
};

/* What a run got beside the values. Release with config_release. */
struct config_extra {
	char **args;        /* positional arguments */
	size_t nargs;
	struct doc *file;   /* the file, or NULL */
	char *path;
	bool check_only;    /* --check-config: the caller verifies the rest, then exits 0 */
	/* --help, --version, --show-config were answered on stdout; the caller exits 0. */
	bool done;
};

/*
 * Fills *values (a zeroed struct) from defaults, file, environment and argv.
 * ERR_INVALID: e says which, where, and what would be right; values is all zero then.
 * An empty variable, or an empty value in the file, is as good as none.
 * A list of scalars in the file is the comma-separated string.
 * MILLRACE_CONFIG names the file where --config does not.
 */
MUST_CHECK int config_load(const struct config_program *p, int argc, char **argv, void *values,
                           struct config_extra *ret_extra, struct err *e);
/* Frees what config_load made and sets the values to zero; a second time does nothing. */
void config_release(const struct config_program *p, void *values, struct config_extra *extra);

/*
 * For sections that a program reads by itself: parses text as k says and stores it in values at k->offset
 * (a CONFIG_STRING is owned there, the one before freed). ERR_INVALID says what would be right.
 */
MUST_CHECK int config_value_set(const struct config_key *k, const char *text, void *values,
                                struct err *e);
