/* The kinds of handlers by name. What a node needs of the registry (handlers_open …) is in node/handler.h. */
#pragma once

#include "common/buf.h"
#include "node/handler.h"

const struct handler_kind *handler_kind_named(const char *name); /* NULL: there is none */
/* Appends "echo, sleep, …". */
void handler_kind_names(struct buf *out);
