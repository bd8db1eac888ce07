/*
 * Kind `stats`: numbers in, their statistics out (numbers.h, stats.h). What
 * is no table of numbers fails for good and says why. Parsing and sorting
 * some ten thousand numbers takes milliseconds, so that happens in a thread.
 */
#include "node/handlers/compute.h"
#include "node/handlers/kinds.h"
#include "node/handlers/numbers.h"

enum { INLINE_BYTES = 16 << 10 };

static int stats(const char *content_type, const void *body, size_t len, struct buf *out, struct err *e)
{
	return numbers_describe(content_type, body, len, out, e);
}

static int open_stats(struct handler *h, const struct doc *config, struct err *e)
{
	static const struct compute_kind k = {stats, INLINE_BYTES, "application/json"};
	return compute_open(h, &k, config, e);
}

const struct handler_kind kind_stats = {"stats", open_stats, compute_start, compute_cancel, compute_close};
