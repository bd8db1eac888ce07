/*
 * In protobuf a repeated field is one element after the other, each with its
 * tag and length: a batch can be grown at its end, and each outcome is packed
 * once. It stands alone as a pure function of bytes.
 */
#include "node/outcome_batch.h"

#include "common/codec.h"

#define TAG_OUTCOMES 0x0a /* field 1, length-delimited */
#define HEAD_MAX 11

bool outcome_batch_add(struct buf *batch, const Millrace__Outcome *o, size_t max_bytes)
{
	size_t len = millrace__outcome__get_packed_size(o), rest = len;
	unsigned char head[HEAD_MAX] = {TAG_OUTCOMES};
	size_t n = 1;

	for (; rest >= 0x80; rest >>= 7)
		head[n++] = (unsigned char)(rest | 0x80);
	head[n++] = (unsigned char)rest;
	if (batch->len && batch->len + n + len > max_bytes)
		return false;
	buf_reserve(batch, n + len);
	buf_add(batch, head, n);
	codec_pack(&o->base, batch);
	return true;
}
