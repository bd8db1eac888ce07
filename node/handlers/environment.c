/*
 * The clean environment of a child. Pure but for PATH, LANG, TZ and
 * LD_LIBRARY_PATH, which are read from our own. It cannot fail; values with
 * a NUL cannot occur, for they come as C strings.
 */
#include "node/handlers/environment.h"

#include <inttypes.h>
#include <stdio.h>

#include "node/handlers/exec_child.h"
#include "common/section.h"

#define PATH_DEFAULT "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"

static void set(char ***env, const char *name, const char *value)
{
	size_t len = strlen(name);
	for (char **v = *env; v && *v; v++) {
		if (strncmp(*v, name, len) == 0 && (*v)[len] == '=') {
			free(*v);
			*v = xasprintf("%s=%s", name, value);
			return;
		}
	}
	strings_add(env, xasprintf("%s=%s", name, value));
}

static void set_number(char ***env, const char *name, uint64_t value)
{
	char text[24];
	snprintf(text, sizeof text, "%" PRIu64, value);
	set(env, name, text);
}

static void pass(char ***env, const char *name, const char *fallback)
{
	const char *value = getenv(name);
	value = value && *value ? value : fallback;
	if (value)
		set(env, name, value);
}

char **environment_make(const char *home, const char *node, const char *type,
                        const struct handler_task *task, const char *file, char *const *configured)
{
	char **env = NULL;
	pass(&env, "PATH", PATH_DEFAULT);
	pass(&env, "LANG", "C.UTF-8");
	pass(&env, "TZ", NULL);
	set(&env, "HOME", home);
	set(&env, "TMPDIR", home);
	set(&env, "MILLRACE_NODE", node ? node : "");
	set(&env, "MILLRACE_TASK_TYPE", type);
	if (task) {
		set(&env, "MILLRACE_TASK_ID", task->id);
		set_number(&env, "MILLRACE_ATTEMPT", task->attempt);
		set_number(&env, "MILLRACE_EPOCH", task->epoch);
		if (task->content_type)
			set(&env, "MILLRACE_CONTENT_TYPE", task->content_type);
	}
	if (file)
		set(&env, "MILLRACE_FILE", file);
	for (; configured && *configured; configured++) {
		size_t name = strcspn(*configured, "=");
		CLEANUP(free_ptr) char *key = xmemdup0(*configured, name);
		bool library = str_eq(key, "LD_LIBRARY_PATH");
		set(&env, library ? EXEC_CHILD_LIBRARY_PATH : key, *configured + name + 1);
	}
	/* The launcher is the node's program and needs its libraries; it takes this away again. */
	pass(&env, "LD_LIBRARY_PATH", NULL);
	return env;
}
