/* The bytes of one member of a JSON object, as its author wrote them. */
#pragma once

#include "common/base.h"

/*
 * Finds the value of key in the object that text is, at its top level; text must be valid JSON (a
 * parser said so). The last of several, as parsers take it. False: not there, or its name is
 * written with escapes.
 */
bool json_slice(const char *text, size_t len, const char *key, const char **ret_value,
				size_t *ret_len);
