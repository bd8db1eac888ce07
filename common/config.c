/*
 * Where each value comes from. Flags, environment, file and defaults all
 * offer text to the slots of one table; the highest rank wins, and only what
 * won is parsed (config_value.c) and stored. It stands alone so that no
 * program has a line of its own about flags or variables. What is wrong ends
 * the load with a sentence that names the flag, the variable or the line.
 */
#include "common/config_internal.h"

#include <ctype.h>
#include <errno.h>
#include <stdio.h>

enum { VALUE_FILE_MAX_BYTES = 64 * 1024 };

/* ---- names ---- */

void config_flag_name(const struct config_key *k, char out[CONFIG_NAME_MAX])
{
	snprintf(out, CONFIG_NAME_MAX, "%s", k->name);
	for (char *p = out; *p; p++) {
		if (*p == '.' || *p == '_')
			*p = '-';
	}
}

void config_env_name(const struct config_key *k, char out[CONFIG_NAME_MAX])
{
	snprintf(out, CONFIG_NAME_MAX, "MILLRACE_%s", k->name);
	for (char *p = out; *p; p++)
		*p = *p == '.' || *p == '-' ? '_' : (char)toupper((unsigned char)*p);
}

static struct config_slot *find_key(struct config_load *l, const char *name)
{
	for (size_t i = 0; i < l->slots.n; i++) {
		if (str_eq(l->slots.at[i].key->name, name))
			return &l->slots.at[i];
	}
	return NULL;
}

void config_offer(struct config_slot *s, enum config_rank rank, const char *text, char *where)
{
	if (rank < s->rank) {
		free(where);
		return;
	}
	free(s->text);
	free(s->where);
	s->text = xstrdup(text);
	s->where = where;
	s->rank = rank;
}

/* ---- the file ---- */

bool config_is_section(const struct config_program *p, const char *key)
{
	size_t len = strlen(key);
	for (const char *at = p->sections; at && *at;) {
		size_t n = strcspn(at, ",");
		if (n == len && memcmp(at, key, len) == 0)
			return true;
		at += n + (at[n] == ',');
	}
	return false;
}

static bool is_prefix(const struct config_load *l, const char *name)
{
	size_t len = strlen(name);
	for (size_t i = 0; i < l->slots.n; i++) {
		const char *key = l->slots.at[i].key->name;
		if (strncmp(key, name, len) == 0 && key[len] == '.')
			return true;
	}
	return false;
}

static int unknown_key(const struct config_load *l, const struct doc *d, const char *name,
					   struct err *e)
{
	struct nearest n = {.word = name};
	for (size_t i = 0; i < l->slots.n; i++)
		nearest_offer(&n, l->slots.at[i].key->name);
	if (n.best[0])
		return err_set(e, ERR_INVALID, "%s:%u: no such key \"%s\"; did you mean \"%s\"?",
					   l->extra.path, d->line, name, n.best);
	return err_set(e, ERR_INVALID, "%s:%u: no such key \"%s\"; %s --show-config lists them",
				   l->extra.path, d->line, name, l->p->name);
}

/* A scalar, or a list of scalars as the comma-separated string. */
static int take_value(struct config_load *l, struct config_slot *s, const struct doc *d,
					  struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	if (d->kind == DOC_SCALAR) {
		buf_add_str(&text, d->scalar);
	} else {
		for (const struct doc *item = d->child; item; item = item->next) {
			if (s->key->type != CONFIG_STRING || d->kind != DOC_LIST || item->kind != DOC_SCALAR ||
				strchr(item->scalar, ','))
				return err_set(e, ERR_INVALID, "%s:%u: %s: wants one value%s", l->extra.path,
							   item->line, s->key->name,
							   s->key->type == CONFIG_STRING ? " or a list of words" : "");
			buf_printf(&text, "%s%s", text.len ? "," : "", item->scalar);
		}
	}
	if (text.len)
		config_offer(s, CONFIG_FROM_FILE, text.data, xasprintf("%s:%u", l->extra.path, d->line));
	return 0;
}

static int take_map(struct config_load *l, const struct doc *map, const char *prefix, struct err *e)
{
	for (const struct doc *d = map->child; d; d = d->next) {
		char name[CONFIG_NAME_MAX];
		int len = snprintf(name, sizeof(name), "%s%s%s", prefix, *prefix ? "." : "", d->key);
		struct config_slot *s = find_key(l, name);
		int rc = 0;
		if (len < 0 || (size_t)len >= sizeof(name))
			rc = unknown_key(l, d, name, e);
		else if (s && (d->kind == DOC_SCALAR || *prefix || !config_is_section(l->p, name)))
			rc = take_value(l, s, d, e); /* a key that is a section too is its value only as a scalar */
		else if (is_prefix(l, name) && d->kind == DOC_MAP)
			rc = take_map(l, d, name, e);
		else if (is_prefix(l, name) && (d->kind != DOC_SCALAR || *d->scalar))
			rc = err_set(e, ERR_INVALID, "%s:%u: \"%s\" wants keys below it", l->extra.path,
						 d->line, name);
		else if (!is_prefix(l, name) && (*prefix || !config_is_section(l->p, name)))
			rc = unknown_key(l, d, name, e);
		if (rc)
			return rc;
	}
	return 0;
}

static int take_file(struct config_load *l, struct err *e)
{
	const char *path = getenv("MILLRACE_CONFIG");
	bool by_flag = l->extra.path != NULL;
	if (!by_flag && path && *path)
		l->extra.path = xstrdup(path);
	if (!l->extra.path)
		return 0;
	int rc = doc_read(l->extra.path, &l->extra.file, e);
	if (rc) {
		err_wrap(e, "%s", by_flag ? "--config" : "MILLRACE_CONFIG");
		return rc;
	}
	if (l->extra.file->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "%s:%u: the file must be a map of keys", l->extra.path,
					   l->extra.file->line);
	return take_map(l, l->extra.file, "", e);
}

/* ---- the environment ---- */

/* The file's text without its trailing newline. */
static int read_value_file(const char *path, struct buf *out, struct err *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(e, ERR_INVALID, "%s: %s", path, strerror(errno));
	buf_reserve(out, VALUE_FILE_MAX_BYTES + 1);
	out->len = fread(out->data, 1, VALUE_FILE_MAX_BYTES + 1, f);
	out->data[out->len] = '\0';
	bool failed = ferror(f);
	int error = errno;
	fclose(f);
	if (failed)
		return err_set(e, ERR_INVALID, "%s: %s", path, strerror(error));
	if (out->len > VALUE_FILE_MAX_BYTES)
		return err_set(e, ERR_INVALID, "%s: larger than 64 KiB", path);
	if (memchr(out->data, '\0', out->len))
		return err_set(e, ERR_INVALID, "%s: holds a NUL byte", path);
	if (out->len && out->data[out->len - 1] == '\n')
		out->data[--out->len] = '\0';
	if (out->len && out->data[out->len - 1] == '\r')
		out->data[--out->len] = '\0';
	return 0;
}

/* Whether name is itself the variable of some key, and no "<other>_FILE". */
static bool is_variable(const struct config_load *l, const char *name)
{
	for (size_t i = 0; i < l->slots.n; i++) {
		const struct config_key *k = l->slots.at[i].key;
		char env[CONFIG_NAME_MAX];
		config_env_name(k, env);
		if (str_eq(env, name) || (k->env && str_eq(k->env, name)))
			return true;
	}
	return false;
}

static int take_variable(struct config_load *l, struct config_slot *s, const char *name,
						 struct err *e)
{
	char file_name[CONFIG_NAME_MAX + 8];
	snprintf(file_name, sizeof(file_name), "%s_FILE", name);
	const char *text = getenv(name);
	const char *path = is_variable(l, file_name) ? NULL : getenv(file_name);
	bool has_text = text && *text, has_path = path && *path;
	if (has_text && has_path)
		return err_set(e, ERR_INVALID, "%s and %s are both set; unset one", name, file_name);
	if (has_text)
		config_offer(s, CONFIG_FROM_ENV, text, xstrdup(name));
	if (has_path) {
		CLEANUP(buf_release) struct buf value = {0};
		if (read_value_file(path, &value, e))
			return err_wrap(e, "%s", file_name);
		config_offer(s, CONFIG_FROM_ENV, value.data, xstrdup(file_name));
	}
	return 0;
}

static int take_env(struct config_load *l, struct err *e)
{
	for (size_t i = 0; i < l->slots.n; i++) {
		struct config_slot *s = &l->slots.at[i];
		char name[CONFIG_NAME_MAX];
		config_env_name(s->key, name);
		if (s->rank < CONFIG_FROM_ENV && take_variable(l, s, name, e))
			return ERR_INVALID;
		if (s->rank < CONFIG_FROM_ENV && s->key->env && take_variable(l, s, s->key->env, e))
			return ERR_INVALID;
	}
	return 0;
}

/* ---- all of it ---- */

static void make_slots(struct config_load *l)
{
	for (const struct config_key *const *t = l->p->tables; *t; t++) {
		for (const struct config_key *k = *t; k->name; k++) {
			l->slots.at = xreallocarray(l->slots.at, l->slots.n + 1, sizeof(*l->slots.at));
			struct config_slot *s = &l->slots.at[l->slots.n++];
			*s = (struct config_slot){.key = k};
			if (k->def)
				config_offer(s, CONFIG_FROM_DEFAULT, k->def, NULL);
		}
	}
}

static int store_values(struct config_load *l, void *values, struct err *e)
{
	for (size_t i = 0; i < l->slots.n; i++) {
		const struct config_slot *s = &l->slots.at[i];
		if (!s->text || config_value_set(s->key, s->text, values, e) == 0)
			continue;
		if (s->rank == CONFIG_FROM_FILE)
			err_wrap(e, "%s: %s", s->where, s->key->name);
		else
			err_wrap(e, "%s", s->where ? s->where : s->key->name);
		return ERR_INVALID;
	}
	return 0;
}

static int load(struct config_load *l, int argc, char **argv, void *values, struct err *e)
{
	int rc = config_take_flags(l, argc, argv, e);
	if (rc || l->extra.done)
		return rc;
	rc = take_file(l, e);
	if (!rc)
		rc = take_env(l, e);
	if (!rc)
		rc = store_values(l, values, e);
	if (!rc && l->show)
		rc = config_show(l, e);
	return rc;
}

int config_load(const struct config_program *p, int argc, char **argv, void *values,
				struct config_extra *ret_extra, struct err *e)
{
	struct config_load l = {.p = p};
	make_slots(&l);
	int rc = load(&l, argc, argv, values, e);
	for (size_t i = 0; i < l.slots.n; i++) {
		free(l.slots.at[i].text);
		free(l.slots.at[i].where);
	}
	free(l.slots.at);
	if (rc)
		config_release(p, values, &l.extra);
	else
		*ret_extra = l.extra;
	return rc;
}

void config_release(const struct config_program *p, void *values, struct config_extra *extra)
{
	for (const struct config_key *const *t = p->tables; *t; t++) {
		for (const struct config_key *k = *t; k->name; k++) {
			void *field = (char *)values + k->offset;
			if (k->type == CONFIG_STRING)
				free_ptr(field);
			else
				memset(field, 0, k->type == CONFIG_BOOL ? sizeof(bool) : sizeof(int64_t));
		}
	}
	for (size_t i = 0; i < extra->nargs; i++)
		free(extra->args[i]);
	free(extra->args);
	doc_free(extra->file);
	free(extra->path);
	*extra = (struct config_extra){0};
}
