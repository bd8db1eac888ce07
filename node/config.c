/*
 * The node's keys. The table says what may be set; what it can't express,
 * lists of words and the handlers' section, is split and checked here before
 * anything starts, so that a wrong word ends the start with a sentence and
 * never reaches a subject.
 */
#include "node/config.h"

#include <stdio.h>
#include <unistd.h>

static const struct config_key keys[] = {
	{"slots", CONFIG_INT, offsetof(struct node_config, slots), "10", "tasks at once",
	 "MAX_CONCURRENT_TASKS", 1, 10000},
	{"pool", CONFIG_STRING, offsetof(struct node_config, pool), "default",
	 "the pool this node belongs to", "AGENT_TYPE"},
	{"capabilities", CONFIG_STRING, offsetof(struct node_config, capabilities_text), NULL,
	 "what it can do, comma-separated: gpu,plugin-x"},
	{"model", CONFIG_STRING, offsetof(struct node_config, model), NULL,
	 "the model it serves; also the capability model_<model>"},
	{"handlers", CONFIG_STRING, offsetof(struct node_config, handlers_path), NULL,
	 "file with the list `handlers:`; without one all built-in handlers"},
	{"bridge", CONFIG_BOOL, offsetof(struct node_config, bridge), "false",
	 "serve lanes that no other node serves by requests on handle.<type>"},
	{"weight", CONFIG_INT, offsetof(struct node_config, weight), "1",
	 "its share in weighted balancing", NULL, 1, 1000},
	{"labels", CONFIG_STRING, offsetof(struct node_config, labels_text), NULL,
	 "k=v,… shown with the node"},
	{"agents.max", CONFIG_INT, offsetof(struct node_config, agents_max), "10",
	 "agents that may be placed here by name (handlers with spawned: true); 0: none", NULL, 0,
	 NODE_AGENTS_MAX},
	{"scaled", CONFIG_BOOL, offsetof(struct node_config, scaled), "false",
	 "a scaler started it, and may end it"},
	{"orphan_after", CONFIG_DURATION, offsetof(struct node_config, orphan_after_ns), "0",
	 "ends by itself when no scaler was heard of for so long; 0: never"},
	{"memory.payloads", CONFIG_SIZE, offsetof(struct node_config, memory_bytes), "256MiB",
	 "bodies and results held at once", NULL, 8 << 20, INT64_C(1) << 40},
	{"objects.dir", CONFIG_STRING, offsetof(struct node_config, object_dir), NULL,
	 "where fetched objects (Task-Object) lie while their tasks run; default $TMPDIR, else /tmp"},
	{"objects.disk", CONFIG_SIZE, offsetof(struct node_config, object_disk_bytes), "4GiB",
	 "bytes of them at most; tasks beyond wait for room", NULL, 1 << 20, INT64_C(1) << 46},
	{"objects.bytes", CONFIG_SIZE, offsetof(struct node_config, object_bytes), "16MiB",
	 "largest object for a handler that takes bytes, not a file", NULL, 0, INT64_C(1) << 32},
	{0},
};
static const struct config_key nats_keys[] = {BUS_CONFIG_KEYS(struct node_config, nats), {0}};
static const struct config_key daemon_keys[] = {DAEMON_CONFIG_KEYS(struct node_config, daemon),
												{0}};
static const struct config_key *const tables[] = {keys, nats_keys, daemon_keys, NULL};

const struct config_program node_program = {
	.name = "millrace-node",
	.summary = "Takes tasks from the lanes it can serve, runs them, reports their outcomes.",
	.usage = "[NAME] [options]",
	.tables = tables,
	.sections = "handlers",
	.epilog = "Without NAME the node is called after its host and process id.\n"
			  "Built-in handlers: echo, sleep, hash, stats, fail, flaky.",
};

void node_name_default(const char *host, long pid, char out[TOKEN_MAX + 1])
{
	char tail[24];
	size_t len = 0, tail_len = (size_t)snprintf(tail, sizeof(tail), "-%ld", pid);

	for (; *host && *host != '.' && len + tail_len < TOKEN_MAX; host++) {
		bool fits = (*host >= 'a' && *host <= 'z') || (*host >= 'A' && *host <= 'Z') ||
					(*host >= '0' && *host <= '9') || *host == '_';
		if (fits)
			out[len++] = *host;
		else if (len && out[len - 1] != '-')
			out[len++] = '-';
	}
	while (len && out[len - 1] == '-')
		len--;
	if (!len)
		len = (size_t)snprintf(out, TOKEN_MAX + 1, "node");
	memcpy(out + len, tail, tail_len + 1);
}

static int compare_words(const void *a, const void *b)
{
	return strcmp(*(const char *const *)a, *(const char *const *)b);
}

static int add_capability(struct node_config *c, const char *word, struct err *e)
{
	if (token_check("capability", word, e))
		return e->code;
	if (c->ncapabilities == NODE_CAPABILITIES_MAX)
		return err_set(e, ERR_INVALID, "capabilities: more than %d", NODE_CAPABILITIES_MAX);
	c->capabilities[c->ncapabilities++] = word;
	return 0;
}

/* A model is a capability, and both are split in place in one owned text. */
static int split_capabilities(struct node_config *c, struct err *e)
{
	const char *given = c->capabilities_text ? c->capabilities_text : "";
	bool model = c->model && *c->model;
	char *all = xasprintf("%s%s%s", given, model ? ",model_" : "", model ? c->model : "");
	char *save = NULL;
	size_t distinct = 0;

	if (model && token_check("model", c->model, e)) {
		free(all);
		return e->code;
	}
	free(c->capabilities_text);
	c->capabilities_text = all;
	for (char *w = strtok_r(all, ", ", &save); w; w = strtok_r(NULL, ", ", &save)) {
		if (add_capability(c, w, e))
			return e->code;
	}
	qsort(c->capabilities, c->ncapabilities, sizeof(c->capabilities[0]), compare_words);
	for (size_t i = 0; i < c->ncapabilities; i++) {
		if (!distinct || !str_eq(c->capabilities[distinct - 1], c->capabilities[i]))
			c->capabilities[distinct++] = c->capabilities[i];
	}
	c->ncapabilities = distinct;
	return 0;
}

static int split_labels(struct node_config *c, struct err *e)
{
	char *save = NULL;

	if (!c->labels_text)
		return 0;
	for (char *w = strtok_r(c->labels_text, ",", &save); w; w = strtok_r(NULL, ",", &save)) {
		char *value = strchr(w, '=');
		if (!value || value == w)
			return err_set(e, ERR_INVALID, "labels: \"%s\" is not k=v", w);
		if (c->nlabels == NODE_LABELS_MAX)
			return err_set(e, ERR_INVALID, "labels: more than %d", NODE_LABELS_MAX);
		*value++ = '\0';
		c->labels[c->nlabels++] = (struct node_label){w, value};
	}
	return 0;
}

static int take_name(struct node_config *c, const struct config_extra *extra, struct err *e)
{
	char host[256] = "";

	if (extra->nargs > 1)
		return err_set(e, ERR_INVALID, "one NAME, not also \"%s\"", extra->args[1]);
	if (!extra->nargs) {
		if (gethostname(host, sizeof(host) - 1))
			host[0] = '\0';
		node_name_default(host, (long)getpid(), c->name);
		return 0;
	}
	if (token_check("node name", extra->args[0], e))
		return e->code;
	memcpy(c->name, extra->args[0], strlen(extra->args[0]) + 1);
	return 0;
}

/* --handlers wins over the section. A bridge without either has no handlers of its own. */
static int take_handlers(struct node_config *c, const struct config_extra *extra, struct err *e)
{
	c->none = (struct doc){.kind = DOC_LIST};
	if (c->handlers_path) {
		if (doc_read(c->handlers_path, &c->handlers_file, e))
			return err_wrap(e, "handlers");
		c->handlers =
			c->handlers_file->kind == DOC_MAP ? doc_get(c->handlers_file, "handlers") : NULL;
		if (!c->handlers)
			return err_set(e, ERR_INVALID, "%s: no list `handlers:`", c->handlers_path);
	} else if (extra->file) {
		c->handlers = doc_get(extra->file, "handlers");
	}
	if (c->handlers && c->handlers->kind != DOC_LIST)
		return err_set(e, ERR_INVALID, "%s:%u: `handlers:` is not a list",
					   c->handlers_path ? c->handlers_path : extra->path, c->handlers->line);
	if (!c->handlers && c->bridge)
		c->handlers = &c->none;
	return 0;
}

int node_config_finish(struct node_config *c, const struct config_extra *extra, struct err *e)
{
	int rc = take_name(c, extra, e);

	if (!rc)
		rc = split_capabilities(c, e);
	if (!rc)
		rc = split_labels(c, e);
	if (!rc && token_check("pool", c->pool ? c->pool : "", e))
		rc = e->code;
	if (!rc)
		rc = take_handlers(c, extra, e);
	return rc;
}

void node_config_release(struct node_config *c, struct config_extra *extra)
{
	doc_free(c->handlers_file);
	c->handlers_file = NULL;
	config_release(&node_program, c, extra);
}
