/* The dashboard's files as they are embedded (cmake/embed_ui.cmake). */
#pragma once

#include <stddef.h>

struct ui_file {
	const char *path; /* "/index.html"; NULL ends the table */
	const char *etag;
	size_t len;
	const char *data;
};
extern const struct ui_file ui_files[];
