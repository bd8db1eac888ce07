/* The description of the HTTP api: as OpenAPI, and as a page to read. */
#pragma once

#include <jansson.h>

#include "common/buf.h"
#include "common/err.h"

struct docs {
	json_t *openapi;
	struct buf json, page;
	const char *style;
	size_t style_len;
};

/* Of the embedded files. A bug (they are checked by tests) where they cannot be read: ERR_INVALID names the file. */
MUST_CHECK int docs_init(struct docs *d, struct err *e);
void docs_release(struct docs *d);

/* docs_page.c, pure: appends the page to out. */
void docs_page(const json_t *openapi, struct buf *out);
