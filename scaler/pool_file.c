/*
 * The section `pools:` of the scaler's file:
 *
 *	pools:
 *	  - name: general
 *	    min: 1               # nodes
 *	    max: 20
 *	    wait: 2s             # 95 % of its tasks are to wait less
 *	    handlers: handlers.yaml
 *	  - name: agents
 *	    agents: 10           # of each process: a pool of agents
 *	    handlers: ../agents/handlers.yaml
 *
 * It stands alone because it is the one part of the configuration that is a
 * list. What a pool serves is read from its handlers' file, so that its first
 * task finds it when it has no node yet. Every fault names file and line.
 */
#include "scaler/config.h"

#include <stdio.h>

#include "common/clock.h"
#include "common/section.h"

#define LIST_KEYS "command,start,stop,env"

static const struct config_key keys[] = {
	{"driver", CONFIG_STRING, offsetof(struct pool_config, driver_text), "process", ""},
	{"min", CONFIG_INT, offsetof(struct pool_config, min), "1", "", NULL, 0, 10000},
	{"max", CONFIG_INT, offsetof(struct pool_config, max), "10", "", NULL, 0, 10000},
	{"step", CONFIG_INT, offsetof(struct pool_config, step), "10", "", NULL, 1, 10000},
	{"slots", CONFIG_INT, offsetof(struct pool_config, slots), "10", "", NULL, 1, 10000},
	{"agents", CONFIG_INT, offsetof(struct pool_config, agents), "0", "", NULL, 0, 100},
	{"full", CONFIG_INT, offsetof(struct pool_config, full_percent), "80", "", NULL, 1, 100},
	{"wait", CONFIG_DURATION, offsetof(struct pool_config, promise_ns), "2s", "", NULL,
	 10 * NS_PER_MS, INT64_MAX},
	{"up", CONFIG_DURATION, offsetof(struct pool_config, up_cooldown_ns), "2s", ""},
	{"down", CONFIG_DURATION, offsetof(struct pool_config, down_cooldown_ns), "30s", ""},
	{"idle", CONFIG_DURATION, offsetof(struct pool_config, idle_ns), "60s", ""},
	{"starts_in", CONFIG_DURATION, offsetof(struct pool_config, start_ns), "2s", ""},
	{"capabilities", CONFIG_STRING, offsetof(struct pool_config, capabilities_text), NULL, ""},
	{"handlers", CONFIG_STRING, offsetof(struct pool_config, handlers_path), NULL, ""},
	{"types", CONFIG_STRING, offsetof(struct pool_config, types_text), NULL, ""},
	{0},
};

static const char *const builtin[] = {"echo", "sleep", "hash", "stats", "fail", "flaky"};

const char *driver_name(enum driver_kind k)
{
	switch (k) {
	case DRIVER_PROCESS:
		return "process";
	case DRIVER_EXEC:
		return "exec";
	case DRIVER_ADVISE:
		return "advise";
	}
	return "";
}

static int read_driver(struct pool_config *p, struct err *e)
{
	static const enum driver_kind kinds[] = {DRIVER_PROCESS, DRIVER_EXEC, DRIVER_ADVISE};

	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(p->driver_text, driver_name(kinds[i]))) {
			p->driver = kinds[i];
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "driver: \"%s\" is none of process, exec, advise",
				   p->driver_text);
}

/* "a, b" as a list of tokens. */
static int split(const char *what, const char *text, char ***ret, struct err *e)
{
	CLEANUP(free_ptr) char *copy = xstrdup(text);
	char *save = NULL;

	for (char *w = strtok_r(copy, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		if (token_check(what, w, e))
			return e->code;
		strings_add(ret, xstrdup(w));
	}
	return 0;
}

/* Anything wrong with it is the node's to say. */
static bool is_spawned(const struct doc *handler)
{
	static const struct config_key key = {"spawned", CONFIG_BOOL, 0, "false", ""};
	const struct doc *d = handler->kind == DOC_MAP ? doc_get(handler, key.name) : NULL;
	bool spawned = false;
	struct err e;

	return d && d->kind == DOC_SCALAR && config_value_set(&key, d->scalar, &spawned, &e) == 0 && spawned;
}

/* The types of a handlers' file, which the nodes will read too. */
static int types_of_file(struct pool_config *p, struct err *e)
{
	struct doc *file = NULL;
	bool spawned = false;
	int rc = doc_read(p->handlers_path, &file, e);
	const struct doc *list = rc ? NULL : doc_get(file, "handlers");

	if (!rc && (!list || list->kind != DOC_LIST))
		rc = err_set(e, ERR_INVALID, "%s: no list `handlers:`", p->handlers_path);
	for (const struct doc *d = rc ? NULL : list->child; d; d = d->next) {
		const struct doc *type = d->kind == DOC_MAP ? doc_get(d, "type") : NULL;

		spawned = spawned || is_spawned(d);
		if (type && type->kind == DOC_SCALAR && token_ok(type->scalar, strlen(type->scalar)))
			strings_add(&p->types, xstrdup(type->scalar));
	}
	doc_free(file);
	if (!rc && p->agents && !spawned)
		rc = err_set(e, ERR_INVALID, "%s: no entry has `spawned: true`, so no agent could be placed",
					 p->handlers_path);
	return rc;
}

/* A relative path counts from where the scaler's file lies: the scaler may be started from anywhere. */
static void anchor(struct pool_config *p, const char *path)
{
	const char *slash = path ? strrchr(path, '/') : NULL;

	if (!p->handlers_path || p->handlers_path[0] == '/' || !slash)
		return;
	char *whole = xasprintf("%.*s/%s", (int)(slash - path), path, p->handlers_path);
	free(p->handlers_path);
	p->handlers_path = whole;
}

static int finish(struct pool_config *p, const char *path, struct err *e)
{
	int rc = read_driver(p, e);

	if (!rc && p->max < p->min)
		rc = err_set(e, ERR_INVALID, "max (%lld) is less than min (%lld)", (long long)p->max,
					 (long long)p->min);
	if (!rc && p->driver == DRIVER_EXEC && (!p->start || !p->stop))
		rc = err_set(e, ERR_INVALID, "driver exec needs the commands start and stop, as [kubectl, …]");
	if (!rc && p->capabilities_text)
		rc = split("capabilities", p->capabilities_text, &p->capabilities, e);
	if (!rc && p->types_text)
		rc = split("types", p->types_text, &p->types, e);
	anchor(p, path);
	if (!rc && !p->types && p->handlers_path)
		rc = types_of_file(p, e);
	if (!rc && p->agents && !p->handlers_path && !p->command)
		rc = err_set(e, ERR_INVALID,
					 "a pool of agents needs `handlers:`, a file whose entries have `spawned: true`");
	p->rule = (struct policy_rule){
		.min = (unsigned)p->min,
		.max = (unsigned)p->max,
		.step = (unsigned)p->step,
		.slots = (unsigned)p->slots,
		.full = (double)p->full_percent / 100.0,
		.promise_s = (double)p->promise_ns / NS_PER_S,
		.up_cooldown_s = (double)p->up_cooldown_ns / NS_PER_S,
		.down_cooldown_s = (double)p->down_cooldown_ns / NS_PER_S,
		.idle_s = (double)p->idle_ns / NS_PER_S,
		.start_s = (double)p->start_ns / NS_PER_S,
	};
	return rc;
}

static int read_one(const struct doc *d, const char *path, struct pool_config *p, struct err *e)
{
	const struct doc *name = d->kind == DOC_MAP ? doc_get(d, "name") : NULL;

	p->line = d->line;
	if (!name || name->kind != DOC_SCALAR)
		return err_set(e, ERR_INVALID, "line %u: a pool is a map with a name, as {name: gpu, max: 4}",
					   d->line);
	if (token_check("name", name->scalar, e) ||
		section_read(d, keys, "name," LIST_KEYS, p, e) ||
		section_list(d, "command", &p->command, e) || section_list(d, "start", &p->start, e) ||
		section_list(d, "stop", &p->stop, e) || section_env(d, "env", &p->env, e))
		return e->code;
	memcpy(p->name, name->scalar, strlen(name->scalar) + 1);
	/* Agents are asked for one by one: a process too many serves nobody, unless it is wanted. */
	if (p->agents && !doc_get(d, "full"))
		p->full_percent = 100;
	return finish(p, path, e) ? err_wrap(e, "line %u: pool %s", d->line, p->name) : 0;
}

static int read_list(const struct doc *list, const char *path, struct pool_config *pools, size_t *n,
					 struct err *e)
{
	for (const struct doc *d = list->child; d; d = d->next) {
		if (*n == POOLS_MAX)
			return err_set(e, ERR_INVALID, "line %u: more than %d pools", d->line, POOLS_MAX);
		struct pool_config *p = &pools[(*n)++];
		if (read_one(d, path, p, e))
			return e->code;
		for (size_t i = 0; i + 1 < *n; i++) {
			if (str_eq(pools[i].name, p->name))
				return err_set(e, ERR_INVALID, "line %u: pool %s is there twice", d->line, p->name);
		}
	}
	return 0;
}

int pool_file_read(const struct doc *list, const char *path, struct pool_config **ret, size_t *ret_n,
				   struct err *e)
{
	struct pool_config *pools = xcalloc(POOLS_MAX, sizeof(*pools));
	size_t n = 0;
	int rc = 0;

	if (!list) {
		memcpy(pools[n].name, "default", sizeof("default"));
		rc = section_read(NULL, keys, NULL, &pools[n], e) || finish(&pools[n], NULL, e) ? e->code : 0;
		n++;
	} else if (list->kind != DOC_LIST) {
		rc = err_set(e, ERR_INVALID, "line %u: `pools:` is not a list", list->line);
	} else {
		rc = read_list(list, path, pools, &n, e);
	}
	if (rc) {
		pool_file_free(pools, n);
		return path ? err_wrap(e, "%s", path) : rc;
	}
	*ret = pools;
	*ret_n = n;
	return 0;
}

void pool_file_free(struct pool_config *pools, size_t n)
{
	for (size_t i = 0; pools && i < n; i++) {
		section_release(keys, &pools[i]);
		strings_free(&pools[i].command);
		strings_free(&pools[i].start);
		strings_free(&pools[i].stop);
		strings_free(&pools[i].env);
		strings_free(&pools[i].types);
		strings_free(&pools[i].capabilities);
	}
	free(pools);
}

bool pool_config_serves(const struct pool_config *p, const struct lane *lane)
{
	const char *const *types = p->types ? (const char *const *)(uintptr_t)p->types : builtin;
	size_t n = p->types ? strings_count(p->types) : ARRAY_LEN(builtin);
	bool has = false;

	for (size_t i = 0; i < n && !has; i++)
		has = str_eq(types[i], lane->type);
	return has && lane_served_by(lane, (const char *const *)(uintptr_t)p->capabilities,
								 strings_count(p->capabilities));
}
