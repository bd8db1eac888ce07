/* heal_check: which figures are ill, and what each illness asks for. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "scaler/heal_check.h"

#define MAX 64u

static const struct heal_limits limits = {
	.cpu = 90,
	.memory = 85,
	.disk = 90,
	.heartbeat_s = 60,
	.away_s = 15,
	.failure_rate = 20,
	.unhealthy = 50,
	.tasks = 20,
	.restarts = 5,
	.can = HEAL_BIT(HEAL_ACTIONS) - 1,
};

static struct heal_view healthy(void)
{
	return (struct heal_view){.broker = {true, true, 0}, .database = {true, true, 0}};
}

static struct heal_finding found[MAX];

static const struct heal_finding *find(const struct heal_view *v, const struct heal_limits *l,
									   enum heal_kind kind, const char *subject)
{
	size_t n = heal_check(v, l, HEAL_ALL_KINDS, found, MAX);

	for (size_t i = 0; i < n; i++) {
		if (found[i].kind == kind && (!subject || str_eq(found[i].subject, subject)))
			return &found[i];
	}
	return NULL;
}

#define ALERT HEAL_BIT(HEAL_ALERT)
#define CLEAR HEAL_BIT(HEAL_CLEAR_CACHES)
#define CLEAN HEAL_BIT(HEAL_CLEAN_TEMP)

static void a_hosts_figures_have_their_levels_and_acts(void **state)
{
	(void)state;
	static const struct {
		enum heal_kind kind;
		double value;
		bool local;
		enum heal_level level;
		unsigned actions;
	} rows[] = {
		{HEAL_CPU, 90, true, HEAL_OK, 0},
		{HEAL_CPU, 90.5, true, HEAL_WARNING, ALERT},
		{HEAL_CPU, 100, false, HEAL_WARNING, ALERT},
		{HEAL_MEMORY, 85, true, HEAL_OK, 0},
		{HEAL_MEMORY, 85.1, true, HEAL_CRITICAL, ALERT | CLEAR},
		{HEAL_MEMORY, 99, false, HEAL_CRITICAL, ALERT},
		{HEAL_DISK, 90, true, HEAL_OK, 0},
		{HEAL_DISK, 91, true, HEAL_CRITICAL, ALERT | CLEAN | CLEAR},
		{HEAL_DISK, 91, false, HEAL_CRITICAL, ALERT},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct heal_host h = {
			.name = "h", .cpu = -1, .memory = -1, .disk = -1, .local = rows[i].local};
		struct heal_view v = healthy();
		double *of[] = {&h.cpu, &h.memory, &h.disk};
		*of[rows[i].kind] = rows[i].value;
		v.hosts = &h;
		v.nhosts = 1;
		const struct heal_finding *f = find(&v, &limits, rows[i].kind, NULL);
		if (!f || f->level != rows[i].level || f->actions != rows[i].actions)
			fail_msg("row %zu: %s %x", i, f ? heal_level_name(f->level) : "none",
					 f ? f->actions : 0);
		assert_string_equal(f->host, "h");
		/* What was not measured is no finding. */
		assert_null(find(&v, &limits, rows[i].kind == HEAL_CPU ? HEAL_MEMORY : HEAL_CPU, NULL));
	}
}

static void silence_of_a_service_is_critical_and_long_silence_asks_for_its_restart(void **state)
{
	(void)state;
	static const struct {
		enum heal_kind kind;
		struct heal_service s;
		enum heal_level level;
		unsigned actions;
	} rows[] = {
		{HEAL_BROKER, {true, true, 0.5}, HEAL_OK, 0},
		{HEAL_BROKER, {true, false, 2}, HEAL_CRITICAL, ALERT},
		{HEAL_BROKER, {true, false, 15}, HEAL_CRITICAL, ALERT | HEAL_BIT(HEAL_RESTART_BROKER)},
		{HEAL_DATABASE, {true, true, 900}, HEAL_OK, 0},
		{HEAL_DATABASE, {true, false, 14.9}, HEAL_CRITICAL, ALERT},
		{HEAL_DATABASE, {true, false, 60}, HEAL_CRITICAL, ALERT | HEAL_BIT(HEAL_RESTART_DATABASE)},
		{HEAL_DATABASE, {false, false, 999}, HEAL_WARNING, ALERT}, /* no store: it may be well */
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct heal_view v = healthy();
		*(rows[i].kind == HEAL_BROKER ? &v.broker : &v.database) = rows[i].s;
		const struct heal_finding *f = find(&v, &limits, rows[i].kind, NULL);
		if (!f || f->level != rows[i].level || f->actions != rows[i].actions)
			fail_msg("row %zu: %s %x", i, f ? heal_level_name(f->level) : "none",
					 f ? f->actions : 0);
	}
}

static void without_means_an_act_is_not_asked_for(void **state)
{
	(void)state;
	struct heal_limits l = limits;
	struct heal_view v = healthy();
	v.broker = (struct heal_service){true, false, 100};
	l.can = ALERT;
	assert_int_equal(find(&v, &l, HEAL_BROKER, NULL)->actions, ALERT);
}

static struct heal_node node(const char *name, const char *pool, uint64_t done, uint64_t failed)
{
	struct heal_node n = {.ready = true, .done = done, .failed = failed};
	snprintf(n.name, sizeof(n.name), "%s", name);
	snprintf(n.pool, sizeof(n.pool), "%s", pool);
	return n;
}

static const struct heal_finding *look(struct heal_node *nodes, size_t n, enum heal_kind kind,
									   const char *subject)
{
	struct heal_view v = healthy();
	v.nodes = nodes;
	v.nnodes = n;
	return find(&v, &limits, kind, subject);
}

static void a_node_is_quarantined_only_where_the_rest_of_its_pool_does_well(void **state)
{
	(void)state;
	const unsigned quarantine = HEAL_BIT(HEAL_QUARANTINE);
	struct heal_node alone[] = {node("a", "p", 40, 40)};
	assert_int_equal(look(alone, 1, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node good[] = {node("a", "p", 40, 20), node("b", "p", 40, 1)};
	assert_int_equal(look(good, 2, HEAL_NODE, "a")->actions, ALERT | quarantine);
	assert_null(look(good, 2, HEAL_NODE, "b"));

	struct heal_node few[] = {node("a", "p", 19, 19), node("b", "p", 40, 0)};
	assert_null(look(few, 2, HEAL_NODE, "a")); /* too few to say so */

	struct heal_node less[] = {node("a", "p", 100, 49), node("b", "p", 40, 0)};
	assert_null(look(less, 2, HEAL_NODE, "a"));

	struct heal_node all[] = {node("a", "p", 40, 39), node("b", "p", 40, 38)}; /* bad tasks */
	assert_int_equal(look(all, 2, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node idle[] = {node("a", "p", 40, 39), node("b", "p", 0, 0)}; /* shows nothing */
	assert_int_equal(look(idle, 2, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node others[] = {node("a", "p", 40, 39),
								 node("b", "q", 400, 0)}; /* of another pool */
	assert_int_equal(look(others, 2, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node kinds[] = {node("a", "p", 40, 39), node("b", "p", 400, 0)};
	kinds[1].types = 1; /* it serves other types: it shows nothing of these */
	assert_int_equal(look(kinds, 2, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node gone[] = {node("a", "p", 40, 39), node("b", "p", 400, 0)};
	gone[1].ready = false; /* drained: the ill one is the last */
	assert_int_equal(look(gone, 2, HEAL_NODE, "a")->actions, ALERT);

	struct heal_node two[] = {node("a", "p", 40, 39), node("b", "p", 40, 40),
							  node("c", "p", 400, 2)};
	assert_int_equal(look(two, 3, HEAL_NODE, "a")->actions, ALERT | quarantine);
	assert_int_equal(look(two, 3, HEAL_NODE, "b")->actions, ALERT | quarantine);
	two[0].ready = false; /* done with it: no second time */
	assert_null(look(two, 3, HEAL_NODE, "a"));
}

static void a_silent_node_is_restarted_where_a_scaler_started_it_else_taken_off(void **state)
{
	(void)state;
	struct heal_node n[] = {node("a", "p", 0, 0)};
	n[0].heartbeat_age_s = 60;
	assert_null(look(n, 1, HEAL_HEARTBEAT, "a"));
	n[0].heartbeat_age_s = 61;
	assert_int_equal(look(n, 1, HEAL_HEARTBEAT, "a")->actions, ALERT | HEAL_BIT(HEAL_REMOVE_STALE));
	assert_int_equal(look(n, 1, HEAL_HEARTBEAT, "a")->level, HEAL_CRITICAL);
	n[0].scaled = true;
	assert_int_equal(look(n, 1, HEAL_HEARTBEAT, "a")->actions, ALERT | HEAL_BIT(HEAL_RESTART_NODE));
}

static void many_failures_restarts_and_crashing_agents_are_told(void **state)
{
	(void)state;
	struct heal_node n[] = {node("a", "p", 50, 6), node("b", "p", 50, 14)};
	assert_int_equal(look(n, 2, HEAL_ERRORS, NULL)->level, HEAL_WARNING); /* 20 of 100 */
	n[1].failed = 13;
	assert_int_equal(look(n, 2, HEAL_ERRORS, NULL)->level, HEAL_OK);
	n[0].restarts = 4;
	assert_null(look(n, 2, HEAL_NODE, "a (restarts)"));
	n[0].restarts = 5;
	assert_int_equal(look(n, 2, HEAL_NODE, "a (restarts)")->actions, ALERT);
	n[1].agents = 3;
	assert_null(look(n, 2, HEAL_AGENT, NULL));
	n[1].agents_backoff = 1;
	assert_string_equal(look(n, 2, HEAL_AGENT, NULL)->subject, "b");
}

static void no_more_is_told_than_there_is_room_for(void **state)
{
	(void)state;
	static struct heal_node many[200];
	struct heal_view v = healthy();
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		char name[16];
		snprintf(name, sizeof(name), "n%zu", i);
		many[i] = node(name, "p", 0, 0);
		many[i].heartbeat_age_s = 100;
	}
	v.nodes = many;
	v.nnodes = ARRAY_LEN(many);
	assert_int_equal(heal_check(&v, &limits, HEAL_ALL_KINDS, found, MAX), MAX);
	assert_int_equal(found[0].kind, HEAL_BROKER);
	assert_int_equal(heal_check(&v, &limits, HEAL_BIT(HEAL_DATABASE), found, MAX), 1);
}

static void names_go_both_ways(void **state)
{
	(void)state;
	for (unsigned k = 0; k < HEAL_KINDS; k++)
		assert_int_equal(heal_kind_of(heal_kind_name((enum heal_kind)k)), k);
	for (unsigned a = 0; a < HEAL_ACTIONS; a++)
		assert_int_equal(heal_action_of(heal_action_name((enum heal_action)a)), a);
	assert_int_equal(heal_kind_of("manual"), HEAL_KINDS);
	assert_int_equal(heal_action_of("reboot"), HEAL_ACTIONS);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_hosts_figures_have_their_levels_and_acts),
		cmocka_unit_test(silence_of_a_service_is_critical_and_long_silence_asks_for_its_restart),
		cmocka_unit_test(without_means_an_act_is_not_asked_for),
		cmocka_unit_test(a_node_is_quarantined_only_where_the_rest_of_its_pool_does_well),
		cmocka_unit_test(a_silent_node_is_restarted_where_a_scaler_started_it_else_taken_off),
		cmocka_unit_test(many_failures_restarts_and_crashing_agents_are_told),
		cmocka_unit_test(no_more_is_told_than_there_is_room_for),
		cmocka_unit_test(names_go_both_ways),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
