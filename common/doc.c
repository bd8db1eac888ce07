/*
 * A YAML file as a small tree. It stands alone so that libyaml's events meet
 * nobody else. The tree grows along a stack of the open maps and lists; each
 * value hangs itself behind its elder sibling. All limits hold while reading,
 * so a hostile file costs no more than its limit. What fails frees the tree
 * and names path and line.
 */
#include "common/config.h"

#include <errno.h>
#include <stdio.h>
#include <yaml.h>

#include "common/buf.h"

enum { FILE_MAX_BYTES = 1024 * 1024, DEPTH_MAX = 16, VALUES_MAX = 10000 };

struct open_node {
	struct doc *d;
	struct doc **tail; /* where the next child goes */
};

struct reading {
	const char *name;
	struct open_node stack[DEPTH_MAX];
	unsigned depth;
	unsigned values;
	struct doc *root;
	char *key; /* read, waiting for its value */
	unsigned key_line;
};

void doc_free(struct doc *d)
{
	while (d) {
		struct doc *next = d->next;
		doc_free(d->child); /* as deep as DEPTH_MAX */
		free(d->key);
		free(d->scalar);
		free(d);
		d = next;
	}
}

const struct doc *doc_get(const struct doc *map, const char *key)
{
	if (!map || map->kind != DOC_MAP)
		return NULL;
	for (const struct doc *d = map->child; d; d = d->next) {
		if (str_eq(d->key, key))
			return d;
	}
	return NULL;
}

static int blame(const struct reading *r, unsigned line, struct err *e, const char *words)
{
	return err_set(e, ERR_INVALID, "%s:%u: %s", r->name, line, words);
}

/* Hangs a value into the innermost open map or list; with a key that waits, in a map. */
static int hang(struct reading *r, struct doc *d, struct err *e)
{
	if (++r->values > VALUES_MAX) {
		int rc = blame(r, d->line, e, "too many values");
		doc_free(d);
		return rc;
	}
	d->key = TAKE(r->key);
	if (r->depth == 0)
		r->root = d;
	else {
		struct open_node *top = &r->stack[r->depth - 1];
		*top->tail = d;
		top->tail = &d->next;
	}
	return 0;
}

static bool waits_for_key(const struct reading *r)
{
	return r->depth > 0 && r->stack[r->depth - 1].d->kind == DOC_MAP && !r->key;
}

static int take_key(struct reading *r, const char *text, unsigned line, struct err *e)
{
	if (doc_get(r->stack[r->depth - 1].d, text))
		return err_set(e, ERR_INVALID, "%s:%u: \"%.100s\" stands here twice", r->name, line, text);
	r->key = xstrdup(text);
	r->key_line = line;
	return 0;
}

static int take_scalar(struct reading *r, const yaml_event_t *ev, unsigned line, struct err *e)
{
	const char *text = (const char *)ev->data.scalar.value;
	size_t len = ev->data.scalar.length;
	if (ev->data.scalar.anchor)
		return blame(r, line, e, "anchors are not supported");
	if (memchr(text, '\0', len))
		return blame(r, line, e, "a value holds a NUL character");
	if (waits_for_key(r))
		return take_key(r, text, line, e);
	bool null = ev->data.scalar.style == YAML_PLAIN_SCALAR_STYLE &&
				(str_eq(text, "~") || str_eq(text, "null"));
	struct doc *d = xcalloc(1, sizeof(*d));
	d->kind = DOC_SCALAR;
	d->scalar = null ? xstrdup("") : xmemdup0(text, len);
	d->line = line;
	return hang(r, d, e);
}

static int open_node(struct reading *r, enum doc_kind kind, bool anchored, unsigned line,
					 struct err *e)
{
	if (anchored)
		return blame(r, line, e, "anchors are not supported");
	if (waits_for_key(r))
		return blame(r, line, e, "a key must be a word");
	if (r->depth == DEPTH_MAX)
		return blame(r, line, e, "nested too deep");
	struct doc *d = xcalloc(1, sizeof(*d));
	d->kind = kind;
	d->line = r->key ? r->key_line : line;
	if (hang(r, d, e))
		return ERR_INVALID;
	r->stack[r->depth++] = (struct open_node){d, &d->child};
	return 0;
}

/* 1: go on; 0: the end; negative: an error. */
static int take_event(struct reading *r, const yaml_event_t *ev, struct err *e)
{
	unsigned line = (unsigned)ev->start_mark.line + 1;
	switch (ev->type) {
	case YAML_DOCUMENT_START_EVENT:
		if (r->root)
			return blame(r, line, e, "a second document begins; one is the most");
		return 1;
	case YAML_ALIAS_EVENT:
		return blame(r, line, e, "aliases are not supported");
	case YAML_SCALAR_EVENT:
		return take_scalar(r, ev, line, e) ? ERR_INVALID : 1;
	case YAML_SEQUENCE_START_EVENT:
		return open_node(r, DOC_LIST, ev->data.sequence_start.anchor, line, e) ? ERR_INVALID : 1;
	case YAML_MAPPING_START_EVENT:
		return open_node(r, DOC_MAP, ev->data.mapping_start.anchor, line, e) ? ERR_INVALID : 1;
	case YAML_SEQUENCE_END_EVENT:
	case YAML_MAPPING_END_EVENT:
		r->depth--;
		return 1;
	case YAML_STREAM_END_EVENT:
		return 0;
	case YAML_NO_EVENT:
	case YAML_STREAM_START_EVENT:
	case YAML_DOCUMENT_END_EVENT:
		return 1;
	}
	return 1;
}

static int read_events(struct reading *r, yaml_parser_t *parser, struct err *e)
{
	int more = 1;
	while (more > 0) {
		yaml_event_t ev;
		if (!yaml_parser_parse(parser, &ev))
			return err_set(e, ERR_INVALID, "%s:%zu: %s", r->name, parser->problem_mark.line + 1,
						   parser->problem ? parser->problem : "not YAML");
		more = take_event(r, &ev, e);
		yaml_event_delete(&ev);
	}
	return more;
}

int doc_parse(const char *name, const void *text, size_t len, struct doc **ret, struct err *e)
{
	if (len > FILE_MAX_BYTES)
		return err_set(e, ERR_TOO_LARGE, "%s: larger than 1 MiB", name);
	yaml_parser_t parser;
	if (!yaml_parser_initialize(&parser))
		return err_set(e, ERR_FAILED, "%s: cannot start the YAML parser", name);
	yaml_parser_set_input_string(&parser, text, len);
	struct reading r = {.name = name};
	int rc = read_events(&r, &parser, e);
	yaml_parser_delete(&parser);
	free(r.key);
	if (rc) {
		doc_free(r.root);
		return rc;
	}
	if (!r.root || (r.root->kind == DOC_SCALAR && !*r.root->scalar)) {
		doc_free(r.root);
		r.root = xcalloc(1, sizeof(*r.root));
		r.root->kind = DOC_MAP;
		r.root->line = 1;
	}
	*ret = r.root;
	return 0;
}

int doc_read(const char *path, struct doc **ret, struct err *e)
{
	FILE *f = fopen(path, "re");
	if (!f)
		return err_set(e, errno == ENOENT ? ERR_NOT_FOUND : ERR_IO, "%s: %s", path,
					   strerror(errno));
	CLEANUP(buf_release) struct buf text = {0};
	buf_reserve(&text, FILE_MAX_BYTES + 1);
	text.len = fread(text.data, 1, FILE_MAX_BYTES + 1, f);
	bool failed = ferror(f);
	int error = errno;
	fclose(f);
	if (failed)
		return err_set(e, ERR_IO, "%s: %s", path, strerror(error));
	return doc_parse(path, text.data, text.len, ret, e);
}
