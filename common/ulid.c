/*
 * Ids for tasks that are submitted: a ULID, in lower case. It stands
 * alone because ids are made before anything is sent, so that a submit can be
 * repeated without making a second task.
 *
 * 48 bits of milliseconds, then 80 random bits, in Crockford's alphabet. Ids
 * of one process in one millisecond count up from a random start, so they
 * sort as they were made; between processes chance decides.
 */
#include "common/ulid.h"

#include <errno.h>
#include <sys/random.h>

#include "common/clock.h"

static const char alphabet[] = "0123456789abcdefghjkmnpqrstvwxyz";

void ulid_make(int64_t wall_ms, const uint8_t random[10], char ret[ULID_LEN + 1])
{
	uint64_t time = (uint64_t)wall_ms & ((UINT64_C(1) << 48) - 1);

	for (int i = 9; i >= 0; i--, time >>= 5)
		ret[i] = alphabet[time & 31];
	for (unsigned half = 0; half < 2; half++) {
		uint64_t bits = 0;

		for (unsigned i = 0; i < 5; i++)
			bits = bits << 8 | random[half * 5 + i];
		for (int i = 7; i >= 0; i--, bits >>= 5)
			ret[10 + half * 8 + (unsigned)i] = alphabet[bits & 31];
	}
	ret[ULID_LEN] = '\0';
}

static void fill(uint8_t random[10])
{
	ssize_t n;

	do
		n = getrandom(random, 10, 0);
	while (n < 0 && errno == EINTR);
	if (n != 10)
		abort();       /* a kernel without random numbers: no id would be safe */
	random[0] &= 0x7f; /* room to count up in */
}

static void count_up(uint8_t random[10])
{
	for (int i = 9; i >= 0 && ++random[i] == 0; i--)
		;
}

void ulid_new(char ret[ULID_LEN + 1])
{
	static int64_t last_ms;
	static uint8_t random[10];
	int64_t now_ms = clock_wall_ns() / NS_PER_MS;

	if (now_ms > last_ms) {
		last_ms = now_ms;
		fill(random);
	} else {
		count_up(random); /* the same millisecond, or a clock set back */
	}
	ulid_make(last_ms, random, ret);
}
