/*
 * Ids of further tries. It stands alone because replay and manual retry must
 * come to the same id. Cannot fail: a number that would overflow, or a base
 * that is too long, is taken as part of a name like any other.
 */
#include "common/retry_id.h"

#include <ctype.h>
#include <openssl/evp.h>
#include <stdio.h>

#define NUMBER_DIGITS_MAX 9

/* Of "<base>.r<n>": the base's length, and n; the whole and 0 where it is not of that form. */
static size_t split(const char *id, size_t len, unsigned long *ret_n)
{
	size_t at = len;

	while (at > 0 && isdigit((unsigned char)id[at - 1]))
		at--;
	*ret_n = 0;
	if (at == len || len - at > NUMBER_DIGITS_MAX || id[at] == '0' || at < 3 || id[at - 1] != 'r' ||
		id[at - 2] != '.')
		return len;
	*ret_n = strtoul(id + at, NULL, 10);
	return at - 2;
}

static void hash_base(const char *base, size_t len, char out[34])
{
	unsigned char digest[EVP_MAX_MD_SIZE];
	unsigned n = 0;

	if (!EVP_Digest(base, len, digest, &n, EVP_sha256(), NULL))
		abort(); /* SHA-256 is always there */
	out[0] = 'h';
	for (size_t i = 0; i < 16; i++)
		snprintf(out + 1 + 2 * i, 3, "%02x", digest[i]);
}

void retry_id_next(const char *id, char out[TASK_ID_MAX + 1])
{
	char suffix[32], base[TASK_ID_MAX + 1];
	unsigned long n;
	size_t len = split(id, strlen(id), &n);
	int suffix_len = snprintf(suffix, sizeof(suffix), ".r%lu", n + 1);

	if (len + (size_t)suffix_len > TASK_ID_MAX) {
		hash_base(id, len, base);
	} else {
		memcpy(base, id, len);
		base[len] = '\0';
	}
	len = strlen(base);
	memcpy(out, base, len);
	memcpy(out + len, suffix, (size_t)suffix_len + 1);
}
