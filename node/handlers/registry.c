/*
 * The handlers of a node: which type is executed by which kind. Reads the
 * `handlers:` list; without one it makes one handler for each built-in. It
 * stands alone so that the node knows types and the kinds know work, and
 * neither the other. Opening fails with the line at fault, and then nothing
 * is left; closing waits for every handler to say that it is closed.
 */
#include "node/handlers/registry.h"

#include <uthash.h>

#include "common/token.h"
#include "node/handlers/kinds.h"
#include "common/section.h"

enum { SLOTS_MAX = 100000, VERSION_MAX = 64 };

static const struct handler_kind *const kinds[] = {
	&kind_echo, &kind_sleep, &kind_hash,   &kind_stats,   &kind_fail,
	&kind_flaky, &kind_exec, &kind_worker, &kind_service, &kind_http,
};
enum { BUILT_IN = 6 }; /* the first of them need no configuration */

struct entry {
	struct handler handler;
	bool bridged;
	UT_hash_handle hh;
};

struct handlers {
	const struct handler_context *ctx;
	struct entry *by_type; /* in the order they were made */
	struct handler **listed;
	size_t listed_len;
	size_t unclosed;
	bool closing;
	void (*on_closed)(void *data);
	void *data;
};

struct common_keys {
	char *type, *kind, *version;
	int64_t timeout_ns, slots;
};
static const struct config_key keys[] = {
	{"type", CONFIG_STRING, offsetof(struct common_keys, type), NULL, "the type of task it executes"},
	{"kind", CONFIG_STRING, offsetof(struct common_keys, kind), NULL,
	 "how; may be left out where the type is a built-in"},
	{"timeout", CONFIG_DURATION, offsetof(struct common_keys, timeout_ns), "0", "for tasks that name none"},
	{"version", CONFIG_STRING, offsetof(struct common_keys, version), NULL,
	 "of what executes it: tells the failures of one version from another's"},
	{"slots", CONFIG_INT, offsetof(struct common_keys, slots), "0", "executions at once", NULL, 0, SLOTS_MAX},
	{0},
};

const struct handler_kind *handler_kind_named(const char *name)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		if (str_eq(kinds[i]->name, name))
			return kinds[i];
	}
	return NULL;
}

void handler_kind_names(struct buf *out)
{
	for (size_t i = 0; i < ARRAY_LEN(kinds); i++) {
		buf_printf(out, "%s%s", i ? ", " : "", kinds[i]->name);
	}
}

static struct entry *add(struct handlers *hs, const char *type, const struct handler_kind *kind)
{
	struct entry *n = xcalloc(1, sizeof *n);
	n->handler.type = xstrdup(type);
	n->handler.kind = kind;
	n->handler.ctx = hs->ctx;
	n->handler.owner = hs;
	hs->unclosed++;
	HASH_ADD_KEYPTR(hh, hs->by_type, n->handler.type, strlen(n->handler.type), n);
	return n;
}

static struct entry *find(const struct handlers *hs, const char *type)
{
	struct entry *n = NULL;
	HASH_FIND_STR(hs->by_type, type, n);
	return n;
}

static void enlist(struct handlers *hs, struct entry *n)
{
	hs->listed = xreallocarray(hs->listed, hs->listed_len + 1, sizeof(struct handler *));
	hs->listed[hs->listed_len++] = &n->handler;
}

static int check_type(const struct handlers *hs, const struct doc *d, const struct common_keys *c,
                      struct err *e)
{
	if (c->type == NULL) {
		err_set(e, ERR_INVALID, "line %u: type is missing", d->line);
		return ERR_INVALID;
	}
	unsigned line = doc_get(d, "type")->line;
	if (token_check("type", c->type, e) < 0)
		return err_wrap(e, "line %u", line);
	if (find(hs, c->type))
		return err_set(e, ERR_INVALID, "line %u: type %s is there twice", line, c->type);
	return 0;
}

/* It becomes a header. */
static int check_version(const struct doc *d, const struct common_keys *c, struct err *e)
{
	if (c->version == NULL)
		return 0;
	size_t len = strlen(c->version);
	for (size_t i = 0; i < len; i++) {
		if (c->version[i] <= ' ' || c->version[i] > '~')
			len = VERSION_MAX + 1;
	}
	if (len > VERSION_MAX)
		return err_set(e, ERR_INVALID,
		               "line %u: version: at most %d printable characters without blanks, such as 1.4.2",
		               doc_get(d, "version")->line, VERSION_MAX);
	return 0;
}

/* NULL: there is no such kind, and e says so. */
static const struct handler_kind *kind_of(const struct doc *d, const struct common_keys *c, struct err *e)
{
	const struct handler_kind *kind = handler_kind_named(c->kind ? c->kind : c->type);
	if (kind)
		return kind;
	CLEANUP(buf_release) struct buf names = {0};
	handler_kind_names(&names);
	if (c->kind == NULL) {
		err_set(e, ERR_INVALID, "line %u: kind is missing: one of %s", d->line, names.data);
	} else {
		err_set(e, ERR_INVALID, "line %u: unknown kind \"%.64s\": there are %s", doc_get(d, "kind")->line,
		        c->kind, names.data);
	}
	return NULL;
}

/* A map without the keys that the kind at hand has not: those of the kind are checked by its open. */
static int read_common(const struct doc *d, struct common_keys *ret, struct err *e)
{
	for (const struct config_key *k = keys; k->name; k++) {
		const struct doc *v = doc_get(d, k->name);
		const char *text = v && v->kind == DOC_SCALAR ? v->scalar : v ? NULL : k->def;
		if (v && text == NULL)
			return err_set(e, ERR_INVALID, "line %u: %s takes one value", v->line, k->name);
		if (text && config_value_set(k, text, ret, e) < 0)
			return err_wrap(e, "line %u: %s", v ? v->line : 0, k->name);
	}
	return 0;
}

static void release_common(struct common_keys *c)
{
	section_release(keys, c);
}

static int open_one(struct handlers *hs, const struct doc *d, struct err *e)
{
	CLEANUP(release_common) struct common_keys c = {0};
	if (d->kind != DOC_MAP)
		return err_set(e, ERR_INVALID, "line %u: a handler is a map with type and kind", d->line);
	if (hs->listed_len == HANDLERS_MAX)
		return err_set(e, ERR_INVALID, "line %u: more than %d handlers", d->line, HANDLERS_MAX);
	int rc = read_common(d, &c, e);
	if (rc < 0)
		return rc;
	rc = check_version(d, &c, e);
	if (rc < 0)
		return rc;
	rc = check_type(hs, d, &c, e);
	if (rc < 0)
		return rc;
	const struct handler_kind *kind = kind_of(d, &c, e);
	if (kind == NULL)
		return ERR_INVALID;
	struct entry *n = add(hs, c.type, kind);
	enlist(hs, n);
	n->handler.timeout_ns = c.timeout_ns;
	n->handler.slots = (unsigned)c.slots;
	n->handler.version = TAKE(c.version);
	rc = kind->open(&n->handler, d, e);
	return rc < 0 ? err_wrap(e, "handler %s", c.type) : 0;
}

static int open_built_in(struct handlers *hs, struct err *e)
{
	for (size_t i = 0; i < BUILT_IN; i++) {
		struct entry *n = add(hs, kinds[i]->name, kinds[i]);
		enlist(hs, n);
		int rc = kinds[i]->open(&n->handler, NULL, e);
		if (rc < 0)
			return rc;
	}
	return 0;
}

static int open_all(struct handlers *hs, const struct doc *list, struct err *e)
{
	if (list == NULL)
		return open_built_in(hs, e);
	if (list->kind != DOC_LIST)
		return err_set(e, ERR_INVALID, "line %u: handlers is a list of maps with type and kind",
		               list->line);
	int rc = 0;
	for (const struct doc *d = list->child; d && rc == 0; d = d->next) {
		rc = open_one(hs, d, e);
	}
	return rc;
}

int handlers_open(const struct doc *list, const struct handler_context *ctx, struct handlers **ret,
                  struct err *e)
{
	struct handlers *hs = xcalloc(1, sizeof *hs);
	hs->ctx = ctx;
	int rc = open_all(hs, list, e);
	if (rc < 0) {
		handlers_close(&hs, NULL, NULL);
		return rc;
	}
	*ret = hs;
	return 0;
}

struct handler *handlers_find(const struct handlers *hs, const char *type)
{
	struct entry *n = find(hs, type);
	return n && !n->bridged ? &n->handler : NULL;
}

size_t handlers_count(const struct handlers *hs)
{
	return hs->listed_len;
}

struct handler *handlers_at(const struct handlers *hs, size_t i)
{
	return i < hs->listed_len ? hs->listed[i] : NULL;
}

struct handler *handlers_bridge(struct handlers *hs, const char *type)
{
	struct entry *n = find(hs, type);
	if (n)
		return &n->handler;
	n = add(hs, type, &kind_service);
	n->bridged = true;
	struct err e = {0};
	int rc = kind_service.open(&n->handler, NULL, &e);
	(void)rc; /* without a configuration there is nothing that could be wrong */
	return &n->handler;
}

static void free_when_closed(struct handlers *hs)
{
	if (!hs->closing || hs->unclosed > 0)
		return;
	void (*on_closed)(void *data) = hs->on_closed;
	void *data = hs->data;
	struct entry *n, *next;
	HASH_ITER(hh, hs->by_type, n, next) {
		HASH_DEL(hs->by_type, n);
		free(n->handler.type);
		free(n->handler.version);
		free(n);
	}
	free(hs->listed);
	free(hs);
	if (on_closed)
		on_closed(data);
}

void handler_closed(struct handler *h)
{
	struct handlers *hs = h->owner;
	hs->unclosed--;
	free_when_closed(hs);
}

void handlers_close(struct handlers **hs, void (*on_closed)(void *data), void *data)
{
	struct handlers *all = TAKE(*hs);
	if (all == NULL) {
		if (on_closed)
			on_closed(data);
		return;
	}
	all->on_closed = on_closed;
	all->data = data;
	all->unclosed++; /* ours: nothing is freed while we go through them */
	struct entry *n, *next;
	HASH_ITER(hh, all->by_type, n, next) {
		n->handler.kind->close(&n->handler);
	}
	all->closing = true;
	all->unclosed--;
	free_when_closed(all);
}
