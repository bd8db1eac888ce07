/*
 * Asking once more. It stands alone as the one place that reads a person's
 * word from the terminal. Goes well: the word is typed, or --yes was given.
 * Fails: another word (1), or no terminal to ask at (2).
 */
#include "cli/confirm.h"

#include <pwd.h>
#include <stdio.h>
#include <unistd.h>

int cli_confirm(const struct cli *c, const char *what, const char *word)
{
	char typed[64] = "";

	if (cli_has(c, "yes"))
		return EXIT_OK;
	if (!isatty(STDIN_FILENO))
		return cli_usage(c, "this would %s; --yes confirms it where there is no terminal to ask at",
						 what);
	fprintf(stderr, "This will %s. Type '%s' to go on: ", what, word);
	fflush(stderr);
	if (fgets(typed, sizeof(typed), stdin))
		typed[strcspn(typed, "\r\n")] = '\0';
	if (str_eq(typed, word))
		return EXIT_OK;
	cli_say(c, "nothing was done");
	return EXIT_FAILED;
}

void cli_by(char out[BY_MAX])
{
	/* cppcheck-suppress getpwuidCalled -- one thread */
	const struct passwd *me = getpwuid(getuid());
	char host[64] = "";

	if (gethostname(host, sizeof(host) - 1))
		host[0] = '\0';
	snprintf(out, BY_MAX, "%s@%s", me ? me->pw_name : "somebody", host);
}
