/* Words of the configuration, rates over a window, names of left-overs. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "scaler/heal_check.h"
#include "scaler/heal_clean.h"
#include "scaler/heal_observe.h"
#include "scaler/heal_words.h"

static void a_command_is_split_by_one_clear_rule(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		const char *words[6]; /* none: no command */
		bool refused;
	} rows[] = {
		{NULL, {NULL}, false},
		{"", {NULL}, false},
		{"  ", {NULL}, false},
		{"/bin/systemctl restart nats-server", {"/bin/systemctl", "restart", "nats-server"}, false},
		{"  /bin/x \t a  ", {"/bin/x", "a"}, false},
		{"/bin/sh,-c,echo two words; exit 1", {"/bin/sh", "-c", "echo two words; exit 1"}, false},
		{"/bin/x, a b ,c", {"/bin/x", "a b", "c"}, false},
		{"/bin/x 'a b'", {"/bin/x", "'a", "b'"}, false}, /* nothing is quoted */
		{"systemctl restart x", {NULL}, true},
		{"./x", {NULL}, true},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char **argv = NULL;
		struct err e = {0};
		int rc = heal_argv("heal.restart_broker", rows[i].text, &argv, &e);
		assert_int_equal(rc < 0, rows[i].refused);
		if (rows[i].refused)
			assert_non_null(strstr(e.text, "absolute path"));
		size_t n = 0;
		for (; rows[i].words[n]; n++) {
			assert_true(argv && argv[n]);
			assert_string_equal(argv[n], rows[i].words[n]);
		}
		assert_true(n == 0 ? argv == NULL : argv[n] == NULL);
		heal_words_free(argv);
	}
}

static void permissions_are_known_words(void **state)
{
	(void)state;
	struct heal_permissions p;
	struct err e;
	assert_int_equal(heal_permissions_parse("alert, clean_temp", &p, &e), 0);
	assert_int_equal(p.actions, HEAL_BIT(HEAL_ALERT) | HEAL_BIT(HEAL_CLEAN_TEMP));
	assert_false(p.drop_page_cache);
	assert_int_equal(heal_permissions_parse("drop_page_cache", &p, &e), 0);
	assert_true(p.drop_page_cache && p.actions == 0);
	assert_int_equal(heal_permissions_parse("none", &p, &e), 0);
	assert_int_equal(p.actions, 0);
	assert_int_equal(heal_permissions_parse("alert,reboot", &p, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "'reboot'"));
	assert_int_equal(heal_permissions_parse("alert,none", &p, &e), ERR_INVALID);
}

static void a_window_counts_what_happened_lately(void **state)
{
	(void)state;
	struct heal_window w = {0};
	uint64_t ended[2];
	unsigned restarts;
	static const struct {
		int64_t at_ms;
		const char *instance;
		uint64_t done, failed, ended, ended_failed;
		unsigned restarts;
	} rows[] = {
		{1000, "i", 1000, 400, 0, 0, 0}, /* what was before we looked is not of the window */
		{2000, "i", 1010, 405, 10, 5, 0},
		{11000, "i", 1020, 405, 20, 5, 0},
		{12000, "i", 1030, 406, 30, 6, 0},
		{21000, "i", 1040, 406, 20, 1, 0}, /* the first window is over */
		{31000, "i", 1040, 406, 0, 0, 0},
		{32000, "j", 5, 5, 5, 5, 1}, /* started anew */
		{41000, "j", 9, 5, 9, 5, 1},
		{51000, "j", 9, 5, 0, 0, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		heal_window_put(&w, rows[i].instance, rows[i].done, rows[i].failed, rows[i].at_ms, 10000,
						ended, &restarts);
		if (ended[0] != rows[i].ended || ended[1] != rows[i].ended_failed ||
			restarts != rows[i].restarts)
			fail_msg("at %lld: %llu of %llu, %u restarts", (long long)rows[i].at_ms,
					 (unsigned long long)ended[1], (unsigned long long)ended[0], restarts);
	}
}

static void only_names_that_nodes_give_are_left_overs(void **state)
{
	(void)state;
	static const struct {
		const char *name, *scratch, *spool; /* of which node */
	} rows[] = {
		{"millrace-node-1-a1B2c3", "node-1", NULL},
		{"millrace-objects-node-1-a1B2c3", NULL, "node-1"},
		{"millrace-objects-a1B2c3", "objects", NULL},
		{"millrace-node-1", NULL, NULL},
		{"millrace-node-1-a1B2c", NULL, NULL},
		{"millrace-node-1-a1B2c3d", NULL, NULL},
		{"millrace-node-1-a1B_c3", NULL, NULL},
		{"millrace--a1B2c3", NULL, NULL},
		{"xmillrace-node-1-a1B2c3", NULL, NULL},
		{".new-millrace-objects-n-a1B2c3", NULL, NULL},
		{"millrace-a..b-a1B2c3", NULL, NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		char node[65];
		bool scratch = heal_clean_scratch_name(rows[i].name, node);
		assert_int_equal(scratch, rows[i].scratch != NULL);
		if (scratch)
			assert_string_equal(node, rows[i].scratch);
		bool spool = heal_clean_spool_name(rows[i].name, node);
		assert_int_equal(spool, rows[i].spool != NULL);
		if (spool)
			assert_string_equal(node, rows[i].spool);
	}
}

static void a_rotated_log_is_known_by_its_end(void **state)
{
	(void)state;
	static const struct {
		const char *name;
		size_t stem;
	} rows[] = {
		{"router.log", 0},
		{"router.log.1", 10},
		{"router.log.12.gz", 10},
		{"router.log-20260102", 10},
		{"router.log-20260102-112233.xz", 10},
		{"router.log-20260102112233.zst", 10},
		{"router.log-2026", 0},
		{"router.log.gz", 0},
		{"router.log.old", 0},
		{"router.logs.1", 0},
		{".log.1", 0},
		{"router.log.", 0},
		{"router.log-20260102-", 0},
		{"router.log-20260102-x", 0},
		{"router.log.1234567", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		if (heal_clean_log_stem(rows[i].name) != rows[i].stem)
			fail_msg("%s: %zu", rows[i].name, heal_clean_log_stem(rows[i].name));
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(a_command_is_split_by_one_clear_rule),
		cmocka_unit_test(permissions_are_known_words),
		cmocka_unit_test(a_window_counts_what_happened_lately),
		cmocka_unit_test(only_names_that_nodes_give_are_left_overs),
		cmocka_unit_test(a_rotated_log_is_known_by_its_end),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
