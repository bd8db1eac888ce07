/*
 * Headers of every answer that tell a browser what it may do with it. They
 * stand in one place so that no route can forget them: the page runs nothing but its own
 * files and asks nobody else, everything below /api is data, in a sandbox whatever it holds.
 * What a handler set itself stays.
 */
#include "gateway/shield.h"

#include "gateway/origin.h"

/*
 * No 'unsafe-inline', for styles neither: what scripts set (element.style) is no inline style.
 */
#define CSP_PAGE                                                                               \
	"default-src 'self'; script-src 'self'; style-src 'self'; connect-src 'self'; "            \
	"img-src 'self' data: blob:; media-src 'self' blob:; object-src 'none'; base-uri 'none'; " \
	"form-action 'self'; frame-ancestors 'none'"
#define CSP_DATA "default-src 'none'; frame-ancestors 'none'; sandbox"
#define HSTS "max-age=31536000"

static void add(struct http_request *r, const char *name, const char *value)
{
	if (!http_answers_with(r, name))
		http_answer_header(r, name, value);
}

void shield_add(struct http_request *r, bool tls)
{
	bool data = strncmp(http_path(r), "/api/", 5) == 0;
	const char *host = http_header(r, "Host");

	add(r, "X-Content-Type-Options", "nosniff");
	add(r, "Content-Security-Policy", data ? CSP_DATA : CSP_PAGE);
	add(r, "X-Frame-Options", "DENY");
	add(r, "Referrer-Policy", "no-referrer");
	add(r, "Cross-Origin-Resource-Policy", "same-origin");
	add(r, "Cache-Control", "no-store");
	/* A name of this machine would be held to it whatever else is served on it. */
	if (tls && host && !origin_host_is_loopback(host))
		add(r, "Strict-Transport-Security", HSTS);
}
