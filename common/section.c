/*
 * From the tree of the configuration file to values. It stands apart so that
 * handlers and pools read their keys the same way and complain in the same
 * words: "line 12: …". An unknown key is an error, never ignored.
 */
#include "common/section.h"

enum { LIST_MAX = 256 };

bool word_among(const char *words, const char *word)
{
	size_t len = strlen(word);
	while (words && *words) {
		size_t n = strcspn(words, ",");
		if (n == len && memcmp(words, word, n) == 0)
			return true;
		words += n + (words[n] == ',');
	}
	return false;
}

void strings_free(char ***list)
{
	for (char **s = *list; s && *s; s++) {
		free(*s);
	}
	free(*list);
	*list = NULL;
}

size_t strings_count(char *const *list)
{
	size_t n = 0;
	while (list && list[n]) {
		n++;
	}
	return n;
}

void strings_add(char ***list, char *s)
{
	size_t n = strings_count(*list);
	*list = xreallocarray(*list, n + 2, sizeof **list);
	(*list)[n] = s;
	(*list)[n + 1] = NULL;
}

static const struct config_key *find(const struct config_key *keys, const char *name)
{
	for (; keys && keys->name; keys++) {
		if (str_eq(keys->name, name))
			return keys;
	}
	return NULL;
}

static int set_defaults(const struct config_key *keys, void *values, struct err *e)
{
	for (; keys && keys->name; keys++) {
		if (keys->def && config_value_set(keys, keys->def, values, e) < 0)
			return err_wrap(e, "default of %s", keys->name);
	}
	return 0;
}

int section_read(const struct doc *map, const struct config_key *keys, const char *others,
                 void *values, struct err *e)
{
	int rc = set_defaults(keys, values, e);
	if (rc < 0 || map == NULL)
		return rc;
	if (map->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "line %u: keys with values are expected here", map->line);
	for (const struct doc *d = map->child; d; d = d->next) {
		const struct config_key *k = find(keys, d->key);
		if (k == NULL && !word_among(others, d->key))
			return err_set(e, ERR_INVALID, "line %u: unknown key \"%.64s\"", d->line, d->key);
		if (k == NULL)
			continue;
		if (d->kind != DOC_SCALAR)
			return err_set(e, ERR_INVALID, "line %u: %s takes one value", d->line, d->key);
		if (config_value_set(k, d->scalar, values, e) < 0)
			return err_wrap(e, "line %u: %s", d->line, d->key);
	}
	return 0;
}

void section_release(const struct config_key *keys, void *values)
{
	for (; keys && keys->name; keys++) {
		if (keys->type == CONFIG_STRING) {
			char **s = (char **)((char *)values + keys->offset);
			free(*s);
			*s = NULL;
		}
	}
}

int section_list(const struct doc *map, const char *key, char ***ret, struct err *e)
{
	const struct doc *list = doc_get(map, key);
	if (list == NULL)
		return 0;
	if (list->kind != DOC_LIST)
		return err_set(e, ERR_INVALID, "line %u: %s is a list, as [wc, -w]: no shell reads it",
		               list->line, key);
	CLEANUP(strings_free) char **got = NULL;
	for (const struct doc *d = list->child; d; d = d->next) {
		if (d->kind != DOC_SCALAR)
			return err_set(e, ERR_INVALID, "line %u: %s is a list of strings", d->line, key);
		if (strings_count(got) == LIST_MAX)
			return err_set(e, ERR_INVALID, "line %u: %s has more than %d elements", d->line, key,
			               LIST_MAX);
		strings_add(&got, xstrdup(d->scalar));
	}
	*ret = TAKE(got);
	return 0;
}

int section_env(const struct doc *map, const char *key, char ***ret, struct err *e)
{
	const struct doc *env = doc_get(map, key);
	if (env == NULL)
		return 0;
	if (env->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "line %u: %s is a map of names to values", env->line, key);
	CLEANUP(strings_free) char **got = NULL;
	for (const struct doc *d = env->child; d; d = d->next) {
		if (d->kind != DOC_SCALAR || d->key[0] == '\0' || strchr(d->key, '='))
			return err_set(e, ERR_INVALID, "line %u: %s: \"%.64s\" is no name with one value",
			               d->line, key, d->key);
		if (strings_count(got) == LIST_MAX)
			return err_set(e, ERR_INVALID, "line %u: %s has more than %d elements", d->line, key,
			               LIST_MAX);
		strings_add(&got, xasprintf("%s=%s", d->key, d->scalar));
	}
	*ret = TAKE(got);
	return 0;
}
