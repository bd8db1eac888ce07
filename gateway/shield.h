/* Headers of every answer that tell a browser what it may do with it. */
#pragma once

#include "gateway/http.h"

/* tls: answers go out encrypted. */
void shield_add(struct http_request *r, bool tls);
