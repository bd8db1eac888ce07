/* What goes over HTTP, counted. */
#pragma once

#include "gateway/http.h"

/* At the start: what can be counted is told, as 0. */
void traffic_open(void);
/* An exchange ended; status 0: its client left before there was an answer. */
void traffic_done(const struct http_request *r, unsigned status, int64_t took_ms);
/* What is open now: before the numbers are told. h NULL: nothing. */
void traffic_look(const struct http *h);
