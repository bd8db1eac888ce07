/* Keys of a limited lane: their names, and the turns of those that are sent back. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "node/permit_keys.h"

static void any_project_becomes_a_name(void **state UNUSED)
{
	char a[PERMIT_KEY_MAX + 1], b[PERMIT_KEY_MAX + 1], lengthy[300];

	permit_key_name("acme", a);
	assert_string_equal(a, "acme");
	memset(lengthy, 'x', sizeof(lengthy));
	lengthy[299] = '\0';
	permit_key_name(lengthy, a);
	lengthy[298] = 'y';
	permit_key_name(lengthy, b);
	assert_true(a[0] == '#' && !str_eq(a, b));
	permit_key_name("\xff\xfe", a);
	assert_true(a[0] == '#');
}

static void turns_are_spread_over_the_time_that_they_need(void **state UNUSED)
{
	struct permit_keys ks = {0};
	struct permit_key *k = permit_keys_get(&ks, "acme");
	int64_t last = 0, now = 1000 * NS_PER_S;

	permit_keys_took(&ks, 100 * NS_PER_MS);
	for (int i = 0; i < 2000; i++) {
		int64_t turn = permit_key_turn_ns(&ks, k, 2, now);
		assert_true(turn >= NS_PER_S && turn >= last);
		last = turn;
	}
	/* 100 ms each on two places, twice as fast as thought: 25 ms each. */
	assert_true(last > 49 * NS_PER_S && last < 52 * NS_PER_S);
	for (int i = 0; i < 100000; i++)
		last = permit_key_turn_ns(&ks, k, 2, now);
	assert_true(last <= 600 * NS_PER_S);
	/* Another key has turns of its own. */
	assert_true(permit_key_turn_ns(&ks, permit_keys_get(&ks, "bell"), 2, now) == NS_PER_S);
	permit_keys_release(&ks);
}

static void keys_that_are_not_needed_are_forgotten(void **state UNUSED)
{
	struct permit_keys ks = {0};
	char name[20];

	for (int i = 0; i < 3 * PERMIT_KEYS_MAX; i++) {
		snprintf(name, sizeof(name), "k%d", i);
		struct permit_key *k = permit_keys_get(&ks, name);
		k->busy = i == 5;
	}
	assert_true(HASH_COUNT(ks.all) <= PERMIT_KEYS_MAX);
	assert_int_equal(permit_keys_get(&ks, "k5")->busy, 1);
	struct permit_key *k = permit_keys_get(&ks, "new");
	k->turn_wall_ns = 10;
	permit_keys_drop(&ks, k, 9);
	assert_ptr_equal(permit_keys_get(&ks, "new"), k);
	unsigned n = HASH_COUNT(ks.all);
	permit_keys_drop(&ks, k, 10);
	assert_int_equal(HASH_COUNT(ks.all), n - 1);
	permit_keys_release(&ks);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(any_project_becomes_a_name),
		cmocka_unit_test(turns_are_spread_over_the_time_that_they_need),
		cmocka_unit_test(keys_that_are_not_needed_are_forgotten),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
