/* Headers of every answer that tell a browser what it may do with it. */
#pragma once

#include "gateway/http.h"

/* tls: answers go out encrypted. cors: origins whose pages may read answers (comma-separated; NULL: none). */
void shield_add(struct http_request *r, bool tls, const char *cors);
