/* Objects, for commands: bodies that are too large for a message, and such results. */
#pragma once

#include "cli/cli.h"
#include "common/object.h"

/* Puts it into the bucket payloads, and waits until it is there. Ctrl-C: ERR_CLOSED. */
MUST_CHECK int cli_object_put(struct cli *c, const char *name, const struct object_source *source,
							  struct err *e);
/* Writes the object's bytes to stdout as they come; an error may follow some of them. */
MUST_CHECK int cli_object_print(struct cli *c, const char *ref, struct err *e);
