/* Paths: matching a request's against a route's, and percent-decoding. Pure. */
#pragma once

#include "common/err.h"

#define HTTP_PARAMS_MAX 4

struct http_params {
	struct {
		const char *name; /* points into the pattern; name_len */
		size_t name_len;
		char *value; /* owned, decoded */
	} at[HTTP_PARAMS_MAX];
	size_t n;
};
void http_params_release(struct http_params *p);

/*
 * Whether path (still encoded, without the query) is one that pattern
 * describes; then its pieces are in *ret. A literal segment only matches as it is; "{name}" takes one
 * segment that is not empty, "{name...}" all that is left.
 */
bool http_path_match(const char *pattern, const char *path, struct http_params *ret);
/* Decodes %XX of the len bytes. NULL: a broken escape, a NUL, or no UTF-8. Returns owned. */
char *http_decode(const char *text, size_t len);
