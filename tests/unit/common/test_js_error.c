/* What JetStream refuses is told apart: full, missing, in conflict, too large. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/js_error.h"

static void codes_are_told_apart(void **state)
{
	static const struct {
		const char *json;
		int code, err_code;
	} rows[] = {
	    {"{\"code\":503,\"err_code\":10077,\"description\":\"maximum messages exceeded\"}", ERR_FULL, 10077},
	    {"{\"code\":400,\"err_code\":10071,\"description\":\"wrong last sequence: 1\"}", ERR_CONFLICT, 10071},
	    {"{\"code\":404,\"err_code\":10059,\"description\":\"stream not found\"}", ERR_NOT_FOUND, 10059},
	    {"{\"code\":400,\"err_code\":10054,\"description\":\"too large\"}", ERR_TOO_LARGE, 10054},
	    {"{\"code\":404,\"err_code\":1}", ERR_NOT_FOUND, 1},
	    {"{\"code\":503,\"err_code\":2}", ERR_UNREACHABLE, 2},
	    {"{\"code\":\"x\"}", ERR_FAILED, 0},
	    {"{}", ERR_FAILED, 0},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		json_t *j = json_loads(rows[i].json, 0, NULL);
		struct err e = {0};
		assert_int_equal(js_error_read(j, &e), rows[i].err_code);
		assert_int_equal(e.code, rows[i].code);
		assert_true(e.text[0] != '\0');
		json_decref(j);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(codes_are_told_apart)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
