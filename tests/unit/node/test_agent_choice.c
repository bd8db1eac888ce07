/* agent_choice: which of several agents a task is given to. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "node/handlers/agent_choice.h"

static size_t choose(const struct agent_offer *offers, size_t n, const char *project)
{
	size_t best = 0;

	for (size_t i = 1; i < n; i++) {
		if (agent_choice_better(&offers[i], &offers[best], project))
			best = i;
	}
	return best;
}

static void a_task_goes_to_the_agent_of_its_project(void **state)
{
	(void)state;
	static const struct {
		const char *what;
		struct agent_offer offers[3];
		const char *project;
		size_t chosen;
	} rows[] = {
		{"its own", {{"a", 0, 1}, {"b", 0, 9}, {NULL, 0, 0}}, "b", 1},
		{"its own, though it has more to do", {{"a", 0, 1}, {"b", 3, 9}, {NULL, 0, 0}}, "b", 1},
		{"none of its own: one for any", {{"a", 0, 1}, {"b", 0, 0}, {NULL, 0, 9}}, "c", 2},
		{"none for any: whoever has room", {{"a", 0, 5}, {"b", 0, 4}, {"d", 0, 6}}, "c", 1},
		{"of no project: one for any", {{"a", 0, 1}, {NULL, 0, 9}, {"b", 0, 2}}, NULL, 1},
		{"of no project, said empty", {{"a", 0, 1}, {"", 0, 9}, {"b", 0, 2}}, "", 1},
		{"of no project, all for one: whoever", {{"a", 0, 3}, {"b", 0, 2}, {"d", 0, 4}}, NULL, 1},
		{"the least to do", {{NULL, 2, 0}, {NULL, 1, 9}, {NULL, 3, 0}}, NULL, 1},
		{"then idle for longest", {{NULL, 0, 7}, {NULL, 0, 5}, {NULL, 0, 6}}, NULL, 1},
		{"of equals the first", {{NULL, 1, 0}, {NULL, 1, 0}, {NULL, 1, 0}}, NULL, 0},
	};

	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		size_t got = choose(rows[i].offers, 3, rows[i].project);
		if (got != rows[i].chosen)
			fail_msg("%s: %zu, not %zu", rows[i].what, got, rows[i].chosen);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(a_task_goes_to_the_agent_of_its_project)};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
