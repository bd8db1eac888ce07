/* Agents go where most are. */
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

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(agents_go_to_the_fullest_with_room),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
