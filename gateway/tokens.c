/* Tokens: the file's lines, finding one by its secret, making one. Pure but for the random bits. */
#include "gateway/tokens.h"

#include <errno.h>
#include <stdio.h>
#include <strings.h>
#include <sys/random.h>

#include <openssl/crypto.h>
#include <openssl/sha.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/token.h"

#define EXPIRES "expires="
#define FIELDS_MAX 4
#define LINE_MAX_BYTES 255

const char *scope_name(enum scope s)
{
	static const char *const names[] = {"none", "read", "submit", "operate"};

	return names[s];
}

int scope_parse(const char *text, enum scope *ret, struct err *e)
{
	for (enum scope s = SCOPE_READ; s <= SCOPE_OPERATE; s++) {
		if (str_eq(text, scope_name(s))) {
			*ret = s;
			return 0;
		}
	}
	return err_set(e, ERR_INVALID, "scope: must be read, submit or operate, not \"%.40s\"", text);
}

static bool read_hash(const char *hex, unsigned char hash[TOKEN_HASH_BYTES])
{
	if (strlen(hex) != (size_t)TOKEN_HASH_BYTES * 2 ||
		strspn(hex, "0123456789abcdefABCDEF") != strlen(hex))
		return false;
	for (size_t i = 0; i < TOKEN_HASH_BYTES; i++) {
		char pair[3] = {hex[2 * i], hex[2 * i + 1], '\0'};

		hash[i] = (unsigned char)strtoul(pair, NULL, 16);
	}
	return true;
}

/* Cuts the line at its blanks; returns how many pieces, FIELDS_MAX + 1 for more than there may be. */
static size_t cut(char *line, char *ret[FIELDS_MAX])
{
	size_t n = 0;

	for (char *at = line + strspn(line, " \t"); *at;) {
		size_t len = strcspn(at, " \t");
		char *next = at + len + strspn(at + len, " \t");

		if (n == FIELDS_MAX)
			return FIELDS_MAX + 1;
		at[len] = '\0';
		ret[n++] = at;
		at = next;
	}
	return n;
}

static int read_line(char *line, struct token *t, struct err *e)
{
	char *field[FIELDS_MAX];
	size_t n = cut(line, field);

	*t = (struct token){0};
	if (n < 3 || n > FIELDS_MAX)
		return err_set(e, ERR_INVALID, "a line is: name scope sha256 [expires=TIME]");
	if (token_check("name", field[0], e) || scope_parse(field[1], &t->scope, e))
		return e->code;
	snprintf(t->name, sizeof(t->name), "%s", field[0]);
	if (!read_hash(field[2], t->hash))
		return err_set(
			e, ERR_INVALID,
			"the third word must be a SHA-256 in 64 hex digits; millrace-gateway --new-token "
			"%s makes a token and its line",
			t->name);
	if (n == FIELDS_MAX && strncmp(field[3], EXPIRES, strlen(EXPIRES)) != 0)
		return err_set(e, ERR_INVALID, "the fourth word must be expires=TIME");
	if (n == FIELDS_MAX && time_parse(field[3] + strlen(EXPIRES), &t->expires_wall_ns, e))
		return err_wrap(e, "expires");
	return 0;
}

static int add(struct tokens *all, const struct token *t, struct err *e)
{
	if (all->n == TOKENS_MAX)
		return err_set(e, ERR_TOO_LARGE, "at most %d tokens", TOKENS_MAX);
	for (size_t i = 0; i < all->n; i++) {
		if (str_eq(all->at[i].name, t->name))
			return err_set(e, ERR_INVALID, "the name %s is there twice", t->name);
	}
	all->at = xreallocarray(all->at, all->n + 1, sizeof(*t));
	all->at[all->n++] = *t;
	return 0;
}

int tokens_parse(const char *what, const char *text, size_t len, struct tokens *ret, struct err *e)
{
	struct tokens all = {0};
	unsigned number = 1;

	for (const char *at = text, *stop = text + len; at < stop; number++) {
		const char *end = memchr(at, '\n', (size_t)(stop - at));
		size_t n = (size_t)((end ? end : stop) - at);
		char line[LINE_MAX_BYTES + 1];
		struct token t;
		int rc = 0;

		if (n > LINE_MAX_BYTES || memchr(at, '\0', n)) {
			rc = err_set(e, ERR_INVALID, "the line is too long, or no text");
		} else {
			memcpy(line, at, n);
			line[n] = '\0';
			line[strcspn(line, "#\r")] = '\0';
			if (line[strspn(line, " \t")])
				rc = read_line(line, &t, e) || add(&all, &t, e) ? e->code : 0;
		}
		if (rc) {
			char where[300];

			snprintf(where, sizeof(where), "%.250s:%u", what, number);
			tokens_release(&all);
			return err_wrap(e, "%s", where);
		}
		at += n + 1;
	}
	*ret = all;
	return 0;
}

void tokens_release(struct tokens *t)
{
	free(t->at);
	*t = (struct tokens){0};
}

const struct token *tokens_find(const struct tokens *t, const char *secret)
{
	unsigned char hash[TOKEN_HASH_BYTES];
	const struct token *found = NULL;

	SHA256((const unsigned char *)secret, strlen(secret), hash);
	/* All of them, whichever it is. */
	for (size_t i = 0; i < t->n; i++) {
		if (CRYPTO_memcmp(hash, t->at[i].hash, sizeof(hash)) == 0)
			found = &t->at[i];
	}
	return found;
}

const char *bearer_of(const char *authorization)
{
	if (strncasecmp(authorization, "Bearer ", 7) != 0)
		return NULL;
	authorization += 7;
	return authorization + strspn(authorization, " ");
}

int token_make(const char *name, enum scope scope, int64_t expires_wall_ns,
			   char ret_secret[TOKEN_SECRET_LEN + 1], char ret_line[256], struct err *e)
{
	CLEANUP(buf_release) struct buf text = {0};
	unsigned char bits[32], hash[TOKEN_HASH_BYTES];
	char until[32], hex[2 * TOKEN_HASH_BYTES + 1];

	if (token_check("name", name, e))
		return e->code;
	if (getrandom(bits, sizeof(bits), 0) != (ssize_t)sizeof(bits))
		return err_set(e, ERR_FAILED, "no random bits: %s", strerror(errno));
	base64url_encode(bits, sizeof(bits), &text);
	text.data[strcspn(text.data, "=")] = '\0';
	snprintf(ret_secret, TOKEN_SECRET_LEN + 1, TOKEN_PREFIX "%s", text.data);
	SHA256((const unsigned char *)ret_secret, strlen(ret_secret), hash);
	for (size_t i = 0; i < sizeof(hash); i++)
		snprintf(hex + 2 * i, 3, "%02x", hash[i]);
	if (expires_wall_ns)
		time_format(expires_wall_ns, until);
	snprintf(ret_line, 256, "%s %s %s%s%s", name, scope_name(scope), hex,
			 expires_wall_ns ? " " EXPIRES : "", expires_wall_ns ? until : "");
	OPENSSL_cleanse(bits, sizeof(bits));
	OPENSSL_cleanse(text.data, text.len);
	return 0;
}
