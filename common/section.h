/*
 * A map in the configuration file that a program reads by itself (a handler, a
 * pool), by the same kind of table as its own keys. Every error names the line.
 */
#pragma once

#include "common/config.h"

/*
 * Sets every key's default, then what map (NULL: nothing) says. Keys that are neither in the table (ended by one
 * without a name; NULL: none) nor in others (comma-separated) are errors.
 */
MUST_CHECK int section_read(const struct doc *map, const struct config_key *keys, const char *others,
                            void *values, struct err *e);
/* Frees the strings. */
void section_release(const struct config_key *keys, void *values);

/* A list of strings, NULL-terminated, owned; absent: *ret is NULL. At most 256. */
MUST_CHECK int section_list(const struct doc *map, const char *key, char ***ret, struct err *e);
/* A map of strings as "KEY=value". */
MUST_CHECK int section_env(const struct doc *map, const char *key, char ***ret, struct err *e);

/* For CLEANUP and release: frees a NULL-terminated list; NULL is fine. */
void strings_free(char ***list);
size_t strings_count(char *const *list);
/* list grows by s, which is taken. */
void strings_add(char ***list, char *s);

/* Whether word is one of the comma-separated ones. */
bool word_among(const char *words, const char *word);
