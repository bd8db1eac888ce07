/* A PubAck: the scan agrees with the parser wherever it dares to answer. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/js_puback.h"

struct row {
	const char *text;
	bool scans;
	int code;
	uint64_t seq;
	bool duplicate;
};

static const struct row rows[] = {
    {"{\"stream\":\"TASKS\",\"seq\":1}", true, 0, 1, false},
    {"{\"stream\":\"LANE_a--b\", \"seq\":18446744073}", true, 0, UINT64_C(18446744073), false},
    {"{\"stream\":\"T\",\"seq\":7,\"duplicate\":true}", false, 0, 7, true},
    {"{\"stream\":\"T\",\"domain\":\"hub\",\"seq\":7}", false, 0, 7, false},
    {"{\"error\":{\"code\":503,\"err_code\":10077,\"description\":\"full\"},\"stream\":\"T\",\"seq\":0}", false, ERR_FULL, 0, false},
    {"{\"stream\":\"T\",\"seq\":\"7\"}", false, ERR_PROTOCOL, 0, false},
    {"{\"stream\":\"T\",\"seq\":7", false, ERR_PROTOCOL, 0, false},
    {"{\"stream\":\"T\"", false, ERR_PROTOCOL, 0, false},
    {"{\"stream\":\"", false, ERR_PROTOCOL, 0, false},
    {"+OK", false, ERR_PROTOCOL, 0, false},
    {"", false, ERR_PROTOCOL, 0, false},
};

static void the_scan_knows_the_plain_form_alone(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct js_puback ack = {0};
		assert_int_equal(js_puback_scan(rows[i].text, strlen(rows[i].text), &ack), rows[i].scans);
		if (rows[i].scans)
			assert_true(ack.seq == rows[i].seq && !ack.duplicate);
	}
}

static void the_parser_reads_all_forms(void **state)
{
	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct js_puback ack = {0};
		struct err e = {0};
		assert_int_equal(js_puback_read(rows[i].text, strlen(rows[i].text), &ack, &e), rows[i].code);
		if (!rows[i].code)
			assert_true(ack.seq == rows[i].seq && ack.duplicate == rows[i].duplicate);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
	    cmocka_unit_test(the_scan_knows_the_plain_form_alone),
	    cmocka_unit_test(the_parser_reads_all_forms),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
