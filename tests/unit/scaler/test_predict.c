/* Predicted waits, by table. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>
#include <math.h>

#include "scaler/predict.h"

static void waits_are_as_the_formula_says(void **state UNUSED)
{
	static const struct {
		struct predict_view v;
		double wait_s;
	} rows[] = {
		/* A free slot. */
		{{.slots = 4, .used = 1, .service_s = 1}, 0},
		{{.slots = 4, .used = 1, .ahead = 2, .service_s = 1}, 0},
		/* All are busy: half a service until the first is free, a quarter each of four. */
		{{.slots = 1, .used = 1, .service_s = 2}, 1},
		{{.slots = 4, .used = 4, .service_s = 2}, 0.25},
		{{.slots = 4, .used = 4, .ahead = 40, .service_s = 2}, 20.25},
		/* Those above its class that come meanwhile go before it. */
		{{.slots = 4, .used = 4, .ahead = 40, .service_s = 2, .arrival_above_per_s = 1}, 40.5},
		{{.slots = 4, .used = 4, .ahead = 40, .service_s = 2, .arrival_above_per_s = 2}, INFINITY},
		/* No node: one has to be started, where one would be. */
		{{.service_s = 1}, INFINITY},
		{{.service_s = 1, .start_s = 3}, 3},
		{{.service_s = 1, .start_s = 3, .ahead = 20, .slots_started = 10}, 5.05},
		/* How long tasks take is not known. */
		{{.slots = 4, .used = 4, .ahead = 9}, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		double got = predict_wait_s(&rows[i].v);

		if (isinf(rows[i].wait_s))
			assert_true(isinf(got));
		else
			assert_float_equal(got, rows[i].wait_s, 0.001);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(waits_are_as_the_formula_says)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
