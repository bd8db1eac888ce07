/* What an http handler is told in the file. */
#pragma once

#include "node/handlers/http_host.h"
#include "node/handlers/http_url.h"

struct http_config {
	struct http_url url;
	struct http_host_config host;
	char *method, *content_type, *proxy;
	char *ca, *cert, *key;
	bool verify;
	int64_t connect_timeout_ns, response_bytes, redirects;
	char **headers; /* "Name: value"; secrets among them */
};

/* ERR_INVALID names the line. Files and variables with secrets are read here, once. */
MUST_CHECK int http_config_read(const struct doc *map, struct http_config *ret, struct err *e);
void http_config_release(struct http_config *c);
/* Whether the method's request has a body. */
bool http_config_sends_body(const struct http_config *c);
