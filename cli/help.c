/*
 * Help texts, made from the command and configuration tables. It stands alone
 * because it is all layout and no action. It cannot fail; a closed output is
 * noticed by main at its end.
 */
#include "cli/help.h"

#include <string.h>

void help_overview(FILE *to, const struct cli_command *const *lists)
{
	fprintf(to, "millrace: submit tasks, look at them, operate the system.\n\n"
				"usage: millrace COMMAND [arguments] [flags]\n\n");
	for (; *lists; lists++) {
		for (const struct cli_command *c = *lists; c->name; c++)
			fprintf(to, "  %-16s %s\n", c->name, c->help);
	}
	fprintf(to,
			"\n"
			"  millrace help COMMAND    its flags, with examples\n"
			"  millrace help flags      flags that every command takes, and their environment\n\n"
			"exit: 0 ok, 1 failed, 2 usage, 3 not found, 4 the task failed, 5 unreachable, 124 "
			"timed out, 130 interrupted\n");
}

static void print_flag(FILE *to, const struct cli_flag *f)
{
	char left[64];
	char brief[8] = "";

	if (f->short_flag)
		snprintf(brief, sizeof(brief), "-%c, ", f->short_flag);
	if (f->value && f->value[0] == '[')
		snprintf(left, sizeof(left), "%s--%s%s", brief, f->name, f->value);
	else
		snprintf(left, sizeof(left), "%s--%s%s%s", brief, f->name, f->value ? " " : "",
				 f->value ? f->value : "");
	fprintf(to, "  %-24s %s\n", left, f->help);
}

static void below(FILE *to, const struct cli_command *const *lists, const char *group)
{
	size_t len = strlen(group);

	for (; *lists; lists++) {
		for (const struct cli_command *c = *lists; c->name; c++) {
			if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
				fprintf(to, "  millrace %-16s %s\n", c->name, c->help);
		}
	}
}

void help_command(FILE *to, const struct cli_command *const *lists, const struct cli_command *c)
{
	fprintf(to, "usage: millrace %s%s%s\n\n%s\n", c->name, c->usage[0] ? " " : "", c->usage,
			c->help);
	if (c->flags && c->flags->name) {
		fprintf(to, "\nflags:\n");
		for (const struct cli_flag *f = c->flags; f->name; f++)
			print_flag(to, f);
	}
	if (command_group(lists, c->name)) {
		fprintf(to, "\nsee also:\n");
		below(to, lists, c->name);
	}
	if (c->text)
		fprintf(to, "\n%s", c->text);
	fprintf(to, "\n'millrace help flags' tells the flags that every command takes.\n");
}

void help_group(FILE *to, const struct cli_command *const *lists, const char *group)
{
	fprintf(to, "usage: millrace %s COMMAND [arguments] [flags]\n\n", group);
	below(to, lists, group);
	fprintf(to, "\n'millrace help %s COMMAND' tells more.\n", group);
}

static const char *value_name(enum config_type type)
{
	switch (type) {
	case CONFIG_STRING:
		return " S";
	case CONFIG_INT:
		return " N";
	case CONFIG_SIZE:
		return " SIZE";
	case CONFIG_DURATION:
		return " D";
	case CONFIG_BOOL:
		break;
	}
	return "";
}

void help_globals(FILE *to, const struct config_key *keys)
{
	fprintf(to, "flags that every command takes (flag > environment > file > default):\n\n");
	for (const struct config_key *k = keys; k->name; k++) {
		char left[64];
		int len = k->short_flag
					  ? snprintf(left, sizeof(left), "-%c, --%s%s", k->short_flag, k->name,
								 value_name(k->type))
					  : snprintf(left, sizeof(left), "--%s%s", k->name, value_name(k->type));

		for (int i = 2; i < len && i < (int)sizeof(left); i++) {
			if (left[i] == '.' || left[i] == '_')
				left[i] = '-';
		}
		fprintf(to, "  %-22s %s", left, k->help);
		if (k->env)
			fprintf(to, " [%s]", k->env);
		fprintf(to, "\n");
	}
	fprintf(to, "  %-22s %s\n", "--config FILE", "read keys from this YAML file");
	fprintf(to, "  %-22s %s\n", "--check-config", "only say whether the configuration is right");
	fprintf(to, "  %-22s %s\n", "--show-config", "what it comes out as, secrets redacted");
	fprintf(to, "  %-22s %s\n", "--version", "the version");
	fprintf(to, "\nThe environment of --some-key is also MILLRACE_SOME_KEY; MILLRACE_SOME_KEY_FILE "
				"names a file that holds the value.\n");
}
