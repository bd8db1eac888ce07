/* heal_judge: patience before an act, cooldown after it, one word when it is well again. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "scaler/heal_judge.h"

static char said[512];

static void on_verdict(void *data, const struct heal_finding *f, enum heal_action a)
{
	size_t len = strlen(said);

	(void)data;
	snprintf(said + len, sizeof(said) - len, "%s%s:%s", len ? " " : "", f->subject,
			 a == HEAL_NONE ? "well" : heal_action_name(a));
}

static struct heal_finding finding(const char *subject, enum heal_level level, unsigned actions)
{
	struct heal_finding f = {.kind = HEAL_DISK, .level = level, .actions = actions};
	snprintf(f.subject, sizeof(f.subject), "%s", subject);
	return f;
}

static const char *look(struct heal_judge *j, const struct heal_finding *f, size_t n,
						int64_t now_ms)
{
	said[0] = '\0';
	heal_judge_look(j, HEAL_BIT(HEAL_DISK), f, n, now_ms, false, on_verdict, NULL);
	return said;
}

#define BOTH (HEAL_BIT(HEAL_CLEAN_TEMP) | HEAL_BIT(HEAL_ALERT))

static void it_must_last_and_an_act_is_not_repeated_at_once(void **state)
{
	(void)state;
	struct heal_judge j = {.looks = 3, .cooldown_ms = 60000};
	const struct heal_finding ill = finding("d", HEAL_CRITICAL, BOTH),
							  well = finding("d", HEAL_OK, 0);
	static const struct {
		int64_t at_s;
		bool ill;
		const char *said;
	} rows[] =
		{
			{0, true, ""},
			{10, true, ""},
			{20, false, ""}, /* it comes and goes */
			{30, true, ""},
			{40, true, ""},
			{50, true, "d:clean_temp d:alert"},
			{60, true, ""},
			{100, true, ""},
			{110, true, "d:clean_temp d:alert"}, /* 60 s later */
			{120, false, ""},
			{130, false, ""},
			{140, false, "d:well"},
			{150, false, ""},
			{160, true, ""}, /* it is back within the cooldown: patience, and the cooldown holds */
			{165, true, ""},
			{168, true, ""},
			{171, true, "d:clean_temp d:alert"},
		};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		const char *got = look(&j, rows[i].ill ? &ill : &well, 1, rows[i].at_s * 1000);
		if (!str_eq(got, rows[i].said))
			fail_msg("at %lld s: '%s', not '%s'", (long long)rows[i].at_s, got, rows[i].said);
	}
	heal_judge_release(&j);
}

static void what_is_no_finding_any_more_is_well(void **state)
{
	(void)state;
	struct heal_judge j = {.looks = 2, .cooldown_ms = 1000};
	const struct heal_finding ill[] = {finding("a", HEAL_CRITICAL, BOTH),
									   finding("b", HEAL_WARNING, HEAL_BIT(HEAL_ALERT))};
	look(&j, ill, 2, 0);
	assert_string_equal(look(&j, ill, 2, 1000), "a:clean_temp a:alert b:alert");
	assert_string_equal(look(&j, ill, 1, 1500), "");
	assert_string_equal(look(&j, ill, 1, 1600), "b:well");
	assert_string_equal(look(&j, NULL, 0, 5000), "");
	assert_string_equal(look(&j, NULL, 0, 6000), "a:well");
	assert_int_equal(heal_judge_cases(&j), 0); /* forgotten */
	heal_judge_release(&j);
}

static void a_look_at_other_kinds_says_nothing_of_these(void **state)
{
	(void)state;
	struct heal_judge j = {.looks = 2, .cooldown_ms = 1000};
	const struct heal_finding ill = finding("a", HEAL_CRITICAL, BOTH);
	look(&j, &ill, 1, 0);
	for (int i = 0; i < 5; i++)
		heal_judge_look(&j, HEAL_BIT(HEAL_BROKER), NULL, 0, 100 + i, false, on_verdict, NULL);
	assert_string_equal(look(&j, &ill, 1, 1000), "a:clean_temp a:alert");
	heal_judge_release(&j);
}

static void an_act_that_is_asked_for_later_has_its_own_cooldown(void **state)
{
	(void)state;
	struct heal_judge j = {.looks = 1, .cooldown_ms = 60000};
	const struct heal_finding early = finding("a", HEAL_CRITICAL, HEAL_BIT(HEAL_ALERT)),
							  later = finding("a", HEAL_CRITICAL, BOTH);
	assert_string_equal(look(&j, &early, 1, 0), "a:alert");
	assert_string_equal(look(&j, &later, 1, 1000), "a:clean_temp");
	heal_judge_release(&j);
}

static void a_manual_look_waits_for_nothing(void **state)
{
	(void)state;
	struct heal_judge j = {.looks = 3, .cooldown_ms = 60000};
	const struct heal_finding ill = finding("a", HEAL_CRITICAL, BOTH);
	for (int i = 0; i < 2; i++) {
		said[0] = '\0';
		heal_judge_look(&j, HEAL_BIT(HEAL_DISK), &ill, 1, i, true, on_verdict, NULL);
		assert_string_equal(said, "a:clean_temp a:alert");
	}
	/* And it counts: by itself it is not done again at once. */
	look(&j, &ill, 1, 100);
	assert_string_equal(look(&j, &ill, 1, 200), "");
	heal_judge_release(&j);
}

static void cases_are_bounded(void **state)
{
	(void)state;
	static struct heal_finding many[HEAL_CASES_MAX + 10];
	struct heal_judge j = {.looks = 2, .cooldown_ms = 1000};
	for (size_t i = 0; i < ARRAY_LEN(many); i++) {
		char name[16];
		snprintf(name, sizeof(name), "%zu", i);
		many[i] = finding(name, HEAL_CRITICAL, HEAL_BIT(HEAL_ALERT));
	}
	look(&j, many, ARRAY_LEN(many), 0);
	assert_int_equal(heal_judge_cases(&j), HEAL_CASES_MAX);
	look(&j, NULL, 0, 100);
	look(&j, NULL, 0, 200);
	assert_int_equal(heal_judge_cases(&j), 0);
	heal_judge_release(&j);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(it_must_last_and_an_act_is_not_repeated_at_once),
		cmocka_unit_test(what_is_no_finding_any_more_is_well),
		cmocka_unit_test(a_look_at_other_kinds_says_nothing_of_these),
		cmocka_unit_test(an_act_that_is_asked_for_later_has_its_own_cooldown),
		cmocka_unit_test(a_manual_look_waits_for_nothing),
		cmocka_unit_test(cases_are_bounded),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
