/*
 * What FAILPOINT does in builds for tests. It stands alone so that no other
 * build has any of it. Going well, nothing is armed: a look at a directory.
 * Armed: of all processes that come by, the one that removes the file dies, so
 * one file is one death, and what is started after it lives.
 */
#include "common/failpoint.h"

#ifdef MILLRACE_FAILPOINTS

#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "common/base.h"

#define PLACES_MAX 64

static struct {
	const char *name;
	unsigned passed;
} places[PLACES_MAX];

/* How often this process came by the place before. */
static unsigned pass(const char *name)
{
	size_t i = 0;

	while (i < PLACES_MAX - 1 && places[i].name && !str_eq(places[i].name, name))
		i++;
	places[i].name = name;
	return places[i].passed++;
}

void failpoint(const char *name)
{
	const char *dir = getenv("MILLRACE_FAILPOINTS");
	unsigned skip = 0;
	FILE *f;

	if (!dir)
		return;
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", dir, name);
	f = fopen(path, "re");
	if (!f)
		return;
	if (fscanf(f, "%u", &skip) != 1)
		skip = 0;
	fclose(f);
	if (pass(name) < skip || unlink(path) != 0)
		return;
	fprintf(stderr, "failpoint %s: killed\n", name);
	raise(SIGKILL);
}

#endif
