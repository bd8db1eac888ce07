/*
 * The command line: flags in their spellings, the general ones (--help and
 * the like), and what is left as arguments. It stands apart from the other
 * origins as the only one with a syntax of its own. A flag that the table
 * does not know ends the load with the one that was probably meant.
 */
#include "common/config_internal.h"

#include <errno.h>
#include <stdio.h>

static struct config_slot *find_flag(struct config_load *l, const char *flag)
{
	for (size_t i = 0; i < l->slots.n; i++) {
		char name[CONFIG_NAME_MAX];
		config_flag_name(l->slots.at[i].key, name);
		if (str_eq(name, flag))
			return &l->slots.at[i];
	}
	return NULL;
}

static int unknown_flag(struct config_load *l, const char *arg, size_t len, struct err *e)
{
	char word[CONFIG_NAME_MAX];
	snprintf(word, sizeof(word), "%.*s", (int)MIN_OF(len, sizeof(word)), arg);
	struct nearest n = {.word = word + strspn(word, "-")};
	static const char *const general[] = {"help", "version", "config", "check-config",
										  "show-config"};
	for (size_t i = 0; i < ARRAY_LEN(general); i++)
		nearest_offer(&n, general[i]);
	for (size_t i = 0; i < l->slots.n; i++) {
		char name[CONFIG_NAME_MAX];
		config_flag_name(l->slots.at[i].key, name);
		nearest_offer(&n, name);
	}
	if (n.best[0])
		return err_set(e, ERR_INVALID, "%s: no such flag; did you mean --%s?", word, n.best);
	return err_set(e, ERR_INVALID, "%s: no such flag; %s --help lists them", word, l->p->name);
}

/* --help and the like. *ret_known: it is one of them. */
static int take_general(struct config_load *l, const char *name, const char *value, bool *ret_known,
						struct err *e)
{
	static const char *const names[] = {"help", "version", "check-config", "show-config"};
	size_t which = 0;
	while (which < ARRAY_LEN(names) && !str_eq(name, names[which]))
		which++;
	*ret_known = which < ARRAY_LEN(names);
	if (*ret_known && value)
		return err_set(e, ERR_INVALID, "--%s takes no value", name);
	if (which == 0)
		return config_help(l, e);
	if (which == 1) {
		CLEANUP(buf_release) struct buf text = {0};
		buf_printf(&text, "%s %s\n", l->p->name, MILLRACE_VERSION);
		return config_print(l, &text, e);
	}
	l->extra.check_only = l->extra.check_only || which == 2;
	l->show = l->show || which == 3;
	return 0;
}

/* The value of a flag: behind its "=" or the next argument. */
static int need_value(const char *shown, const char *inline_value, int argc, char **argv, int *i,
					  const char *word, const char **ret, struct err *e)
{
	if (!inline_value && *i + 1 >= argc)
		return err_set(e, ERR_INVALID, "%s needs a value: %s %s", shown, shown, word);
	*ret = inline_value ? inline_value : argv[++*i];
	return 0;
}

static int take_long(struct config_load *l, int argc, char **argv, int *i, struct err *e)
{
	const char *arg = argv[*i];
	size_t len = strcspn(arg, "=");
	const char *value = arg[len] ? arg + len + 1 : NULL;
	char shown[CONFIG_NAME_MAX];
	if (len >= sizeof(shown))
		return unknown_flag(l, arg, len, e);
	memcpy(shown, arg, len);
	shown[len] = '\0';
	const char *name = shown + 2;
	bool known;
	int rc = take_general(l, name, value, &known, e);
	if (rc || known)
		return rc;
	if (str_eq(name, "config")) {
		if (need_value(shown, value, argc, argv, i, "FILE", &value, e))
			return ERR_INVALID;
		free(l->extra.path);
		l->extra.path = xstrdup(value);
		return 0;
	}
	struct config_slot *s = find_flag(l, name);
	bool negated = !s && strncmp(name, "no-", 3) == 0 && (s = find_flag(l, name + 3)) != NULL;
	if (!s || (negated && s->key->type != CONFIG_BOOL))
		return unknown_flag(l, arg, len, e);
	if (negated && value)
		return err_set(e, ERR_INVALID, "%s takes no value", shown);
	if (s->key->type == CONFIG_BOOL)
		value = negated ? "false" : value ? value : "true";
	else if (need_value(shown, value, argc, argv, i, config_type_word(s->key->type), &value, e))
		return ERR_INVALID;
	config_offer(s, CONFIG_FROM_FLAG, value, xstrdup(shown));
	return 0;
}

/* "-n 5", "-n5", and -x for a bool. */
static int take_short(struct config_load *l, int argc, char **argv, int *i, struct err *e)
{
	const char *arg = argv[*i];
	struct config_slot *s = NULL;
	for (size_t k = 0; k < l->slots.n && !s; k++) {
		if (l->slots.at[k].key->short_flag == arg[1])
			s = &l->slots.at[k];
	}
	bool known;
	if (!s && str_eq(arg, "-h"))
		return take_general(l, "help", NULL, &known, e);
	char shown[] = {'-', arg[1], '\0'};
	if (!s || (s->key->type == CONFIG_BOOL && arg[2]))
		return unknown_flag(l, arg, strlen(arg), e);
	const char *value = arg[2] ? arg + 2 : NULL;
	if (s->key->type == CONFIG_BOOL)
		value = "true";
	else if (need_value(shown, value, argc, argv, i, config_type_word(s->key->type), &value, e))
		return ERR_INVALID;
	config_offer(s, CONFIG_FROM_FLAG, value, xstrdup(shown));
	return 0;
}

int config_take_flags(struct config_load *l, int argc, char **argv, struct err *e)
{
	bool flags = true;
	for (int i = 1; i < argc && !l->extra.done; i++) {
		const char *arg = argv[i];
		int rc = 0;
		if (flags && str_eq(arg, "--")) {
			flags = false;
		} else if (flags && strncmp(arg, "--", 2) == 0) {
			rc = take_long(l, argc, argv, &i, e);
		} else if (flags && arg[0] == '-' && arg[1]) {
			rc = take_short(l, argc, argv, &i, e);
		} else {
			struct config_extra *x = &l->extra;
			x->args = xreallocarray(x->args, x->nargs + 1, sizeof(*x->args));
			x->args[x->nargs++] = xstrdup(arg);
		}
		if (rc)
			return rc;
	}
	return 0;
}
