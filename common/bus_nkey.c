/*
 * The public key of an NKey seed file. nats.c signs with the seed but wants
 * to be told the public key; the nats CLI derives it, so we do as well.
 * A seed is base32(2 prefix bytes | 32 bytes Ed25519 seed | CRC-16), a public
 * key base32(1 prefix byte | 32 bytes | CRC-16), CRC-16/XMODEM little-endian
 * (github.com/nats-io/nkeys).
 */
#include <openssl/crypto.h>
#include <openssl/evp.h>
#include <stdio.h>

#include "common/bus_nkey.h"

static const char alphabet[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZ234567";

static uint16_t crc16(const uint8_t *p, size_t len)
{
	unsigned crc = 0;

	for (size_t i = 0; i < len; i++) {
		crc ^= (unsigned)p[i] << 8;
		for (int k = 0; k < 8; k++)
			crc = crc & 0x8000 ? (crc << 1) ^ 0x1021 : crc << 1;
	}
	return (uint16_t)crc;
}

static bool base32_decode(const char *text, uint8_t *out, size_t len)
{
	uint32_t bits = 0;
	unsigned have = 0;
	size_t n = 0;

	for (; *text && n < len; text++) {
		const char *at = strchr(alphabet, *text);
		if (!at)
			return false;
		bits = bits << 5 | (uint32_t)(at - alphabet);
		have += 5;
		if (have >= 8) {
			have -= 8;
			out[n++] = (uint8_t)(bits >> have);
		}
	}
	return n == len;
}

static void base32_encode(const uint8_t *p, size_t len, char *out)
{
	uint32_t bits = 0;
	unsigned have = 0;

	for (size_t i = 0; i < len; i++) {
		bits = bits << 8 | p[i];
		have += 8;
		while (have >= 5) {
			have -= 5;
			*out++ = alphabet[bits >> have & 31];
		}
	}
	if (have)
		*out++ = alphabet[bits << (5 - have) & 31];
	*out = '\0';
}

static int read_seed(const char *path, char seed[128], struct err *e)
{
	FILE *f = fopen(path, "re");
	char line[256];

	seed[0] = '\0';
	if (!f)
		return err_set(e, ERR_INVALID, "nats.nkey: cannot read %s", path);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, " \t\r\n")] = '\0';
		if (line[0] == 'S' && strlen(line) < 128) {
			memcpy(seed, line, strlen(line) + 1);
			break;
		}
	}
	fclose(f);
	OPENSSL_cleanse(line, sizeof(line));
	return seed[0] ? 0 : err_set(e, ERR_INVALID, "nats.nkey: no seed (a line that begins with S) in %s", path);
}

int nkey_public(const char *path, char ret_public[NKEY_PUBLIC_LEN + 1], struct err *e)
{
	char seed[128];
	uint8_t raw[36], pub[35];
	size_t pub_len = 32;
	int rc = read_seed(path, seed, e);

	if (rc)
		return rc;
	if (!base32_decode(seed, raw, sizeof(raw)) || crc16(raw, 34) != (raw[34] | raw[35] << 8))
		rc = err_set(e, ERR_INVALID, "nats.nkey: the seed in %s is damaged", path);
	if (!rc) {
		/* The kind of key sits in the low bits of the first byte and the high ones of the second. */
		pub[0] = (uint8_t)((raw[0] & 7) << 5 | (raw[1] & 0xf8) >> 3);
		EVP_PKEY *key = EVP_PKEY_new_raw_private_key(EVP_PKEY_ED25519, NULL, raw + 2, 32);
		if (!key || EVP_PKEY_get_raw_public_key(key, pub + 1, &pub_len) != 1)
			rc = err_set(e, ERR_FAILED, "nats.nkey: no public key from %s", path);
		EVP_PKEY_free(key);
	}
	if (!rc) {
		uint16_t crc = crc16(pub, 33);
		pub[33] = (uint8_t)crc;
		pub[34] = (uint8_t)(crc >> 8);
		base32_encode(pub, sizeof(pub), ret_public);
	}
	OPENSSL_cleanse(seed, sizeof(seed));
	OPENSSL_cleanse(raw, sizeof(raw));
	return rc;
}
