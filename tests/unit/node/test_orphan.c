/* orphan: for how long a lease has not moved. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/orphan.h"

#define FAILED UINT64_MAX

static void only_silence_with_a_broker_counts(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct {
			uint64_t revision;
			int64_t at_ms;
		} looks[6];
		int64_t silent_ms;
	} rows[] = {
		{"renewed each time",
		 {{5, 2000}, {6, 4000}, {7, 6000}, {8, 8000}, {9, 10000}, {10, 12000}},
		 0},
		{"renewed late",
		 {{5, 2000}, {5, 4000}, {5, 6000}, {6, 8000}, {6, 10000}, {6, 12000}},
		 4000},
		{"never again",
		 {{5, 2000}, {5, 4000}, {5, 6000}, {5, 8000}, {5, 10000}, {5, 12000}},
		 10000},
		{"never was", {{0, 2000}, {0, 4000}, {0, 6000}, {0, 8000}, {0, 10000}, {0, 12000}}, 10000},
		{"gone: that it goes is news",
		 {{5, 2000}, {0, 4000}, {0, 6000}, {0, 8000}, {0, 10000}, {0, 12000}},
		 8000},
		{"the broker was away",
		 {{5, 2000}, {5, 4000}, {FAILED, 0}, {5, 90000}, {5, 92000}, {5, 94000}},
		 6000},
		{"away from the start",
		 {{FAILED, 0}, {FAILED, 0}, {FAILED, 0}, {5, 90000}, {5, 92000}, {5, 94000}},
		 4000},
		{"this process was stopped",
		 {{5, 2000}, {5, 4000}, {5, 3600000}, {5, 3602000}, {6, 3604000}, {6, 3604000}},
		 0},
		{"and nothing came since",
		 {{5, 2000}, {5, 4000}, {5, 3600000}, {5, 3602000}, {5, 3602000}, {5, 3602000}},
		 2000 + ORPHAN_STEP_MAX_MS + 2000},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct lease_watch w = {0};
		int64_t got = -1;
		for (size_t k = 0; k < 6; k++) {
			if (rows[i].looks[k].revision == FAILED)
				lease_unseen(&w);
			else
				got = lease_seen(&w, rows[i].looks[k].revision, rows[i].looks[k].at_ms);
		}
		if (got != rows[i].silent_ms)
			fail_msg("%s: %lld ms, not %lld", rows[i].what, (long long)got,
					 (long long)rows[i].silent_ms);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(only_silence_with_a_broker_counts)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
