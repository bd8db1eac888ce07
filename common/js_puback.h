/* A PubAck's text. */
#pragma once

#include "common/jetstream.h"

/* The plain form alone, without a parser: false for anything else, which js_puback_read then reads. */
bool js_puback_scan(const char *text, size_t len, struct js_puback *ret);
/* Any form. The error is what the stream said, or ERR_PROTOCOL for what is no PubAck. */
MUST_CHECK int js_puback_read(const char *text, size_t len, struct js_puback *ret, struct err *e);
