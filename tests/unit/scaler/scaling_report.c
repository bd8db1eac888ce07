/*
 * Runs the scenarios and prints what docs/scaling.md shows:
 *
 *	scaling_report table            the table of all scenarios (Markdown)
 *	scaling_report csv SCENARIO     one of them second by second, for draw_scaling.py
 */
#include <stdio.h>

#include "tests/unit/scaler/sim_table.h"

static int usage(void)
{
	fputs("usage: scaling_report table | scaling_report csv SCENARIO\nscenarios:\n", stderr);
	for (size_t i = 0; i < LOADS; i++)
		fprintf(stderr, "  %s\n", sim_loads[i].name);
	return 2;
}

int main(int argc, char **argv)
{
	if (argc == 2 && str_eq(argv[1], "table")) {
		char *text = sim_table();

		fputs(text, stdout);
		free(text);
		return 0;
	}
	if (argc == 3 && str_eq(argv[1], "csv")) {
		for (size_t i = 0; i < LOADS; i++) {
			if (str_eq(sim_loads[i].name, argv[2])) {
				char *text = sim_csv((enum sim_load_id)i);

				fputs(text, stdout);
				free(text);
				return 0;
			}
		}
	}
	return usage();
}
