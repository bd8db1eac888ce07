/* docs: the description's parts fit together; what stands in a text is escaped on the page. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "gateway/docs.h"

static void the_parts_make_one_description(void **state)
{
	struct docs d = {0};
	struct err e = {0};
	json_error_t why;
	json_t *read;

	(void)state;
	assert_int_equal(docs_init(&d, &e), 0);
	read = json_loadb(d.json.data, d.json.len, 0, &why);
	assert_true(json_equal(read, d.openapi));
	assert_string_equal(json_string_value(json_object_get(read, "openapi")), "3.1.0");
	assert_true(json_object_size(json_object_get(read, "paths")) > 50);
	assert_true(d.style_len > 0);
	json_decref(read);
	docs_release(&d);
}

static char *page_of(const char *openapi)
{
	json_t *j = json_loads(openapi, 0, NULL);
	struct buf out = {0};

	assert_non_null(j);
	docs_page(j, &out);
	json_decref(j);
	return buf_take(&out);
}

static void texts_are_escaped(void **state)
{
	char *page =
		page_of("{\"info\":{\"title\":\"a<b>&\\\"\",\"description\":\"see `x<y` "
				"here\"},\"tags\":[{\"name\":\"T\"}],"
				"\"paths\":{\"/x/"
				"{id}\":{\"get\":{\"operationId\":\"o\",\"tags\":[\"T\"],\"summary\":\"<script>\","
				"\"parameters\":[{\"name\":\"id\",\"in\":\"path\",\"required\":true,\"example\":"
				"\"e1\"}]}}}}");

	(void)state;
	assert_non_null(strstr(page, "a&lt;b&gt;&amp;&quot;"));
	assert_non_null(strstr(page, "see <code>x&lt;y</code> here"));
	assert_null(strstr(page, "<script"));
	assert_non_null(strstr(page, "curl -sS &quot;$MILLRACE_HTTP/x/e1&quot;"));
	free(page);
}

static void what_is_left_out_is_left_out(void **state)
{
	static const char *const odd[] = {
		"{}",
		"{\"tags\":[{}],\"paths\":{\"/\":{\"get\":{}}}}",
		"{\"tags\":[{\"name\":\"T\"}],\"paths\":{\"/"
		"{\":{\"get\":{\"tags\":[\"T\"],\"parameters\":[{\"$ref\":\"#/no/where\"}],"
		"\"requestBody\":{\"$ref\":\"#/components/none\"},\"responses\":{\"200\":{}}}}}}",
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(odd); i++) {
		char *page = page_of(odd[i]);

		assert_non_null(strstr(page, "</html>"));
		free(page);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(the_parts_make_one_description),
		cmocka_unit_test(texts_are_escaped),
		cmocka_unit_test(what_is_left_out_is_left_out),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
