/* What an HTTP answer means for a task. Pure. */
#pragma once

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

/*
 * The value of Retry-After, seconds or an HTTP date, as time from now. 0: absent, past, or neither.
 * At most a day.
 */
int64_t http_retry_after_ns(const char *value, int64_t now_wall_ns);
