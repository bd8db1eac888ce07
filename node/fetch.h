/*
 * The object that a task names (Task-Object), brought to this node before its
 * handler begins: into memory, or into a file of the spool.
 */
#pragma once

#include "node/node.h"

struct fetch;

/*
 * e is NULL when it is all there and right. Else nothing of it is left; permanent: trying again
 * cannot help. Never before fetch_start returned.
 */
typedef void (*fetch_on_done)(void *data, const struct err *e, bool permanent);

/* ref: "bucket/name". to_file: into a file, else into memory (config: objects.bytes). */
struct fetch *fetch_start(struct node *n, const char *ref, bool to_file, fetch_on_done on_done,
						  void *data);
/* What came; valid until fetch_free. */
const char *fetch_path(const struct fetch *f);  /* NULL: it is in memory */
const void *fetch_bytes(const struct fetch *f); /* never NULL where it is in memory */
size_t fetch_len(const struct fetch *f);
const char *fetch_content_type(const struct fetch *f); /* the object's, or NULL */
/* Ends it, on_done will not run; frees file and memory. NULL is fine. */
void fetch_free(struct fetch **f);
