/* Files that are part of the program (cmake/embed_files.cmake). */
#pragma once

#include <stddef.h>

struct embedded {
	const char *name; /* below the folder they come from; NULL ends a list */
	const char *data; /* followed by a NUL */
	size_t len;
};

extern const struct embedded
	api_files[]; /* api/: the OpenAPI description in parts, and the page's style */
