/* What the object*.c files share among themselves. */
#pragma once

#include "common/jetstream.h"
#include "common/object.h"

/* Drops all messages of a subject of the bucket; a failure is only logged. */
void object_drop_subject(struct bus *bus, const char *bucket, const char *subject);
void object_drop_chunks(struct bus *bus, const char *bucket, const char *nuid);
/* As js_publish_owned: the record of an object, in place of the one before. */
MUST_CHECK int object_write_info(struct bus *bus, const struct object_info *info,
								 int64_t deadline_ms, js_on_puback on_puback, void *data,
								 void (*drop)(void *), struct err *e);
