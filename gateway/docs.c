/*
 * /openapi.json, /docs. It stands alone as the only place that knows how the
 * description lies in the program: in parts under api/, a file for each group of
 * routes, put together once at the start. A part that cannot be read stops the
 * start: tests hold the parts, and the routes against them.
 */
#include "gateway/docs.h"

#include "common/codec.h"
#include "gateway/embedded.h"
#include "gateway/gateway.h"
#include "gateway/routes.h"

#define BASE "base.json"

/* paths and components of a part are added; everything else stands in the base. */
static int add_part(struct docs *d, const struct embedded *file, struct err *e)
{
	json_error_t why;
	json_t *part = json_loadb(file->data, file->len, JSON_REJECT_DUPLICATES, &why);

	if (!json_is_object(part)) {
		json_decref(part);
		return err_set(e, ERR_INVALID, "api/%s: line %d: %s", file->name, why.line, why.text);
	}
	if (!d->openapi) {
		d->openapi = part;
		return 0;
	}
	int rc = json_object_update_recursive(d->openapi, part);
	json_decref(part);
	return rc ? err_set(e, ERR_INVALID, "api/%s: cannot be put together with the rest", file->name)
			  : 0;
}

static bool ends_with(const char *name, const char *end)
{
	return strlen(name) > strlen(end) && str_eq(name + strlen(name) - strlen(end), end);
}

int docs_init(struct docs *d, struct err *e)
{
	/* The base first: keys stay in the order in which they came. */
	for (int parts = 0; parts < 2; parts++) {
		for (const struct embedded *f = api_files; f->name; f++) {
			if (ends_with(f->name, ".css")) {
				d->style = f->data;
				d->style_len = f->len;
			} else if (str_eq(f->name, BASE) == (parts == 0) && add_part(d, f, e)) {
				return e->code;
			}
		}
	}
	json_object_set_new(json_object_get(d->openapi, "info"), "version",
						json_string(MILLRACE_VERSION));
	char *text = json_dumps(d->openapi, JSON_INDENT(2));
	buf_add_str(&d->json, text ? text : "{}");
	free(text);
	docs_page(d->openapi, &d->page);
	return 0;
}

void docs_release(struct docs *d)
{
	json_decref(d->openapi);
	buf_release(&d->json);
	buf_release(&d->page);
	*d = (struct docs){0};
}

/* ---- the routes ---- */

static void on_openapi(void *data, struct http_request *r)
{
	const struct gateway *g = data;

	http_reply(r, 200, CONTENT_JSON, g->docs.json.data, g->docs.json.len);
}

static void on_page(void *data, struct http_request *r)
{
	const struct gateway *g = data;

	http_reply(r, 200, "text/html; charset=utf-8", g->docs.page.data, g->docs.page.len);
}

static void on_style(void *data, struct http_request *r)
{
	const struct gateway *g = data;

	http_reply(r, 200, "text/css; charset=utf-8", g->docs.style, g->docs.style_len);
}

const struct http_route docs_routes[] = {
	{"GET", "/openapi.json", SCOPE_NONE, on_openapi, 0, NULL},
	{"GET", "/docs", SCOPE_NONE, on_page, 0, NULL},
	{"GET", "/docs.css", SCOPE_NONE, on_style, 0, NULL},
	{0},
};
