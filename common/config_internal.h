/* What the files of config share: the program's keys, each with the text it got and from where. */
#pragma once

#include "common/buf.h"
#include "common/config.h"

enum { CONFIG_NAME_MAX = 96 };

/* A later one beats an earlier one. */
enum config_rank {
	CONFIG_UNSET,
	CONFIG_FROM_DEFAULT,
	CONFIG_FROM_FILE,
	CONFIG_FROM_ENV,
	CONFIG_FROM_FLAG,
};

struct config_slot {
	const struct config_key *key;
	char *text;  /* the value as written, owned; NULL: unset */
	char *where; /* "--nats-url", "NATS_URL", "file.yaml:3", owned; NULL: the default or unset */
	enum config_rank rank;
};

struct config_slots {
	struct config_slot *at;
	size_t n;
};

struct config_load {
	const struct config_program *p;
	struct config_slots slots;
	struct config_extra extra;
	bool show; /* --show-config was asked */
};

/* "nats.url" as "nats-url" and as "MILLRACE_NATS_URL". */
void config_flag_name(const struct config_key *k, char out[CONFIG_NAME_MAX]);
void config_env_name(const struct config_key *k, char out[CONFIG_NAME_MAX]);

/* Parses text and stores it in the program's struct. The sentence never tells a secret. */
MUST_CHECK int config_value_set(const struct config_key *k, const char *text, void *values,
								struct err *e);
/* Gives a slot text unless it has some of a higher rank. Takes where. */
void config_offer(struct config_slot *s, enum config_rank rank, const char *text, char *where);
/* Whether key is one of the top-level keys that the program reads by itself. */
bool config_is_section(const struct config_program *p, const char *key);
MUST_CHECK int config_take_flags(struct config_load *l, int argc, char **argv, struct err *e);

/* What stands for a value in help and in sentences: "NUMBER"; a bool has none: "". */
const char *config_type_word(enum config_type type);

/* The candidate that a mistyped word most likely meant. */
struct nearest {
	const char *word;
	char best[CONFIG_NAME_MAX]; /* "": none is near */
	size_t distance;
};
void nearest_offer(struct nearest *n, const char *candidate);

/* Both write to stdout and set extra.done. */
MUST_CHECK int config_help(struct config_load *l, struct err *e);
MUST_CHECK int config_show(struct config_load *l, struct err *e);
MUST_CHECK int config_print(struct config_load *l, const struct buf *text, struct err *e);
