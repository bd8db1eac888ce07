/*
 * Splits a command line. It stands alone because common/config knows one flat
 * table per program, while here each command has flags of its own, and a name
 * such as --timeout means the task's after `submit` and the request's before it.
 *
 * Words are taken until they name a command; from there on its own flags win
 * over global ones. Everything global is handed to config_load unchanged.
 * An unknown flag, a missing value or a word too many is ERR_INVALID with a
 * sentence; nothing is guessed.
 */
#include "cli/args.h"

#include <stdio.h>

static void push(char ***list, size_t *n, char *s)
{
	*list = xreallocarray(*list, *n + 2, sizeof(char *));
	(*list)[(*n)++] = s;
	(*list)[*n] = NULL;
}

static const struct cli_flag *own_long(const struct cli_command *c, const char *name, size_t len)
{
	if (!c || !c->flags)
		return NULL;
	for (const struct cli_flag *f = c->flags; f->name; f++) {
		if (strlen(f->name) == len && strncmp(f->name, name, len) == 0)
			return f;
	}
	return NULL;
}

static const struct cli_flag *own_short(const struct cli_command *c, char letter)
{
	if (!c || !c->flags)
		return NULL;
	for (const struct cli_flag *f = c->flags; f->name; f++) {
		if (f->short_flag == letter)
			return f;
	}
	return NULL;
}

/* "nats.url" is --nats-url. */
static bool key_is(const struct config_key *k, const char *name, size_t len)
{
	if (strlen(k->name) != len)
		return false;
	for (size_t i = 0; i < len; i++) {
		char want = k->name[i] == '.' || k->name[i] == '_' ? '-' : k->name[i];
		if (name[i] != want)
			return false;
	}
	return true;
}

static const struct config_key *global_long(const struct config_key *keys, const char *name,
											size_t len)
{
	for (const struct config_key *k = keys; k->name; k++) {
		if (key_is(k, name, len))
			return k;
	}
	return NULL;
}

static const struct config_key *global_short(const struct config_key *keys, char letter)
{
	for (const struct config_key *k = keys; k->name; k++) {
		if (k->short_flag == letter)
			return k;
	}
	return NULL;
}

static void add_flag(struct args *a, const struct cli_flag *f, const char *value)
{
	a->flags = xreallocarray(a->flags, a->nflags + 1, sizeof(*a->flags));
	a->flags[a->nflags++] = (struct cli_flag_value){.flag = f, .value = value};
}

struct parse {
	const struct cli_command *const *lists;
	const struct config_key *keys;
	int argc, at;
	char **argv;
	struct args *out;
	struct err *e;
};

static const char *where(const struct parse *p)
{
	return p->out->command ? p->out->command->name : p->out->group ? p->out->group : "";
}

static int unknown_flag(const struct parse *p)
{
	const char *of = where(p);

	return err_set(p->e, ERR_INVALID, "unknown flag %.60s; see 'millrace help%s%s'", p->argv[p->at],
				   *of ? " " : "", of);
}

static int value_of(struct parse *p, const char *attached, const char **ret)
{
	if (attached) {
		*ret = attached;
		return 0;
	}
	if (p->at + 1 >= p->argc)
		return err_set(p->e, ERR_INVALID, "%.60s wants a value", p->argv[p->at]);
	*ret = p->argv[++p->at];
	return 0;
}

static int own_flag(struct parse *p, const struct cli_flag *f, const char *attached)
{
	const char *value = attached;

	if (!f->value && attached)
		return err_set(p->e, ERR_INVALID, "--%s takes no value", f->name);
	if (f->value && f->value[0] != '[' && value_of(p, attached, &value))
		return p->e ? p->e->code : ERR_INVALID;
	add_flag(p->out, f, value);
	return 0;
}

/* Hands the flag to config_load, with the word that is its value. */
static int global_flag(struct parse *p, bool takes_value, const char *attached)
{
	const char *value = NULL;
	char *flag = p->argv[p->at];

	if (takes_value && value_of(p, attached, &value))
		return p->e ? p->e->code : ERR_INVALID;
	push(&p->out->globals, &p->out->nglobals, flag);
	if (value && !attached)
		push(&p->out->globals, &p->out->nglobals, p->argv[p->at]);
	return 0;
}

static bool answers_alone(const char *name, size_t len)
{
	static const char *const names[] = {"version", "show-config", "check-config"};

	for (size_t i = 0; i < ARRAY_LEN(names); i++) {
		if (strlen(names[i]) == len && strncmp(names[i], name, len) == 0)
			return true;
	}
	return false;
}

static int long_flag(struct parse *p)
{
	const char *name = p->argv[p->at] + 2;
	const char *equals = strchr(name, '=');
	size_t len = equals ? (size_t)(equals - name) : strlen(name);
	const char *attached = equals ? equals + 1 : NULL;
	const struct cli_flag *own = own_long(p->out->command, name, len);
	const struct config_key *key;

	if (own)
		return own_flag(p, own, attached);
	if (len == 4 && strncmp(name, "help", 4) == 0) {
		p->out->help = true;
		return 0;
	}
	if (answers_alone(name, len)) {
		p->out->answers_alone = true;
		return global_flag(p, false, attached);
	}
	if (len == 6 && strncmp(name, "config", 6) == 0)
		return global_flag(p, true, attached);
	key = global_long(p->keys, name, len);
	if (!key)
		return unknown_flag(p);
	return global_flag(p, key->type != CONFIG_BOOL, attached);
}

static int short_flag(struct parse *p)
{
	const char *text = p->argv[p->at];
	const char *attached = text[2] ? text + 2 : NULL;
	const struct cli_flag *own = own_short(p->out->command, text[1]);
	const struct config_key *key;

	if (own)
		return own_flag(p, own, attached);
	if (text[1] == 'h' && !attached) {
		p->out->help = true;
		return 0;
	}
	key = global_short(p->keys, text[1]);
	if (!key || attached)
		return unknown_flag(p);
	return global_flag(p, key->type != CONFIG_BOOL, NULL);
}

/* The command that these two words name, by the longest fit. */
static const struct cli_command *pair(const struct parse *p, const char *first, const char *second)
{
	char name[COMMAND_NAME_MAX];

	if (snprintf(name, sizeof(name), "%s %s", first, second) >= (int)sizeof(name))
		return NULL;
	return command_find(p->lists, name);
}

static int unknown_command(struct parse *p, const char *typed)
{
	const char *near = command_nearest(p->lists, typed);

	if (near)
		return err_set(p->e, ERR_INVALID, "unknown command '%.60s'; did you mean '%s'?", typed,
					   near);
	return err_set(p->e, ERR_INVALID, "unknown command '%.60s'; see 'millrace help'", typed);
}

/* `dev --dir D status`: the flags were read as those of `dev`; they must be flags of `dev status`
 * as well. */
static int take_subcommand(struct parse *p, const struct cli_command *sub)
{
	struct args *a = p->out;

	for (size_t i = 0; i < a->nflags; i++) {
		const char *name = a->flags[i].flag->name;
		const struct cli_flag *f = own_long(sub, name, strlen(name));
		if (!f)
			return err_set(p->e, ERR_INVALID, "'millrace %s' has no flag --%s", sub->name, name);
		a->flags[i].flag = f;
	}
	a->command = sub;
	return 0;
}

static int word(struct parse *p)
{
	struct args *a = p->out;
	char *text = p->argv[p->at];
	const struct cli_command *sub;
	char both[COMMAND_NAME_MAX];

	if (a->command) {
		sub = a->npositional == 0 && !strchr(a->command->name, ' ')
				  ? pair(p, a->command->name, text)
				  : NULL;
		if (sub)
			return take_subcommand(p, sub);
		push(&a->positional, &a->npositional, text);
		return 0;
	}
	if (a->group) {
		a->command = pair(p, a->group, text);
		if (a->command)
			return 0;
		snprintf(both, sizeof(both), "%s %.60s", a->group, text);
		return unknown_command(p, both);
	}
	a->command = command_find(p->lists, text);
	if (a->command)
		return 0;
	if (!command_group(p->lists, text))
		return unknown_command(p, text);
	a->group = text;
	return 0;
}

static int check_count(const struct args *a, struct err *e)
{
	const struct cli_command *c = a->command;

	if (!c || a->help)
		return 0;
	if (a->npositional < c->min_args)
		return err_set(e, ERR_INVALID, "usage: millrace %s %s", c->name, c->usage);
	if (c->max_args != CLI_ANY_ARGS && a->npositional > c->max_args)
		return err_set(e, ERR_INVALID, "'%.60s' is one argument too many; usage: millrace %s %s",
					   a->positional[c->max_args], c->name, c->usage);
	return 0;
}

int args_parse(const struct cli_command *const *lists, const struct config_key *keys, int argc,
			   char **argv, struct args *ret, struct err *e)
{
	struct parse p = {
		.lists = lists, .keys = keys, .argc = argc, .argv = argv, .at = 1, .out = ret, .e = e};
	bool flags_ended = false;

	*ret = (struct args){0};
	push(&ret->globals, &ret->nglobals, argc > 0 ? argv[0] : (char *)"millrace");
	for (; p.at < argc; p.at++) {
		const char *text = argv[p.at];
		int rc;

		if (flags_ended || text[0] != '-' || text[1] == '\0') {
			rc = word(&p);
		} else if (str_eq(text, "--")) {
			flags_ended = true;
			rc = 0;
		} else if (text[1] == '-') {
			rc = long_flag(&p);
		} else {
			rc = short_flag(&p);
		}
		if (rc) {
			args_release(ret);
			return rc;
		}
	}
	if (check_count(ret, e)) {
		args_release(ret);
		return ERR_INVALID;
	}
	return 0;
}

void args_release(struct args *a)
{
	free(a->flags);
	free(a->positional);
	free(a->globals);
	*a = (struct args){0};
}
