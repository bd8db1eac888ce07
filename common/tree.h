/* Removing a tree of files that a stranger may have made. */
#pragma once

#include "common/err.h"

/*
 * Removes name below the open directory at (or a path, with AT_FDCWD): a file, or a directory with all that is in it.
 * Follows no symbolic link, needs no permission bits inside, and neither memory nor descriptors that grow with its depth.
 * Blocks: not on the loop. A missing one is fine. ret_freed_bytes, or NULL: disk space is added that goes with it.
 */
MUST_CHECK int tree_remove(int at, const char *name, uint64_t *ret_freed_bytes, struct err *e);
/* Disk space that it takes, as far down as 32 levels; nothing is followed. Blocks. */
uint64_t tree_bytes(int at, const char *name);
