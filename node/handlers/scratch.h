/* The fresh directory of a child: made for it alone, removed with all that is in it. */
#pragma once

#include "common/err.h"

/* <$TMPDIR or /tmp>/millrace-<node>-XXXXXX, mode 0700. Returns owned. */
MUST_CHECK int scratch_make(const char *node, char **ret_path, struct err *e);

/* Writes a new file in it. Blocks: not on the loop. */
MUST_CHECK int scratch_write(const char *path, const void *data, size_t len, struct err *e);

/*
 * Removes a tree. Follows no symbolic link, needs no permission bits inside, and neither memory nor descriptors
 * that grow with its depth. Blocks: not on the loop. A missing one is fine.
 */
MUST_CHECK int scratch_remove(const char *path, struct err *e);
/* The same where nobody could do anything about a failure (debug log). */
void scratch_discard(const char *path);
