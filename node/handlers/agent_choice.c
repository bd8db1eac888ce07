/*
 * The order of agents for one task. It stands alone so that a table of cases
 * can hold it to its word: an agent of the task's own project, then one that
 * is for any, then one of another project (an idle agent is better than a
 * wait); among those the one with the least to do, then the one that was
 * idle for longest. Nothing here can fail.
 */
#include "node/handlers/agent_choice.h"

static int fit(const char *agent, const char *task)
{
	if (agent == NULL || *agent == '\0')
		return 1;
	return task && str_eq(agent, task) ? 2 : 0;
}

bool agent_choice_better(const struct agent_offer *a, const struct agent_offer *b,
						 const char *project)
{
	int fit_a = fit(a->project, project), fit_b = fit(b->project, project);
	if (fit_a != fit_b)
		return fit_a > fit_b;
	if (a->count != b->count)
		return a->count < b->count;
	return a->active_wall_ns < b->active_wall_ns;
}
