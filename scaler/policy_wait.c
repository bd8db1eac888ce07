/*
 * Waiting in M/M/c. Factorials overflow from 171 servers on; Erlang's B
 * formula has a recursion over the servers that does not,
 *
 *	B(0) = 1,  B(n) = a B(n-1) / (n + a B(n-1)),
 *
 * all of whose terms are positive (nothing cancels), and C follows from B:
 * C = B / (1 - a (1 - B) / c). One pass takes a division for each server, and
 * the search for the fewest servers is that same pass. More load than servers
 * waits for ever: INFINITY, no error.
 */
#include "scaler/policy_wait.h"

#include <math.h>

/* Below it the chance to wait is none, and dividing on would only reach denormal numbers, which are slow. */
#define NO_CHANCE 1e-200

static double wait_by(double blocked, double servers, double load, double service_s, double share)
{
	double waits = blocked / (1 - load / servers * (1 - blocked)), late = 1 - share;

	if (waits <= late)
		return 0;
	return late > 0 ? service_s / (servers - load) * log(waits / late) : INFINITY;
}

double policy_wait_s(unsigned servers, double arrival_per_s, double service_s, double share)
{
	double load = arrival_per_s * service_s, blocked = 1;

	if (!(load > 0))
		return 0;
	if (load >= servers)
		return INFINITY;
	for (unsigned n = 1; n <= servers && blocked > NO_CHANCE; n++)
		blocked = load * blocked / (n + load * blocked);
	return wait_by(blocked, servers, load, service_s, share);
}

unsigned policy_ceil(double nodes)
{
	/* What floating point adds to a whole number is not worth a node. */
	nodes = ceil(nodes - 1e-9);
	if (!(nodes > 0))
		return 0;
	return nodes < POLICY_SERVERS_MAX ? (unsigned)nodes : POLICY_SERVERS_MAX;
}

unsigned policy_wait_nodes(double arrival_per_s, double service_s, double promise_s, unsigned slots)
{
	double load = arrival_per_s * service_s, blocked = 1;

	if (!(load > 0))
		return 1;
	for (unsigned n = 1; n <= POLICY_SERVERS_MAX && load < POLICY_SERVERS_MAX; n++) {
		blocked = load * blocked / (n + load * blocked);
		if (n % slots == 0 && n > load &&
			wait_by(blocked, n, load, service_s, POLICY_SHARE) <= promise_s)
			return n / slots;
	}
	return MAX_OF(policy_ceil(load / slots), 1u);
}
