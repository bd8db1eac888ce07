/* The address that is listened on. */
#pragma once

#include "common/err.h"

/* Opens the socket; *ret_where is "127.0.0.1:8080" as the kernel has it, owned. */
MUST_CHECK int http_listen(const char *address, int *ret_fd, char **ret_where, struct err *e);
/* Whether the address is this machine's alone. ERR_INVALID: it is none. */
MUST_CHECK int http_listen_is_loopback(const char *address, bool *ret, struct err *e);
/* "127.0.0.1:8080", "[::1]:8080", ":8080" → host ("" for any) and port. */
MUST_CHECK int http_listen_split(const char *address, char host[256], char port[8], struct err *e);
