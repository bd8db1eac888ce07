/* The public half of an NKey. */
#pragma once

#include "common/err.h"

#define NKEY_PUBLIC_LEN 56

/* Reads the seed in the file at path; ret_public gets its public key ("U…"). */
MUST_CHECK int nkey_public(const char *path, char ret_public[NKEY_PUBLIC_LEN + 1], struct err *e);
