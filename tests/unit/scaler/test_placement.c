/* Agents go where most are; the emptiest is to spare when the others have room. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scaler/placement.h"

#define NODES 3

static void agents_go_to_the_fullest_with_room(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct placement_node nodes[NODES];
		int chosen;
	} rows[] = {
		{"the fullest",
		 {{.agents = 2, .agents_max = 10, .takes = true},
		  {.agents = 7, .agents_max = 10, .takes = true},
		  {.agents = 3, .agents_max = 10, .takes = true}},
		 1},
		{"by share, not by number",
		 {{.agents = 7, .agents_max = 20, .takes = true},
		  {.agents = 3, .agents_max = 4, .takes = true}},
		 1},
		{"with room",
		 {{.agents = 10, .agents_max = 10, .takes = true},
		  {.agents = 1, .agents_max = 10, .takes = true}},
		 1},
		{"that takes any",
		 {{.agents = 9, .agents_max = 10}, {.agents = 0, .agents_max = 10, .takes = true}},
		 1},
		{"of the same project first",
		 {{.agents = 8, .agents_max = 10, .takes = true},
		  {.agents = 2, .agents_max = 10, .same_project = 1, .takes = true}},
		 1},
		{"the fullest of those",
		 {{.agents = 3, .agents_max = 10, .same_project = 2, .takes = true},
		  {.agents = 5, .agents_max = 10, .same_project = 1, .takes = true}},
		 1},
		{"more of the project where equally full",
		 {{.agents = 5, .agents_max = 10, .same_project = 1, .takes = true},
		  {.agents = 5, .agents_max = 10, .same_project = 4, .takes = true}},
		 1},
		{"not over the load",
		 {{.agents = 8, .agents_max = 10, .same_project = 8, .cpu_percent = 90.1, .takes = true},
		  {.agents = 7, .agents_max = 10, .memory_percent = 91, .takes = true},
		  {.agents = 0, .agents_max = 10, .cpu_percent = 90, .takes = true}},
		 2},
		{"the least loaded where all are over it",
		 {{.agents = 8, .agents_max = 10, .cpu_percent = 99, .takes = true},
		  {.agents = 1, .agents_max = 10, .cpu_percent = 95, .memory_percent = 92, .takes = true}},
		 1},
		{"none has room",
		 {{.agents = 10, .agents_max = 10, .takes = true},
		  {.agents = 0, .agents_max = 10},
		  {.takes = true}},
		 -1},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int chosen = placement_choose(rows[i].nodes, NODES);

		if (chosen != rows[i].chosen)
			fail_msg("%s: %d", rows[i].what, chosen);
	}
	assert_int_equal(placement_choose(NULL, 0), -1);
}

static void the_emptiest_is_to_spare_if_the_rest_have_room(void **state UNUSED)
{
	static const struct {
		const char *what;
		struct placement_node nodes[NODES];
		double share;
		int spare;
	} rows[] = {
		{"the emptiest",
		 {{.agents = 3, .agents_max = 10, .takes = true},
		  {.agents = 1, .agents_max = 10, .takes = true},
		  {.agents = 5, .agents_max = 10, .takes = true}},
		 0.3,
		 1},
		{"none under the share",
		 {{.agents = 4, .agents_max = 10, .takes = true},
		  {.agents = 5, .agents_max = 10, .takes = true}},
		 0.3,
		 -1},
		{"no room elsewhere",
		 {{.agents = 3, .agents_max = 10, .takes = true},
		  {.agents = 8, .agents_max = 10, .takes = true}},
		 0.3,
		 -1},
		{"just room elsewhere",
		 {{.agents = 3, .agents_max = 10, .takes = true},
		  {.agents = 8, .agents_max = 10, .takes = true},
		  {.agents = 9, .agents_max = 10, .takes = true}},
		 0.3,
		 0},
		{"machines at their load are no room",
		 {{.agents = 1, .agents_max = 10, .takes = true},
		  {.agents = 4, .agents_max = 10, .cpu_percent = 95, .takes = true}},
		 0.3,
		 -1},
		{"nor are such as take none",
		 {{.agents = 1, .agents_max = 10, .takes = true}, {.agents = 4, .agents_max = 10}},
		 0.3,
		 -1},
		{"one on its way out is not spared again",
		 {{.agents = 0, .agents_max = 10},
		  {.agents = 2, .agents_max = 10, .takes = true},
		  {.agents = 4, .agents_max = 10, .takes = true}},
		 0.3,
		 1},
		{"an empty one needs no room",
		 {{.agents = 0, .agents_max = 10, .takes = true},
		  {.agents = 10, .agents_max = 10, .takes = true}},
		 0,
		 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		int spare = placement_spare(rows[i].nodes, NODES, rows[i].share);

		if (spare != rows[i].spare)
			fail_msg("%s: %d", rows[i].what, spare);
	}
	assert_int_equal(placement_spare(NULL, 0, 1), -1);
}

/* What consolidation moves must not be what it spares next: agents end on the fullest, for good. */
static void sparing_comes_to_rest(void **state UNUSED)
{
	struct placement_node nodes[4] = {{.agents = 2, .agents_max = 10, .takes = true},
									  {.agents = 3, .agents_max = 10, .takes = true},
									  {.agents = 1, .agents_max = 10, .takes = true},
									  {.agents = 3, .agents_max = 10, .takes = true}};
	int spare, rounds = 0;

	while ((spare = placement_spare(nodes, 4, 0.5)) >= 0 && rounds++ < 10) {
		nodes[spare].takes = false;
		for (; nodes[spare].agents; nodes[spare].agents--) {
			int to = placement_choose(nodes, 4);

			assert_true(to >= 0);
			nodes[to].agents++;
		}
	}
	assert_int_equal(rounds, 3);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agents_go_to_the_fullest_with_room),
		cmocka_unit_test(the_emptiest_is_to_spare_if_the_rest_have_room),
		cmocka_unit_test(sparing_comes_to_rest),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
