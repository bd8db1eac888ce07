/*
 * libcurl's multi interface on a uv loop: transfers that are started, and end
 * in a callback; connections are kept between them. Linked by who speaks HTTP
 * to others (target common_curl), so that nobody else loads libcurl.
 */
#pragma once

#include <curl/curl.h>
#include <uv.h>

#include "common/err.h"

struct curl_loop;

/* connections: at once at most, kept ones included; what is more waits in here. 0: any number. */
struct curl_loop *curl_loop_open(uv_loop_t *loop, long connections);
/*
 * No transfer of the caller is under way. on_closed (may be NULL) runs when nothing of it is left on
 * the loop, never before this returned.
 */
void curl_loop_close(struct curl_loop **l, void (*on_closed)(void *data), void *data);

/* Embedded in what waits for a transfer; easy's CURLOPT_PRIVATE is set to it. */
struct curl_transfer {
	CURL *easy;
	/* Never before curl_loop_start returned; easy is no part of the loop any more. */
	void (*on_end)(struct curl_transfer *t, CURLcode how);
};
MUST_CHECK int curl_loop_start(struct curl_loop *l, struct curl_transfer *t, struct err *e);
/* on_end will not run. Not from within a callback of libcurl's. */
void curl_loop_abort(struct curl_loop *l, struct curl_transfer *t);
