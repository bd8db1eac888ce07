/*
 * The names of commands: finding one, and the one that was probably meant. It
 * stands alone because parsing and help both need it. It cannot fail; a name
 * that is none is NULL.
 */
#include "cli/args.h"

#include <stdio.h>

const struct cli_command *command_find(const struct cli_command *const *lists, const char *name)
{
	for (; *lists; lists++) {
		for (const struct cli_command *c = *lists; c->name; c++) {
			if (str_eq(c->name, name))
				return c;
		}
	}
	return NULL;
}

bool command_group(const struct cli_command *const *lists, const char *group)
{
	size_t len = strlen(group);

	for (; *lists; lists++) {
		for (const struct cli_command *c = *lists; c->name; c++) {
			if (strncmp(c->name, group, len) == 0 && c->name[len] == ' ')
				return true;
		}
	}
	return false;
}

static unsigned min3(unsigned a, unsigned b, unsigned c)
{
	unsigned m = MIN_OF(a, b);

	return MIN_OF(m, c);
}

/* Levenshtein's distance, of words that are short; two neighbours that changed places are one step. */
static unsigned distance(const char *a, const char *b)
{
	unsigned rows[3][COMMAND_NAME_MAX + 1]; /* the row before the last, the last, this one */
	size_t la = strlen(a);
	size_t lb = strlen(b);

	if (la > COMMAND_NAME_MAX || lb > COMMAND_NAME_MAX)
		return COMMAND_NAME_MAX;
	for (unsigned j = 0; j <= lb; j++)
		rows[1][j] = rows[2][j] = j;
	for (unsigned i = 1; i <= la; i++) {
		memcpy(rows[0], rows[1], sizeof(rows[0]));
		memcpy(rows[1], rows[2], sizeof(rows[1]));
		rows[2][0] = i;
		for (unsigned j = 1; j <= lb; j++) {
			rows[2][j] =
				min3(rows[1][j] + 1, rows[2][j - 1] + 1, rows[1][j - 1] + (a[i - 1] != b[j - 1]));
			if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1])
				rows[2][j] = MIN_OF(rows[2][j], rows[0][j - 2] + 1);
		}
	}
	return rows[2][lb];
}

static void offer(const char *typed, const char *name, const char **best, unsigned *best_distance)
{
	unsigned d = distance(typed, name);

	if (d < *best_distance) {
		*best_distance = d;
		*best = name;
	}
}

const char *command_nearest(const struct cli_command *const *lists, const char *typed)
{
	static char
		group[COMMAND_NAME_MAX]; /* the first word of the nearest command, where that is nearer */
	const char *best = NULL;
	unsigned best_distance = strlen(typed) > 5 ? 3 : 2; /* at most one less than that */

	for (; *lists; lists++) {
		for (const struct cli_command *c = *lists; c->name; c++) {
			char first[COMMAND_NAME_MAX];
			const char *near = NULL;

			offer(typed, c->name, &best, &best_distance);
			snprintf(first, sizeof(first), "%.*s", (int)strcspn(c->name, " "), c->name);
			offer(typed, first, &near, &best_distance);
			if (near) {
				snprintf(group, sizeof(group), "%s", first);
				best = group;
			}
		}
	}
	return best;
}
