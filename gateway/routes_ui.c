/*
 * The dashboard: its files as they were embedded. Names with a hash in them
 * never change and are kept by browsers; the page itself is asked for anew.
 */
#include <string.h>

#include "common/base.h"
#include "gateway/routes.h"
#include "gateway/ui_files.h"

static const char *type_of(const char *path)
{
	static const struct {
		const char *end, *type;
	} known[] = {{".html", "text/html; charset=utf-8"}, {".js", "text/javascript; charset=utf-8"},
				 {".css", "text/css; charset=utf-8"},	{".svg", "image/svg+xml"},
				 {".png", "image/png"},					{".json", "application/json"},
				 {".woff2", "font/woff2"}};
	const char *dot = strrchr(path, '.');

	for (size_t i = 0; dot && i < ARRAY_LEN(known); i++) {
		if (str_eq(dot, known[i].end))
			return known[i].type;
	}
	return "application/octet-stream";
}

static void send_file(struct http_request *r, const struct ui_file *f, bool lasting)
{
	const char *known = http_header(r, "If-None-Match");

	http_answer_header(r, "ETag", f->etag);
	http_answer_header(r, "Cache-Control", lasting ? "public, max-age=31536000, immutable" : "no-cache");
	if (known && strstr(known, f->etag))
		http_reply(r, 304, NULL, "", 0);
	else
		http_reply(r, 200, type_of(f->path), f->data, f->len);
}

static const struct ui_file *find(const char *path)
{
	for (const struct ui_file *f = ui_files; f->path; f++) {
		if (str_eq(f->path, path))
			return f;
	}
	return NULL;
}

static void on_page(void *data UNUSED, struct http_request *r)
{
	const struct ui_file *f = find("/index.html");

	if (f)
		send_file(r, f, false);
	else
		http_problem(r, 404, NULL, "this gateway has no dashboard");
}

static void on_asset(void *data UNUSED, struct http_request *r)
{
	CLEANUP(free_ptr) char *path = xasprintf("/assets/%s", http_param(r, "name"));
	const struct ui_file *f = find(path);

	if (f)
		send_file(r, f, true);
	else
		http_problem(r, 404, NULL, "there is no such file");
}

const struct http_route ui_routes[] = {
	{"GET", "/", SCOPE_NONE, on_page, 0, NULL},
	{"GET", "/cluster", SCOPE_NONE, on_page, 0, NULL},
	{"GET", "/assets/{name}", SCOPE_NONE, on_asset, 0, NULL},
	{0},
};
