/* The directory of a private system: made, locked, written and removed. */
#pragma once

#include <sys/types.h>

#include "common/err.h"

/* Makes it and its log/ where they are missing; returns the absolute path, owned. */
MUST_CHECK int files_open_dir(const char *dir, char **ret_path, struct err *e);

/* Writes the whole file, or leaves the old one: under another name first, then renamed. */
MUST_CHECK int files_write(const char *path, const void *data, size_t len, mode_t mode, struct err *e);

/*
 * Removes path and what is in it; a missing one is fine. Does not follow links. While somebody
 * still writes there it tries again, for 10 s.
 */
MUST_CHECK int files_remove_tree(const char *path, struct err *e);

/*
 * The lock says that a supervisor lives; it is held by that process alone and goes with it. ERR_EXISTS: another one has it.
 * ret_fd is to be kept open.
 */
MUST_CHECK int files_lock(const char *dir, int *ret_fd, struct err *e);
/* Whether a system was ever started there. */
bool files_lock_exists(const char *dir);
/* Whether somebody holds it now. */
bool files_locked(const char *dir);
/* Who holds it; 0: nobody, or one who took it this moment and has not said so yet. */
pid_t files_lock_holder(const char *dir);

/* Whether the locked file of that descriptor is still the one in dir: false where somebody removed the directory. */
bool files_lock_in_place(const char *dir, int fd);

/* Renames a log over 16 MiB to NAME.1, so that years of use stay bounded. */
void files_rotate(const char *path);
