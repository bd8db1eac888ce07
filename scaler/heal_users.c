/*
 * /proc, for who is where. It stands alone as the one look at other
 * processes: those of our own user are seen, as root all of them; since only
 * directories of our own user are ever asked about, that is whom they belong
 * to. Where /proc cannot be read everything counts as used.
 */
#include "scaler/heal_users.h"

#include <dirent.h>
#include <limits.h>
#include <stdio.h>
#include <unistd.h>

#define PATHS_MAX 200000u

struct heal_users {
	char **paths; /* of directories and files below /, in any order */
	size_t n;
	bool blind; /* it could not be read, or there were too many */
};

static void note(struct heal_users *u, const char *link)
{
	char path[PATH_MAX];
	ssize_t len = readlink(link, path, sizeof(path) - 1);

	if (len <= 1 || path[0] != '/')
		return;
	path[len] = '\0';
	/* Only what could be a node's. */
	if (!strstr(path, "/millrace-"))
		return;
	if (u->n == PATHS_MAX) {
		u->blind = true;
		return;
	}
	u->paths = xreallocarray(u->paths, u->n + 1, sizeof(*u->paths));
	u->paths[u->n++] = xstrdup(path);
}

static void note_files(struct heal_users *u, const char *pid)
{
	CLEANUP(free_ptr) char *path = xasprintf("/proc/%s/fd", pid);
	DIR *d = opendir(path);
	struct dirent *entry;

	while (d && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		if (entry->d_name[0] == '.')
			continue;
		CLEANUP(free_ptr) char *link = xasprintf("%s/%s", path, entry->d_name);
		note(u, link);
	}
	if (d)
		closedir(d);
}

struct heal_users *heal_users_look(void)
{
	struct heal_users *u = xcalloc(1, sizeof(*u));
	DIR *d = opendir("/proc");
	struct dirent *entry;
	unsigned seen = 0;

	while (d && (entry = readdir(d))) { /* cppcheck-suppress readdirCalled */
		if (entry->d_name[0] < '1' || entry->d_name[0] > '9')
			continue;
		CLEANUP(free_ptr) char *cwd = xasprintf("/proc/%s/cwd", entry->d_name);
		CLEANUP(free_ptr) char *root = xasprintf("/proc/%s/root", entry->d_name);
		note(u, cwd);
		note(u, root);
		note_files(u, entry->d_name);
		seen++;
	}
	if (d)
		closedir(d);
	u->blind |= seen == 0;
	return u;
}

void heal_users_free(struct heal_users *u)
{
	if (!u)
		return;
	for (size_t i = 0; i < u->n; i++)
		free(u->paths[i]);
	free(u->paths);
	free(u);
}

bool heal_users_has(const struct heal_users *u, const char *path)
{
	char real[PATH_MAX];

	if (!u || u->blind || !realpath(path, real))
		return true;
	size_t len = strlen(real);
	for (size_t i = 0; i < u->n; i++) {
		if (strncmp(u->paths[i], real, len) == 0 && (u->paths[i][len] == '/' || !u->paths[i][len]))
			return true;
	}
	return false;
}
