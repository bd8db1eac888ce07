/*
 * The configured program of an exec or worker handler. Pure but for the
 * node's working directory, against which paths are made absolute, for the
 * program itself starts elsewhere. It fails where `command` is missing.
 */
#include "node/handlers/program.h"

#include <unistd.h>

#include "common/buf.h"
#include "common/section.h"

static char *absolute(const char *base, const char *path)
{
	if (path[0] == '/')
		return xstrdup(path);
	if (base)
		return xasprintf("%s/%s", base, path);
	char *here = getcwd(NULL, 0);
	char *full = xasprintf("%s/%s", here ? here : "", path);
	free(here);
	return full;
}

int program_read(const struct doc *map, struct program *ret, struct err *e)
{
	int rc = limits_read(map, &ret->limits, e);
	if (rc < 0)
		return rc;
	rc = section_list(map, "command", &ret->argv, e);
	if (rc < 0)
		return rc;
	if (ret->argv == NULL || ret->argv[0] == NULL || ret->argv[0][0] == '\0')
		return err_set(e, ERR_INVALID, "line %u: command is missing: a list such as [wc, -w]",
		               map ? map->line : 0);
	rc = section_env(map, "env", &ret->env, e);
	if (rc < 0)
		return rc;
	const struct doc *directory = doc_get(map, "directory");
	if (directory && (directory->kind != DOC_SCALAR || directory->scalar[0] == '\0'))
		return err_set(e, ERR_INVALID, "line %u: directory is a path", directory->line);
	if (directory)
		ret->directory = absolute(NULL, directory->scalar);
	if (strchr(ret->argv[0], '/')) {
		char *full = absolute(ret->directory, ret->argv[0]);
		free(ret->argv[0]);
		ret->argv[0] = full;
	}
	return 0;
}

void program_release(struct program *p)
{
	strings_free(&p->argv);
	strings_free(&p->env);
	free(p->directory);
	*p = (struct program){0};
}

static const char *placeholder(const char *at, const char *file, const char *dir, size_t *ret_len)
{
	if (strncmp(at, "{file}", 6) == 0) {
		*ret_len = 6;
		return file ? file : "";
	}
	if (strncmp(at, "{dir}", 5) == 0) {
		*ret_len = 5;
		return dir ? dir : "";
	}
	return NULL;
}

static char *replaced(const char *arg, const char *file, const char *dir)
{
	struct buf b = {0};
	buf_add_str(&b, "");
	while (*arg) {
		size_t len = 1;
		const char *value = placeholder(arg, file, dir, &len);
		if (value) {
			buf_add_str(&b, value);
		} else {
			buf_add(&b, arg, 1);
		}
		arg += len;
	}
	return b.data ? buf_take(&b) : xstrdup("");
}

char **program_argv(const struct program *p, const char *file, const char *dir)
{
	char **argv = NULL;
	for (char *const *a = p->argv; *a; a++) {
		strings_add(&argv, replaced(*a, file, dir));
	}
	return argv;
}
