/*
 * The page at /docs, made of the OpenAPI description: no script, no other
 * host, readable in any browser. It stands alone, JSON in and HTML out. What
 * the description leaves out is left out here; every text is escaped.
 */
#include <stdio.h>
#include <strings.h>

#include "gateway/docs.h"

static const char *text_of(const json_t *of, const char *key)
{
	const char *text = json_string_value(json_object_get(of, key));

	return text ? text : "";
}

/* ---- texts ---- */

static void escape_char(struct buf *out, char c)
{
	switch (c) {
	case '&':
		buf_add_str(out, "&amp;");
		break;
	case '<':
		buf_add_str(out, "&lt;");
		break;
	case '>':
		buf_add_str(out, "&gt;");
		break;
	case '"':
		buf_add_str(out, "&quot;");
		break;
	default:
		buf_add(out, &c, 1);
	}
}

static void escape(struct buf *out, const char *text)
{
	for (; *text; text++)
		escape_char(out, *text);
}

/* `words` become code, an empty line a new paragraph. */
static void prose(struct buf *out, const char *text)
{
	bool code = false;

	if (!*text)
		return;
	buf_add_str(out, "<p>");
	for (; *text; text++) {
		if (*text == '`') {
			buf_add_str(out, code ? "</code>" : "<code>");
			code = !code;
		} else if (text[0] == '\n' && text[1] == '\n') {
			buf_add_str(out, "</p><p>");
			text++;
		} else {
			escape_char(out, *text);
		}
	}
	buf_add_str(out, code ? "</code></p>\n" : "</p>\n");
}

static void block(struct buf *out, const char *text)
{
	buf_add_str(out, "<pre><code>");
	escape(out, text);
	buf_add_str(out, "</code></pre>\n");
}

static void json_block(struct buf *out, const json_t *value)
{
	char *text = json_is_string(value) ? NULL : json_dumps(value, JSON_INDENT(2) | JSON_ENCODE_ANY);

	block(out, text ? text : json_string_value(value) ? json_string_value(value) : "");
	free(text);
}

/* ---- references ---- */

/* What a {"$ref": "#/components/…"} stands for; else what it is itself. */
static const json_t *resolve(const json_t *openapi, const json_t *value)
{
	const char *ref = text_of(value, "$ref");
	const json_t *at = openapi;

	if (strncmp(ref, "#/", 2) != 0)
		return value;
	for (ref += 2; *ref && at;) {
		size_t len = strcspn(ref, "/");
		CLEANUP(free_ptr) char *key = xmemdup0(ref, len);

		at = json_object_get(at, key);
		ref += len + (ref[len] == '/');
	}
	return at;
}

static const char *schema_name(const json_t *schema)
{
	const char *ref = text_of(schema, "$ref"), *slash = strrchr(ref, '/');

	return slash ? slash + 1 : "";
}

static void type_words(struct buf *out, const json_t *schema)
{
	const json_t *type = json_object_get(schema, "type"), *values = json_object_get(schema, "enum");
	json_t *item;
	size_t i;

	if (*schema_name(schema)) {
		buf_printf(out, "<a href=\"#schema-%s\">%s</a>", schema_name(schema), schema_name(schema));
		return;
	}
	if (json_is_string(type) && str_eq(json_string_value(type), "array")) {
		buf_add_str(out, "list of ");
		type_words(out, json_object_get(schema, "items"));
		return;
	}
	if (json_is_string(type))
		escape(out, json_string_value(type));
	json_array_foreach (type, i, item) {
		buf_add_str(out, i ? " or " : "");
		escape(out, json_string_value(item));
	}
	json_array_foreach (json_object_get(schema, "anyOf"), i, item) {
		buf_add_str(out, i ? " or " : "");
		type_words(out, item);
	}
	if (*text_of(schema, "format"))
		buf_printf(out, " (%s)", text_of(schema, "format"));
	json_array_foreach (values, i, item) {
		if (json_is_string(item)) {
			buf_add_str(out, i ? ", <code>" : ": <code>");
			escape(out, json_string_value(item));
			buf_add_str(out, "</code>");
		}
	}
}

static void properties(struct buf *out, const json_t *openapi, const json_t *schema)
{
	const json_t *all = json_object_get(schema, "properties");
	const char *name;
	json_t *value, *part;
	size_t i;

	json_array_foreach (json_object_get(schema, "allOf"), i, part)
		properties(out, openapi, resolve(openapi, part));
	if (json_object_size(all) == 0)
		return;
	buf_add_str(out, "<table><tbody>\n");
	json_object_foreach ((json_t *)(uintptr_t)all, name, value) {
		buf_add_str(out, "<tr><th><code>");
		escape(out, name);
		buf_add_str(out, "</code></th><td>");
		type_words(out, value);
		buf_add_str(out, "</td><td>");
		prose(out, text_of(value, "description"));
		buf_add_str(out, "</td></tr>\n");
	}
	buf_add_str(out, "</tbody></table>\n");
}

/* ---- one operation ---- */

/* An example's value, in whichever way it is given. */
static const json_t *example_of(const json_t *of)
{
	const json_t *example = json_object_get(of, "example"), *all = json_object_get(of, "examples");
	json_t *first;
	const char *name;

	if (example)
		return example;
	json_object_foreach ((json_t *)(uintptr_t)all, name, first)
		return json_object_get(first, "value");
	return NULL;
}

/* The content of a body, and its type. */
static const json_t *content_of(const json_t *body, const char **ret_type)
{
	json_t *media;

	json_object_foreach (json_object_get(body, "content"), *ret_type, media)
		return media;
	return NULL;
}

static void parameter_rows(struct buf *out, const json_t *openapi, const json_t *list)
{
	json_t *item;
	size_t i;

	json_array_foreach (list, i, item) {
		const json_t *p = resolve(openapi, item);

		buf_add_str(out, "<tr><th><code>");
		escape(out, text_of(p, "name"));
		buf_printf(out, "</code></th><td>%s%s</td><td>", text_of(p, "in"),
				   json_is_true(json_object_get(p, "required")) ? ", required" : "");
		type_words(out, json_object_get(p, "schema"));
		buf_add_str(out, "</td><td>");
		prose(out, text_of(p, "description"));
		buf_add_str(out, "</td></tr>\n");
	}
}

static void put_example(struct buf *out, const json_t *value)
{
	char *text = json_is_string(value) ? xstrdup(json_string_value(value))
									   : json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);

	buf_add_str(out, text ? text : "");
	free(text);
}

/* /tasks/{id} with the parameter's example for {id}. */
static void example_path(struct buf *out, const json_t *openapi, const char *path,
						 const json_t *list)
{
	bool query = false;
	json_t *item;
	size_t i;

	for (const char *at = path; *at; at++) {
		size_t len = *at == '{' ? strcspn(at, "}") : 0;

		if (len == 0 || !at[len]) {
			buf_add(out, at, 1);
			continue;
		}
		json_array_foreach (list, i, item) {
			const json_t *p = resolve(openapi, item);

			if (strlen(text_of(p, "name")) == len - 1 &&
				strncmp(text_of(p, "name"), at + 1, len - 1) == 0)
				put_example(out, json_object_get(p, "example"));
		}
		at += len;
	}
	json_array_foreach (list, i, item) {
		const json_t *p = resolve(openapi, item);

		if (!str_eq(text_of(p, "in"), "query") || !json_is_true(json_object_get(p, "required")))
			continue;
		buf_printf(out, "%s%s=", query ? "&" : "?", text_of(p, "name"));
		put_example(out, json_object_get(p, "example"));
		query = true;
	}
}

static void curl(struct buf *out, const json_t *openapi, const char *path, const char *method,
				 const json_t *op)
{
	CLEANUP(buf_release) struct buf text = {0};
	const char *type = "";
	const json_t *media = content_of(resolve(openapi, json_object_get(op, "requestBody")), &type);
	const json_t *body = example_of(media);
	bool get = strcasecmp(method, "get") == 0;

	buf_printf(&text, "curl -sS %s%s%s\"$MILLRACE_HTTP", get ? "" : "-X ", get ? "" : method,
			   get ? "" : " ");
	example_path(&text, openapi, path, json_object_get(op, "parameters"));
	buf_add_str(&text, "\"");
	if (body) {
		buf_printf(&text, " -H 'Content-Type: %s' -d '", type);
		put_example(&text, body);
		buf_add_str(&text, "'");
	}
	block(out, text.data);
	if (*text_of(op, "x-nats")) {
		buf_add_str(out, "<p class=\"same\">the same with the nats CLI:</p>");
		block(out, text_of(op, "x-nats"));
	}
}

static void answers(struct buf *out, const json_t *openapi, const json_t *op)
{
	const char *status, *type = "";
	json_t *given;

	buf_add_str(out, "<table><tbody>\n");
	json_object_foreach (json_object_get(op, "responses"), status, given) {
		const json_t *answer = resolve(openapi, given);
		const json_t *media = content_of(answer, &type);

		buf_printf(out, "<tr><th>%s</th><td>", status);
		prose(out, text_of(answer, "description"));
		buf_add_str(out, "</td><td>");
		if (json_object_get(media, "schema"))
			type_words(out, json_object_get(media, "schema"));
		buf_add_str(out, "</td></tr>\n");
		if (example_of(media)) {
			buf_add_str(out, "<tr><td colspan=\"3\"><details><summary>example</summary>");
			json_block(out, example_of(media));
			buf_add_str(out, "</details></td></tr>\n");
		}
	}
	buf_add_str(out, "</tbody></table>\n");
}

static void operation(struct buf *out, const json_t *openapi, const char *path, const char *method,
					  const json_t *op)
{
	const json_t *parameters = json_object_get(op, "parameters");
	const json_t *body = resolve(openapi, json_object_get(op, "requestBody"));
	const char *type = "", *scope = text_of(op, "x-scope");
	char upper[16];
	size_t n = 0;

	for (; method[n] && n + 1 < sizeof(upper); n++)
		upper[n] = (char)(method[n] >= 'a' && method[n] <= 'z' ? method[n] - 32 : method[n]);
	upper[n] = '\0';
	buf_printf(out, "<article id=\"%s\"><h3><span class=\"method %s\">%s</span> <code>",
			   text_of(op, "operationId"), method, upper);
	escape(out, path);
	buf_printf(out, "</code> <span class=\"scope\">%s</span></h3>\n", *scope ? scope : "open");
	prose(out, text_of(op, "summary"));
	prose(out, text_of(op, "description"));
	if (json_array_size(parameters) > 0) {
		buf_add_str(out, "<h4>Parameters</h4><table><tbody>\n");
		parameter_rows(out, openapi, parameters);
		buf_add_str(out, "</tbody></table>\n");
	}
	if (body) {
		const json_t *schema = json_object_get(content_of(body, &type), "schema");

		buf_add_str(out, "<h4>Body</h4>");
		prose(out, text_of(body, "description"));
		if (schema) {
			buf_printf(out, "<p>%s: ", type);
			type_words(out, schema);
			buf_add_str(out, "</p>");
			properties(out, openapi, schema);
		}
	}
	buf_add_str(out, "<h4>Example</h4>");
	curl(out, openapi, path, upper, op);
	buf_add_str(out, "<h4>Answers</h4>");
	answers(out, openapi, op);
	buf_add_str(out, "</article>\n");
}

/* ---- the page ---- */

typedef void on_operation(struct buf *out, const json_t *openapi, const char *path,
						  const char *method, const json_t *op);

static void each_operation(struct buf *out, const json_t *openapi, const char *tag,
						   on_operation *fn)
{
	const char *path, *method;
	json_t *item, *op;

	json_object_foreach (json_object_get(openapi, "paths"), path, item) {
		json_object_foreach (item, method, op) {
			const json_t *tags = json_object_get(op, "tags");

			if (json_array_size(tags) > 0 &&
				str_eq(json_string_value(json_array_get(tags, 0)), tag))
				fn(out, openapi, path, method, op);
		}
	}
}

static void index_line(struct buf *out, const json_t *openapi UNUSED, const char *path,
					   const char *method, const json_t *op)
{
	buf_printf(out, "<li><a href=\"#%s\"><span class=\"method %s\">%s</span> <code>",
			   text_of(op, "operationId"), method, method);
	escape(out, path);
	buf_add_str(out, "</code></a></li>\n");
}

static void schemas(struct buf *out, const json_t *openapi)
{
	const char *name;
	json_t *schema;

	buf_add_str(out, "<section><h2 id=\"schemas\">Records</h2>\n");
	json_object_foreach (json_object_get(json_object_get(openapi, "components"), "schemas"), name,
						 schema) {
		buf_printf(out, "<article id=\"schema-%s\"><h3>%s</h3>\n", name, name);
		prose(out, text_of(schema, "description"));
		properties(out, openapi, schema);
		buf_add_str(out, "</article>\n");
	}
	buf_add_str(out, "</section>\n");
}

void docs_page(const json_t *openapi, struct buf *out)
{
	const json_t *info = json_object_get(openapi, "info"), *tags = json_object_get(openapi, "tags");
	json_t *tag;
	size_t i;

	buf_add_str(out, "<!doctype html>\n<html lang=\"en\"><head><meta charset=\"utf-8\">"
					 "<meta name=\"viewport\" content=\"width=device-width, initial-scale=1\">"
					 "<title>");
	escape(out, text_of(info, "title"));
	buf_add_str(out, "</title><link rel=\"stylesheet\" href=\"/docs.css\"></head>\n<body>\n<nav>");
	json_array_foreach (tags, i, tag) {
		buf_add_str(out, "<h2>");
		escape(out, text_of(tag, "name"));
		buf_add_str(out, "</h2><ul>\n");
		each_operation(out, openapi, text_of(tag, "name"), index_line);
		buf_add_str(out, "</ul>\n");
	}
	buf_add_str(out, "<h2><a href=\"#schemas\">Records</a></h2></nav>\n<main><header><h1>");
	escape(out, text_of(info, "title"));
	buf_add_str(out, "</h1>\n");
	prose(out, text_of(info, "description"));
	buf_add_str(out, "<p><a href=\"/openapi.json\">openapi.json</a> · <a href=\"/\">dashboard</a>"
					 "</p></header>\n");
	json_array_foreach (tags, i, tag) {
		buf_add_str(out, "<section><h2>");
		escape(out, text_of(tag, "name"));
		buf_add_str(out, "</h2>\n");
		prose(out, text_of(tag, "description"));
		each_operation(out, openapi, text_of(tag, "name"), operation);
		buf_add_str(out, "</section>\n");
	}
	schemas(out, openapi);
	buf_add_str(out, "</main></body></html>\n");
}
