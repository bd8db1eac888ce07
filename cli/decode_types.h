/* Which record stands on which subject, and records by name. Pure. */
#pragma once

#include <protobuf-c/protobuf-c.h>

#include "common/base.h"
#include "common/buf.h"

/* "OutcomeBatch" in any case, also "millrace.OutcomeBatch"; NULL: none of that name. */
const ProtobufCMessageDescriptor *record_by_name(const char *name);
/* "events.done" → OutcomeBatch; NULL: the subject carries no record (a task's body is its publisher's). */
const ProtobufCMessageDescriptor *record_by_subject(const char *subject);
/* Appends all names, separated by spaces. */
void record_names(struct buf *out);
