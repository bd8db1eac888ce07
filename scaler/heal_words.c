/*
 * Text of the configuration → lists, commands, permissions. It stands alone
 * to be tested: a permission that is misspelt must stop the program, not be
 * one that is missing when it is needed.
 */
#include "scaler/heal_words.h"

#include "scaler/heal_check.h"

#define WORDS_MAX 64u

static char **split(const char *text, const char *separators, const char *trim)
{
	char **words = xcalloc(WORDS_MAX + 1, sizeof(*words));
	size_t n = 0;

	while (text && *text && n < WORDS_MAX) {
		const char *end = text + strcspn(text, separators), *last = end;
		text += strspn(text, trim);
		while (last > text && strchr(trim, last[-1]))
			last--;
		if (last > text)
			words[n++] = xmemdup0(text, (size_t)(last - text));
		text = *end ? end + 1 : end;
	}
	return words;
}

char **heal_list(const char *text)
{
	return split(text, ",", " \t");
}

void heal_words_free(char **words)
{
	for (char **w = words; w && *w; w++)
		free(*w);
	free(words);
}

int heal_argv(const char *what, const char *text, char ***ret, struct err *e)
{
	bool commas = text && strchr(text, ',');
	char **words = split(text, commas ? "," : " \t", commas ? " \t" : "");

	if (!words[0]) {
		heal_words_free(words);
		*ret = NULL;
		return 0;
	}
	if (words[0][0] != '/') {
		err_set(e, ERR_INVALID,
				"%s: '%s' is no absolute path; write the command as /path/of/program ARGUMENT …, "
				"for no shell looks for it",
				what, words[0]);
		heal_words_free(words);
		return ERR_INVALID;
	}
	*ret = words;
	return 0;
}

int heal_permissions_parse(const char *text, struct heal_permissions *ret, struct err *e)
{
	char **words = heal_list(text);
	struct heal_permissions p = {0};
	int rc = 0;

	if (words[0] && str_eq(words[0], "none") && !words[1]) {
		heal_words_free(words);
		*ret = p;
		return 0;
	}
	for (char **w = words; *w && rc == 0; w++) {
		enum heal_action a = heal_action_of(*w);
		if (str_eq(*w, "drop_page_cache"))
			p.drop_page_cache = true;
		else if (a != HEAL_ACTIONS && a != HEAL_NONE)
			p.actions |= HEAL_BIT(a);
		else
			rc = err_set(
				e, ERR_INVALID,
				"heal.permissions: there is no act '%s'; it is alert, clear_caches, clean_temp, "
				"restart_broker, restart_database, restart_node, remove_stale, quarantine, "
				"drop_page_cache, or none alone",
				*w);
	}
	heal_words_free(words);
	if (rc == 0)
		*ret = p;
	return rc;
}

int heal_config_check(const struct heal_config *c, struct err *e)
{
	const struct {
		const char *key, *text;
	} commands[] = {
		{"heal.restart_broker", c->restart_broker},
		{"heal.restart_database", c->restart_database},
		{"heal.alert_command", c->alert_command},
	};
	const struct {
		const char *key, *text;
	} lists[] = {
		{"heal.disks", c->disks},
		{"heal.directories", c->directories},
		{"heal.logs", c->log_directories},
	};
	struct heal_permissions may;
	int rc = heal_permissions_parse(c->permissions, &may, e);

	for (size_t i = 0; i < ARRAY_LEN(commands) && rc == 0; i++) {
		char **argv = NULL;
		rc = heal_argv(commands[i].key, commands[i].text, &argv, e);
		heal_words_free(argv);
	}
	for (size_t i = 0; i < ARRAY_LEN(lists) && rc == 0; i++) {
		char **words = heal_list(lists[i].text);
		for (char **w = words; *w && rc == 0; w++) {
			if ((*w)[0] != '/')
				rc = err_set(e, ERR_INVALID, "%s: '%s' is no absolute path", lists[i].key, *w);
		}
		heal_words_free(words);
	}
	return rc;
}
