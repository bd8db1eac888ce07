/*
 * Kind `hash`: the SHA-256 of the body, in lower-case hex. libcrypto does
 * it; a body over INLINE_BYTES is hashed in a thread (compute.c).
 */
#include <openssl/evp.h>

#include "node/handlers/compute.h"
#include "node/handlers/kinds.h"

enum { INLINE_BYTES = 1 << 20, SHA256_BYTES = 32 };

static int hash(const char *content_type, const void *body, size_t len, struct buf *out, struct err *e)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;
	(void)content_type;
	if (EVP_Digest(body, len, digest, &n, EVP_sha256(), NULL) != 1 || n != SHA256_BYTES)
		return err_set(e, ERR_FAILED, "libcrypto refused to compute a SHA-256");
	for (unsigned i = 0; i < n; i++) {
		buf_printf(out, "%02x", digest[i]);
	}
	return 0;
}

static int open_hash(struct handler *h, const struct doc *config, struct err *e)
{
	static const struct compute_kind k = {hash, INLINE_BYTES, "text/plain"};
	return compute_open(h, &k, config, e);
}

const struct handler_kind kind_hash = {"hash", open_hash, compute_start, compute_cancel, compute_close};
