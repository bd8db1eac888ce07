/* Each strategy's distribution, by seed, and who is left out. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "router/balance.h"
#include "router/policy.h"

#define N 5
#define TASKS 10000

static void five(struct balance_node nodes[N])
{
	static const char *const names[N] = {"a", "b", "c", "d", "e"};

	for (size_t i = 0; i < N; i++)
		nodes[i] = (struct balance_node){.name = names[i], .slots = 10, .weight = 1};
}

/* TASKS tasks of seeded ids; ret counts who got them. */
static void run(enum balance strategy, const struct balance_node *nodes, size_t n,
				unsigned ret[N + 1])
{
	struct balance_ask ask = {.strategy = strategy, .max_load = 0.9};
	char id[32];

	memset(ret, 0, (N + 1) * sizeof(*ret));
	for (unsigned i = 0; i < TASKS; i++) {
		snprintf(id, sizeof(id), "task-%u", i);
		ask.turn = i;
		ask.seed = policy_seed(id, 1);
		size_t k = balance_pick(&ask, nodes, n);
		ret[k == BALANCE_NOBODY ? N : k]++;
	}
}

static void round_robin_is_exact(void **state UNUSED)
{
	struct balance_node nodes[N];
	unsigned got[N + 1];

	five(nodes);
	run(BALANCE_ROUND_ROBIN, nodes, N, got);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(got[i], TASKS / N);
}

static void random_is_even_within_chance(void **state UNUSED)
{
	struct balance_node nodes[N];
	unsigned got[N + 1];
	double chi2 = 0, expected = (double)TASKS / N;

	five(nodes);
	run(BALANCE_RANDOM, nodes, N, got);
	for (size_t i = 0; i < N; i++)
		chi2 += (got[i] - expected) * (got[i] - expected) / expected;
	/* Four degrees of freedom: 18.5 is met by chance once in a thousand. */
	assert_true(chi2 < 18.5);
	assert_true(chi2 > 0);
}

static void weights_are_kept_at_every_length(void **state UNUSED)
{
	struct balance_node nodes[N];
	struct balance_ask ask = {.strategy = BALANCE_WEIGHTED, .max_load = 0.9};
	unsigned got[N] = {0}, total = 0;

	five(nodes);
	for (size_t i = 0; i < N; i++) {
		nodes[i].weight = (unsigned)i; /* 0 counts as 1 */
		total += i ? (unsigned)i : 1;
	}
	for (unsigned t = 0; t < 2000; t++) {
		ask.turn = 12345 + t;
		got[balance_pick(&ask, nodes, N)]++;
		for (size_t i = 0; i < N; i++) {
			double wanted = (t + 1.0) * (double)(i ? i : 1) / total;
			assert_true(got[i] > wanted - 4 && got[i] < wanted + 4);
		}
	}
}

static void least_loaded_counts_slots_sent_cpu_and_memory(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct balance_node nodes[3];
		const char *wanted;
	} rows[] = {
		{"used",
		 {{.name = "a", .slots = 10, .used = 5},
		  {.name = "b", .slots = 10, .used = 4},
		  {.name = "c", .slots = 10, .used = 6}},
		 "b"},
		{"by its size",
		 {{.name = "a", .slots = 10, .used = 5},
		  {.name = "b", .slots = 100, .used = 20},
		  {.name = "c", .slots = 10, .used = 3}},
		 "b"},
		{"sent since",
		 {{.name = "a", .slots = 10, .ahead = 5},
		  {.name = "b", .slots = 10, .used = 4},
		  {.name = "c", .slots = 10, .ahead = 3, .used = 3}},
		 "b"},
		{"processors",
		 {{.name = "a", .slots = 10, .cpu = 0.8},
		  {.name = "b", .slots = 10, .cpu = 0.2},
		  {.name = "c", .slots = 10, .cpu = 0.5}},
		 "b"},
		{"memory",
		 {{.name = "a", .slots = 10, .memory = 0.8},
		  {.name = "b", .slots = 10, .memory = 0.2},
		  {.name = "c", .slots = 10, .memory = 0.5}},
		 "b"},
		{"above the maximum by processors",
		 {{.name = "a", .slots = 10, .cpu = 0.95},
		  {.name = "b", .slots = 10, .used = 9},
		  {.name = "c", .slots = 10, .memory = 0.91}},
		 "b"},
		{"excluded, avoided",
		 {{.name = "a", .slots = 10, .excluded = true},
		  {.name = "b", .slots = 10, .used = 9},
		  {.name = "c", .slots = 10, .avoided = true}},
		 "b"},
		{"avoided, and nobody else",
		 {{.name = "a", .slots = 10, .excluded = true},
		  {.name = "b", .slots = 10, .avoided = true},
		  {.name = "c", .slots = 10, .used = 10}},
		 "b"},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		for (uint32_t seed = 0; seed < 100; seed++) {
			struct balance_ask ask = {
				.strategy = BALANCE_LEAST_LOADED, .max_load = 0.9, .seed = seed};
			size_t k = balance_pick(&ask, rows[i].nodes, 3);
			if (k == BALANCE_NOBODY || strcmp(rows[i].nodes[k].name, rows[i].wanted) != 0)
				fail_msg("%s: %s", rows[i].what,
						 k == BALANCE_NOBODY ? "nobody" : rows[i].nodes[k].name);
		}
	}
}

static void ties_of_least_loaded_are_spread(void **state UNUSED)
{
	struct balance_node nodes[N];
	unsigned got[N + 1];

	five(nodes);
	run(BALANCE_LEAST_LOADED, nodes, N, got);
	for (size_t i = 0; i < N; i++)
		assert_true(got[i] > TASKS / N * 9 / 10 && got[i] < TASKS / N * 11 / 10);
}

static void capability_match_takes_who_can_least(void **state UNUSED)
{
	struct balance_node nodes[] = {{.name = "a", .slots = 10, .capabilities = 3},
								   {.name = "b", .slots = 10, .capabilities = 1, .used = 8},
								   {.name = "c", .slots = 10, .capabilities = 2}};
	struct balance_ask ask = {.strategy = BALANCE_CAPABILITY_MATCH, .max_load = 0.9};

	assert_int_equal(balance_pick(&ask, nodes, 3), 1);
	nodes[1].used = 10;
	assert_int_equal(balance_pick(&ask, nodes, 3), 2);
}

static void above_the_maximum_load_nobody_gets_it(void **state UNUSED)
{
	struct balance_node nodes[N];

	five(nodes);
	nodes[0].used = 10;
	nodes[1].cpu = 0.95;
	nodes[2].memory = 0.95;
	nodes[3].excluded = true;
	nodes[4].ahead = BALANCE_AHEAD_MAX;
	for (int s = BALANCE_UNSAID; s <= BALANCE_CAPABILITY_MATCH; s++) {
		struct balance_ask ask = {.strategy = (enum balance)s, .max_load = 0.9};
		assert_int_equal(balance_pick(&ask, nodes, N), BALANCE_NOBODY);
		assert_int_equal(balance_pick(&ask, NULL, 0), BALANCE_NOBODY);
	}
	/* Who has to be given to somebody: the least loaded whatever its load, but an excluded one
	 * never. */
	assert_int_not_equal(balance_least(nodes, N, 7), 3);
	for (size_t i = 0; i < N; i++)
		nodes[i].excluded = true;
	assert_int_equal(balance_least(nodes, N, 7), BALANCE_NOBODY);
}

static void a_machine_that_is_busy_for_all_tells_none_from_the_other(void **state UNUSED)
{
	struct balance_node nodes[N];

	five(nodes);
	for (size_t i = 0; i < N; i++)
		nodes[i].cpu = 0.99;
	nodes[0].memory = 0.95;
	nodes[1].used = 10;
	balance_level(nodes, N, 0.9);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(balance_takes(&nodes[i], 0.9), i != 1);
	/* One that is not: then the others are left out. One that can't be given anything is no such one. */
	five(nodes);
	for (size_t i = 0; i < N; i++)
		nodes[i].memory = i == 2 ? 0.5 : 0.99;
	balance_level(nodes, N, 0.9);
	for (size_t i = 0; i < N; i++)
		assert_int_equal(balance_takes(&nodes[i], 0.9), i == 2);
	nodes[2].shut = true;
	balance_level(nodes, N, 0.9);
	assert_true(balance_takes(&nodes[0], 0.9));
	balance_level(NULL, 0, 0.9);
}

static void a_projects_node_stays_while_it_is_there(void **state UNUSED)
{
	struct balance_node nodes[N];
	unsigned moved = 0, got[N] = {0};
	char project[32];

	for (unsigned i = 0; i < 1000; i++) {
		snprintf(project, sizeof(project), "project-%u", i);
		five(nodes);
		size_t with = balance_project(project, nodes, N);
		got[with]++;
		/* Without the last one only its own projects move. */
		size_t without = balance_project(project, nodes, N - 1);
		moved += with != without;
		assert_true(with == N - 1 || with == without);
		nodes[with].excluded = true;
		assert_int_not_equal(balance_project(project, nodes, N), with);
	}
	assert_true(moved > 140 && moved < 260);
	for (size_t i = 0; i < N; i++)
		assert_true(got[i] > 140 && got[i] < 260);
	assert_int_equal(balance_project("x", NULL, 0), BALANCE_NOBODY);
}

static void a_retry_goes_to_a_free_node_that_did_not_fail_it(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct balance_node a, b, c;
		size_t want;
	} rows[] = {
		{"the least loaded of the others",
		 {.name = "a", .slots = 4, .avoided = true},
		 {.name = "b", .slots = 4, .used = 2},
		 {.name = "c", .slots = 4, .used = 1},
		 2},
		{"what was sent counts",
		 {.name = "a", .slots = 4, .avoided = true},
		 {.name = "b", .slots = 4, .used = 2},
		 {.name = "c", .slots = 4, .used = 1, .ahead = 3},
		 1},
		{"none of them has a free slot",
		 {.name = "a", .slots = 4, .avoided = true},
		 {.name = "b", .slots = 4, .used = 4},
		 {.name = "c", .slots = 4, .used = 2, .ahead = 2},
		 BALANCE_NOBODY},
		{"a busy machine with a free slot",
		 {.name = "a", .slots = 4, .avoided = true},
		 {.name = "b", .slots = 4, .cpu = 1, .memory = 0.99},
		 {.name = "c", .slots = 4, .excluded = true},
		 1},
		{"all are avoided",
		 {.name = "a", .slots = 4, .avoided = true},
		 {.name = "b", .slots = 4, .avoided = true},
		 {.name = "c", .slots = 4, .avoided = true},
		 BALANCE_NOBODY},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const struct balance_node nodes[] = {rows[i].a, rows[i].b, rows[i].c};
		size_t got = balance_other(nodes, 3, 7);
		if (got != rows[i].want)
			fail_msg("%s: %zu", rows[i].what, got);
	}
	assert_int_equal(balance_other(NULL, 0, 7), BALANCE_NOBODY);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(round_robin_is_exact),
		cmocka_unit_test(random_is_even_within_chance),
		cmocka_unit_test(weights_are_kept_at_every_length),
		cmocka_unit_test(least_loaded_counts_slots_sent_cpu_and_memory),
		cmocka_unit_test(ties_of_least_loaded_are_spread),
		cmocka_unit_test(capability_match_takes_who_can_least),
		cmocka_unit_test(above_the_maximum_load_nobody_gets_it),
		cmocka_unit_test(a_machine_that_is_busy_for_all_tells_none_from_the_other),
		cmocka_unit_test(a_projects_node_stays_while_it_is_there),
		cmocka_unit_test(a_retry_goes_to_a_free_node_that_did_not_fail_it),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
