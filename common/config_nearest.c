/*
 * What a mistyped word meant: the known one with the fewest edits to it, as
 * long as those are few. Pure, and apart so that flags and keys guess alike.
 */
#include "common/config_internal.h"

/* Edit distance (insert, drop, change, swap neighbours); both at most CONFIG_NAME_MAX - 1 long. */
static size_t distance(const char *a, size_t alen, const char *b, size_t blen)
{
	size_t rows[3][CONFIG_NAME_MAX];
	size_t *before = rows[0], *last = rows[1], *now = rows[2];
	for (size_t k = 0; k <= blen; k++)
		last[k] = k;
	for (size_t i = 1; i <= alen; i++) {
		now[0] = i;
		for (size_t k = 1; k <= blen; k++) {
			size_t change = last[k - 1] + (a[i - 1] != b[k - 1]);
			now[k] = MIN_OF(change, MIN_OF(last[k], now[k - 1]) + 1);
			if (i > 1 && k > 1 && a[i - 1] == b[k - 2] && a[i - 2] == b[k - 1])
				now[k] = MIN_OF(now[k], before[k - 2] + 1);
		}
		size_t *reused = before;
		before = last;
		last = now;
		now = reused;
	}
	return last[blen];
}

void nearest_offer(struct nearest *n, const char *candidate)
{
	size_t alen = strlen(n->word), blen = strlen(candidate);
	if (alen >= CONFIG_NAME_MAX || blen >= CONFIG_NAME_MAX)
		return;
	size_t d = distance(n->word, alen, candidate, blen);
	if (d > MAX_OF(alen / 3, 2) || d >= blen || (n->best[0] && d >= n->distance))
		return;
	n->distance = d;
	memcpy(n->best, candidate, blen + 1);
}
