/*
 * The bytes of an OutcomeBatch, grown outcome by outcome, so that its size is
 * known before the next one is added. Pure.
 */
#pragma once

#include "common/buf.h"
#include "proto/event.pb-c.h"

/*
 * Appends o as the batch's next element, unless the batch would then exceed max_bytes and is not
 * empty: false, nothing is appended. A single outcome is always taken; its publisher finds out
 * whether it is too large.
 */
MUST_CHECK bool outcome_batch_add(struct buf *batch, const Millrace__Outcome *o, size_t max_bytes);
