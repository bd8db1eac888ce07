/* Pages of other origins that may ask us (CORS); none unless configured. */
#pragma once

#include "gateway/http.h"

/* origins: "https://a.example, http://localhost:3000", "*" for any, NULL for none. ERR_INVALID names the one that is none. */
MUST_CHECK int cors_check(const char *origins, struct err *e);
/* Pure: whether origin is one of them. */
bool cors_allows(const char *origins, const char *origin);
/* Answers a preflight request of an origin that is allowed; false: it is none. Before any token is asked for: browsers send none. */
bool cors_preflight(const char *origins, struct http_request *r);
/* The headers that every answer to such an origin gets. */
void cors_decorate(const char *origins, struct http_request *r);
