/* The table of docs/scaling.md and the figures of its picture. All scalers see the same tasks. */
#include "tests/unit/scaler/sim_table.h"

#include <stdio.h>

#include "common/buf.h"

static const struct sim_scaler *const scalers[] = {&sim_policy, &sim_threshold, &sim_proportional};

char *sim_table(void)
{
	struct buf out = {0};

	buf_printf(
		&out,
		"| scenario | scaler | P50 wait | P95 wait | longest | late | node-minutes | changes |\n"
		"|---|---|--:|--:|--:|--:|--:|--:|\n");
	for (size_t i = 0; i < LOADS; i++) {
		struct policy_rule rule = sim_rule_of((enum sim_load_id)i);

		for (size_t k = 0; k < ARRAY_LEN(scalers); k++) {
			struct sim_result r = sim_run(&sim_loads[i], &rule, scalers[k]);

			buf_printf(&out,
					   "| %s | %s | %.2f s | %.2f s | %.1f s | %.1f %% | %.0f of %.0f | %u |\n",
					   k ? "" : sim_loads[i].name, scalers[k]->name, r.p50_s, r.p95_s, r.max_s,
					   r.late * 100, r.node_minutes, r.ideal_minutes, r.changes);
			sim_release(&r);
		}
	}
	return buf_take(&out);
}

char *sim_csv(enum sim_load_id id)
{
	struct buf out = {0};
	struct policy_rule rule = sim_rule_of(id);

	buf_printf(&out, "scaler,second,rate,ideal,nodes,waiting,oldest_s\n");
	for (size_t k = 0; k < ARRAY_LEN(scalers); k++) {
		struct sim_result r = sim_run(&sim_loads[id], &rule, scalers[k]);

		for (size_t i = 0; i < r.nticks; i++) {
			const struct sim_tick *t = &r.ticks[i];

			buf_printf(&out, "%s,%zu,%.1f,%u,%u,%llu,%.2f\n", scalers[k]->name, i, t->rate,
					   t->ideal, t->nodes, (unsigned long long)t->waiting, t->oldest_s);
		}
		sim_release(&r);
	}
	return buf_take(&out);
}
