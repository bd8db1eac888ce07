/*
 * Errors folded into fingerprints. It stands alone because grouping, replay
 * and the breaker must agree for months on what is "the same failure", and
 * because the words come from strangers: whatever the bytes, the work and the
 * result are bounded and nothing fails. Word by word: a word is what stands
 * between blanks and brackets; its last punctuation is kept, the rest is
 * classified by its letters alone, so that no dictionary ages.
 */
#include "router/fingerprint.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>

#define INPUT_MAX ((size_t)4096)
#define NORMALISED_MAX ((size_t)200)
#define QUOTED_MAX ((size_t)300)
#define HEX_ID_MIN 8
#define MIXED_ID_MIN 8

static bool is_blank(char c)
{
	return (unsigned char)c <= ' ' || c == 0x7f;
}

static bool is_bracket(char c)
{
	return c != '\0' && strchr("()[]{}<>|=;,", c) != NULL;
}

static bool is_quote(char c)
{
	return c == '\'' || c == '"' || c == '`';
}

static bool is_word(char c)
{
	return isalnum((unsigned char)c) || (unsigned char)c >= 0x80;
}

/* Of s[0], a quote: the length up to its partner, both included; 0: it opens nothing ("can't"). */
static size_t quoted_len(const char *s, size_t len, bool after_word)
{
	if (after_word)
		return 0;
	for (size_t i = 1; i < len && i < QUOTED_MAX; i++) {
		if (s[i] == s[0] && (i + 1 == len || !is_word(s[i + 1])))
			return i + 1;
	}
	return 0;
}

/* ---- one word ---- */

static bool contains(const char *s, size_t len, const char *what)
{
	return memmem(s, len, what, strlen(what)) != NULL;
}

static bool is_path(const char *s, size_t len)
{
	unsigned slashes = 0;

	if (s[0] == '/' && len > 1)
		return true;
	if (s[0] == '~' && len > 1 && s[1] == '/')
		return true;
	if (s[0] == '.' &&
		(contains(s, MIN_OF(len, (size_t)2), "./") || contains(s, MIN_OF(len, (size_t)3), "../")))
		return true;
	if (len > 2 && isalpha((unsigned char)s[0]) && s[1] == ':' && s[2] == '\\')
		return true;
	for (size_t i = 0; i < len; i++)
		slashes += s[i] == '/' || s[i] == '\\';
	return slashes >= 2;
}

/* What no person would have written: a UUID, a hash, an id of letters and digits in turn. */
static bool is_id(const char *s, size_t len)
{
	size_t digits = 0, hex = 0, dashes = 0, others = 0, turns = 0;

	if (len > 2 && s[0] == '0' && (s[1] == 'x' || s[1] == 'X'))
		return strspn(s + 2, "0123456789abcdefABCDEF") >= len - 2;
	for (size_t i = 0; i < len; i++) {
		unsigned char c = (unsigned char)s[i];
		bool digit = isdigit(c);
		if (c == '-' || c == '_') {
			dashes++;
			continue;
		}
		digits += digit;
		hex += isxdigit(c) != 0;
		others += !isalnum(c);
		if (i > 0 && isalnum((unsigned char)s[i - 1]))
			turns += digit != (isdigit((unsigned char)s[i - 1]) != 0);
	}
	if (others || digits == 0 || digits == len)
		return false;
	if (hex == len - dashes && hex >= HEX_ID_MIN && hex > digits)
		return true;
	return len >= MIXED_ID_MIN && digits >= 3 && turns >= 3;
}

static void add_plain(const char *s, size_t len, struct buf *out)
{
	for (size_t i = 0; i < len;) {
		if (!isdigit((unsigned char)s[i])) {
			char c = (char)tolower((unsigned char)s[i++]);
			buf_add(out, &c, 1);
			continue;
		}
		buf_add_str(out, "<n>");
		for (;;) {
			while (i < len && isdigit((unsigned char)s[i]))
				i++;
			if (i + 1 >= len || !strchr(".,:", s[i]) || !isdigit((unsigned char)s[i + 1]))
				break;
			i++;
		}
	}
}

static void add_word(const char *s, size_t len, struct buf *out)
{
	size_t tail = 0;

	while (tail + 1 < len && strchr(".:!?\"'`", s[len - tail - 1]))
		tail++;
	len -= tail;
	if (contains(s, len, "://"))
		buf_add_str(out, "<url>");
	else if (is_path(s, len))
		buf_add_str(out, "<path>");
	else if (is_id(s, len))
		buf_add_str(out, "<id>");
	else
		add_plain(s, len, out);
	buf_add(out, s + len, tail);
}

/* ---- the whole ---- */

void fingerprint_normalise(const char *error, size_t len, struct buf *out)
{
	size_t start = out->len;
	bool gap = false, after_word = false;

	len = MIN_OF(len, INPUT_MAX);
	for (size_t i = 0; i < len && out->len - start < NORMALISED_MAX;) {
		char c = error[i];
		size_t n;
		if (is_blank(c)) {
			gap = out->len > start;
			after_word = false;
			i++;
			continue;
		}
		if (gap)
			buf_add_str(out, " ");
		gap = false;
		if (is_quote(c) && (n = quoted_len(error + i, len - i, after_word)) > 0) {
			buf_add_str(out, "<q>");
			after_word = false;
			i += n;
			continue;
		}
		if (is_bracket(c) || is_quote(c)) {
			buf_add(out, &c, 1);
			after_word = false;
			i++;
			continue;
		}
		/* A quote within a word is an apostrophe; one before it was looked at above. */
		for (n = 1; i + n < len && !is_blank(error[i + n]) && !is_bracket(error[i + n]); n++) {
			if (is_quote(error[i + n]) && !is_word(error[i + n - 1]))
				break;
		}
		add_word(error + i, n, out);
		after_word = is_word(error[i + n - 1]);
		i += n;
	}
	if (out->len - start > NORMALISED_MAX) {
		out->len = start + NORMALISED_MAX;
		out->data[out->len] = '\0';
	}
}

static void hex_of(const void *data, size_t len, size_t digits, char *out)
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(data, len, digest, &n, EVP_sha256(), NULL))
		abort(); /* SHA-256 is always there */
	for (size_t i = 0; i < digits / 2; i++)
		snprintf(out + 2 * i, 3, "%02x", digest[i]);
}

void fingerprint_make(const char *type, const char *error, const char *version,
					  char out[FINGERPRINT_MAX + 1])
{
	CLEANUP(buf_release) struct buf text = {0};

	buf_add_str(&text, type);
	buf_add_str(&text, "\n");
	fingerprint_normalise(error, strnlen(error, INPUT_MAX), &text);
	hex_of(text.data, text.len, FINGERPRINT_ERROR_LEN, out);
	if (!version || !*version)
		return;
	out[FINGERPRINT_ERROR_LEN] = '-';
	hex_of(version, strlen(version), FINGERPRINT_VERSION_LEN, out + FINGERPRINT_ERROR_LEN + 1);
}

bool fingerprint_ok(const char *text)
{
	static const char digits[] = "0123456789abcdef";

	if (strspn(text, digits) != FINGERPRINT_ERROR_LEN)
		return false;
	text += FINGERPRINT_ERROR_LEN;
	if (!*text)
		return true;
	return *text == '-' && strspn(text + 1, digits) == FINGERPRINT_VERSION_LEN &&
		   text[1 + FINGERPRINT_VERSION_LEN] == '\0';
}

bool fingerprint_matches(const char *fingerprint, const char *wanted)
{
	size_t len = strlen(wanted);

	if (len > FINGERPRINT_ERROR_LEN)
		return str_eq(fingerprint, wanted);
	return len == FINGERPRINT_ERROR_LEN && strncmp(fingerprint, wanted, len) == 0;
}
