/*
 * Which failures are the same failure. Pure. Two errors that differ only in
 * what changes from task to task (numbers, ids, paths, what stands in quotes)
 * have one fingerprint, on every machine and in every release:
 *
 *	first 10 hex digits of SHA-256 of "<type>\n<normalised error>"
 *	and, where the handler says its version, "-" and the first 4 of SHA-256 of that
 *
 * as "3fa94c1e02" or "3fa94c1e02-9b1c". The first ten are the failure's own: they stay
 * when a new version of the handler fails in the old way.
 */
#pragma once

#include "common/buf.h"

#define FINGERPRINT_ERROR_LEN 10 /* the failure's own part */
#define FINGERPRINT_VERSION_LEN 4
#define FINGERPRINT_MAX (FINGERPRINT_ERROR_LEN + 1 + FINGERPRINT_VERSION_LEN)

/*
 * Appends the error with what changes folded; at most 200 bytes, of the first 4 KiB. Any bytes
 * will do. Letters become small, blanks and control characters one blank, and
 *	'…', "…" and `…`                            <q>
 *	…://…                                       <url>
 *	/… ./… ../… ~/… C:\… and a/b/c              <path>
 *	UUIDs, hex of 8 and more, mixed ids         <id>
 *	digits, with . , : between them             <n>
 */
void fingerprint_normalise(const char *error, size_t len, struct buf *out);

/* type may be "" and version NULL or "". */
void fingerprint_make(const char *type, const char *error, const char *version,
					  char out[FINGERPRINT_MAX + 1]);

/* Whether text is a fingerprint, or the first ten digits of one. */
bool fingerprint_ok(const char *text);
/*
 * Whether fingerprint is what was asked for: wanted without a version means that failure of any
 * version.
 */
bool fingerprint_matches(const char *fingerprint, const char *wanted);
