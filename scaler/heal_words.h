/* Lists and commands as configuration spells them. Pure. */
#pragma once

#include "scaler/heal_config.h"

/* The words of a comma-separated list; blanks around them, and empty ones, don't count. NULL-terminated; returns owned. */
char **heal_list(const char *text);
/*
 * A command: words separated by commas, or by blanks where there is no comma; nothing is quoted. what: its key, for the
 * error. NULL or blank text: *ret is NULL. ERR_INVALID: the first word is no absolute path.
 */
MUST_CHECK int heal_argv(const char *what, const char *text, char ***ret, struct err *e);
void heal_words_free(char **words);

/* What config allows. */
struct heal_permissions {
	unsigned actions; /* HEAL_BIT of enum heal_action */
	bool drop_page_cache;
};
/* "none" alone: nothing. ERR_INVALID names the word that is none. */
MUST_CHECK int heal_permissions_parse(const char *text, struct heal_permissions *ret,
									  struct err *e);

/* What the table of keys cannot check. ERR_INVALID says what would be right. */
MUST_CHECK int heal_config_check(const struct heal_config *c, struct err *e);
