/*
 * The section `types:` of the router's file:
 *
 *	types:
 *	  summarize:
 *	    attempts: 6      # all of them, the first included
 *	    base: 2s         # after the first failure
 *	    factor: 3        # more after each further one
 *	    max: 5m          # at most
 *	    timeout: 2m      # of a task that has no Task-Timeout
 *
 * It stands alone because it is the one part of the configuration that is a
 * table. Headers of a task win over it, it wins over retry.*. A key that is
 * not known, a value that makes no sense and a name that no type can have end
 * the start with path and line.
 */
#include "router/types.h"

#include <uthash.h>

#include "common/token.h"

#define TYPES_MAX 2000

struct type_rule {
	char type[TOKEN_MAX + 1];
	int64_t attempts, base_ns, max_ns, timeout_ns; /* -1: not said */
	double factor;                                 /* 0: not said */
	UT_hash_handle hh;
};

struct types {
	struct type_rule *all;
};

static const struct config_key keys[] = {
	{"attempts", CONFIG_INT, offsetof(struct type_rule, attempts), NULL, "", NULL, 1, 1000},
	{"base", CONFIG_DURATION, offsetof(struct type_rule, base_ns), NULL, ""},
	{"max", CONFIG_DURATION, offsetof(struct type_rule, max_ns), NULL, ""},
	{"timeout", CONFIG_DURATION, offsetof(struct type_rule, timeout_ns), NULL, "", NULL, NS_PER_MS,
	 INT64_MAX},
};

static int fault(const char *path, const struct doc *d, const char *type, struct err *e)
{
	return err_wrap(e, "%s:%u: types: %s", path, d->line, type);
}

static int read_value(const struct doc *d, struct type_rule *r, struct err *e)
{
	if (d->kind != DOC_SCALAR)
		return err_set(e, ERR_INVALID, "%s: is no plain value", d->key);
	if (str_eq(d->key, "factor"))
		return backoff_factor_parse(d->scalar, &r->factor, e) ? err_wrap(e, "factor") : 0;
	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (str_eq(d->key, keys[i].name))
			return config_value_set(&keys[i], d->scalar, r, e);
	}
	return err_set(e, ERR_INVALID, "\"%.40s\" is none of attempts, base, factor, max, timeout",
				   d->key);
}

static int read_type(const struct doc *d, const char *path, struct types *ts, struct err *e)
{
	struct type_rule *r;

	if (token_check("type", d->key, e))
		return err_wrap(e, "%s:%u: types", path, d->line);
	if (d->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "%s:%u: types: %s: is no map, such as {attempts: 6}", path,
					   d->line, d->key);
	if (HASH_COUNT(ts->all) >= TYPES_MAX)
		return err_set(e, ERR_INVALID, "%s:%u: types: more than %d", path, d->line, TYPES_MAX);
	r = xcalloc(1, sizeof(*r));
	memcpy(r->type, d->key, strlen(d->key) + 1);
	r->attempts = r->base_ns = r->max_ns = r->timeout_ns = -1;
	HASH_ADD_STR(ts->all, type, r);
	for (const struct doc *v = d->child; v; v = v->next) {
		if (read_value(v, r, e))
			return fault(path, v, d->key, e);
	}
	if (r->base_ns >= 0 && r->max_ns >= 0 && r->max_ns < r->base_ns) {
		err_set(e, ERR_INVALID, "max is less than base");
		return fault(path, d, d->key, e);
	}
	return 0;
}

int types_read(const struct doc *file, const char *path, struct types **ret, struct err *e)
{
	const struct doc *section = doc_get(file, "types");
	struct types *ts = xcalloc(1, sizeof(*ts));
	int rc = 0;

	/* A section without anything in it is a scalar without letters. */
	bool empty = !section || (section->kind == DOC_SCALAR && !*section->scalar);
	if (!empty && section->kind != DOC_MAP)
		rc = err_set(e, ERR_INVALID, "%s:%u: types: is no map of types", path, section->line);
	for (const struct doc *d = empty || rc ? NULL : section->child; d && !rc; d = d->next)
		rc = read_type(d, path, ts, e);
	if (rc) {
		types_free(&ts);
		return rc;
	}
	*ret = ts;
	return 0;
}

void types_free(struct types **pts)
{
	struct types *ts = TAKE(*pts);
	struct type_rule *r, *tmp;

	if (!ts)
		return;
	HASH_ITER (hh, ts->all, r, tmp) {
		HASH_DEL(ts->all, r);
		free(r);
	}
	free(ts);
}

static const struct type_rule *find(const struct types *ts, const char *type)
{
	struct type_rule *r = NULL;

	if (ts && ts->all)
		HASH_FIND_STR(ts->all, type, r);
	return r;
}

void types_retry(const struct types *ts, const char *type, struct retry_rule *io)
{
	const struct type_rule *r = find(ts, type);

	if (!r)
		return;
	if (r->attempts >= 0)
		io->attempts = (unsigned)r->attempts;
	if (r->base_ns >= 0)
		io->base_ns = r->base_ns;
	if (r->factor > 0)
		io->factor = r->factor;
	if (r->max_ns >= 0)
		io->max_ns = r->max_ns;
	io->max_ns = MAX_OF(io->max_ns, io->base_ns);
}

int64_t types_timeout_ns(const struct types *ts, const char *type)
{
	const struct type_rule *r = find(ts, type);

	return r && r->timeout_ns > 0 ? r->timeout_ns : 0;
}
