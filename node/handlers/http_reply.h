/* What an HTTP answer means for a task. Pure. */
#pragma once

#include "common/http_retry.h"
#include "node/handler.h"

enum http_meaning {
	HTTP_OK,
	HTTP_RETRY, /* the attempt failed; another may do better */
	HTTP_NEVER, /* trying again cannot help */
};
/* 2xx is ok; 408, 425, 429 and 5xx are tried again; all else is not. */
enum http_meaning http_meaning(long status);
/* Whether it speaks against the host, so that its breaker counts it: 408, 429 and 5xx. */
bool http_speaks_against(long status);
