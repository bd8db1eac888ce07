/*
 * Tokens: who may do what. A file names them, one a line, by the SHA-256 of each:
 *
 *	# name  scope                    SHA-256 of the token, hex       until when
 *	laptop  operate                  9f86d081884c7d65…               expires=2027-01-01T00:00:00Z
 *
 * A token is 256 random bits that we made, so nobody finds one by trying, and a plain hash of it is
 * as good as a slow one; the file gives away nothing that could be used.
 */
#pragma once

#include "common/err.h"
#include "gateway/http.h"

#define TOKEN_NAME_MAX 64
#define TOKEN_HASH_BYTES 32
#define TOKENS_MAX 1000
#define TOKEN_PREFIX "mlr_"
#define TOKEN_SECRET_LEN 47 /* the prefix, and 43 letters of base64url */

struct token {
	char name[TOKEN_NAME_MAX + 1];
	enum scope scope;
	unsigned char hash[TOKEN_HASH_BYTES];
	int64_t expires_wall_ns; /* 0: never */
};
struct tokens {
	struct token *at;
	size_t n;
};

/* "read", "submit", "operate" */
const char *scope_name(enum scope s);
MUST_CHECK int scope_parse(const char *text, enum scope *ret, struct err *e);

/* Pure. what stands for the file in errors, "<what>:<line>: …". Release with tokens_release. */
MUST_CHECK int tokens_parse(const char *what, const char *text, size_t len, struct tokens *ret,
							struct err *e);
void tokens_release(struct tokens *t);
/*
 * The one that the secret belongs to, NULL: none. Takes as long for each secret. Whether it has
 * expired is the caller's to look at.
 */
const struct token *tokens_find(const struct tokens *t, const char *secret);
/* What follows "Bearer " in the value of an Authorization header; NULL: it is something else. */
const char *bearer_of(const char *authorization);

/* A new one, and the line for the file (without a line's end). expires_wall_ns 0: never. */
MUST_CHECK int token_make(const char *name, enum scope scope, int64_t expires_wall_ns,
						  char ret_secret[TOKEN_SECRET_LEN + 1], char ret_line[256], struct err *e);
