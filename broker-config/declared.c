/* Looks up one of the embedded files. A handful of them: a scan is enough. */
#include "broker-config/declared.h"

#include <string.h>

const struct declared *declared_find(const char *path)
{
	for (size_t i = 0; i < declared_count; i++) {
		if (strcmp(declared_files[i].path, path) == 0)
			return &declared_files[i];
	}
	return NULL;
}
