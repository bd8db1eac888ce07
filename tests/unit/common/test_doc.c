/* doc: YAML as a tree with lines; its limits hold and every refusal names the line. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <unistd.h>

#include "common/buf.h"
#include "common/config.h"

/* The tree as text: {key:"scalar",…} and […], so that a table can hold it. */
static void show(const struct doc *d, struct buf *out)
{
	if (d->kind == DOC_SCALAR) {
		buf_printf(out, "\"%s\"", d->scalar);
		return;
	}
	buf_add_str(out, d->kind == DOC_MAP ? "{" : "[");
	for (const struct doc *c = d->child; c; c = c->next) {
		if (d->kind == DOC_MAP)
			buf_printf(out, "%s@%u:", c->key, c->line);
		show(c, out);
		if (c->next)
			buf_add_str(out, ",");
	}
	buf_add_str(out, d->kind == DOC_MAP ? "}" : "]");
}

static void yaml_becomes_a_tree_with_lines(void **state)
{
	(void)state;
	static const struct {
		const char *text, *tree;
	} rows[] = {
		{"", "{}"},
		{"# only words\n", "{}"},
		{"---\n", "{}"},
		{"---\n...\n", "{}"},
		{"{}", "{}"},
		{"a: 1", "{a@1:\"1\"}"},
		{"a: 1\n\nb:\n  c: two words\n  d: \"q\\n\"\n",
		 "{a@1:\"1\",b@3:{c@4:\"two words\",d@5:\"q\n\"}}"},
		{"a:\nb: ~\nc: null\nd: \"~\"\ne: ''", "{a@1:\"\",b@2:\"\",c@3:\"\",d@4:\"~\",e@5:\"\"}"},
		{"l: [a, b]\nm:\n- x\n- y: 1\n  z: 2\n",
		 "{l@1:[\"a\",\"b\"],m@2:[\"x\",{y@4:\"1\",z@5:\"2\"}]}"},
		{"- a\n- - b\n", "[\"a\",[\"b\"]]"},
		{"word", "\"word\""},
		{"t: |\n  one\n  two\n", "{t@1:\"one\ntwo\n\"}"},
		{"a: yes # why\n", "{a@1:\"yes\"}"},
		{"\357\273\277a: 1\n", "{a@1:\"1\"}"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doc *d = NULL;
		struct err e = {0};
		if (doc_parse("f.yaml", rows[i].text, strlen(rows[i].text), &d, &e))
			fail_msg("row %zu: %s", i, e.text);
		CLEANUP(buf_release) struct buf out = {0};
		show(d, &out);
		assert_string_equal(out.data, rows[i].tree);
		doc_free(d);
	}
}

static void what_is_wrong_is_refused_with_its_line(void **state)
{
	(void)state;
	static const struct {
		const char *text;
		size_t len; /* 0: strlen */
		const char *words;
	} rows[] = {
		{"a: 1\nb: [1\n", 0, "f.yaml:3: "},
		{"a: 1\n\tb: 2\n", 0, "f.yaml:2: "},
		{"a: 1\nb: 2\na: 3\n", 0, "f.yaml:3: \"a\" stands here twice"},
		{"a: &x 1\nb: 2\n", 0, "f.yaml:1: anchors are not supported"},
		{"a: &x [1]\n", 0, "f.yaml:1: anchors are not supported"},
		{"a: &x {b: 1}\n", 0, "f.yaml:1: anchors are not supported"},
		{"a: 1\nb: *a\n", 0, "f.yaml:2: aliases are not supported"},
		{"[a]: 1\n", 0, "f.yaml:1: a key must be a word"},
		{"? {b: 1}\n: 2\n", 0, "f.yaml:1: a key must be a word"},
		{"a: 1\n---\nb: 2\n", 0, "f.yaml:2: a second document begins"},
		{"a: \"x\\0y\"\n", 0, "f.yaml:1: a value holds a NUL"},
		{"a: x\0y\n", 7, "f.yaml:1: "},
		{"a: \377\376\n", 0, "f.yaml:1: "},
		{"[[[[[[[[[[[[[[[[[1]]]]]]]]]]]]]]]]]", 0, "f.yaml:1: nested too deep"},
		{"a: 'open", 0, "f.yaml:1: "},
		{"}", 0, "f.yaml:1: "},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct doc *d = NULL;
		struct err e = {0};
		size_t len = rows[i].len ? rows[i].len : strlen(rows[i].text);
		int rc = doc_parse("f.yaml", rows[i].text, len, &d, &e);
		if (rc != ERR_INVALID || !strstr(e.text, rows[i].words))
			fail_msg("row %zu: %d %s", i, rc, e.text);
		assert_null(d);
	}
}

static void every_prefix_of_a_file_ends_well(void **state)
{
	(void)state;
	static const char text[] = "a: {b: [1, \"two\", {c: 'x'}], d: |\n  y\n}\ne:\n- f: &g 1\n- *g\n";
	for (size_t len = 0; len < sizeof(text); len++) {
		struct doc *d = NULL;
		struct err e;
		if (doc_parse("f", text, len, &d, &e) == 0)
			doc_free(d);
	}
}

static void limits_hold(void **state)
{
	(void)state;
	struct err e;
	struct doc *d = NULL;
	CLEANUP(buf_release) struct buf many = {0};
	for (int i = 0; i < 10001; i++)
		buf_add_str(&many, "- 1\n");
	assert_int_equal(doc_parse("f", many.data, many.len, &d, &e), ERR_INVALID);
	assert_non_null(strstr(e.text, "too many values"));
	assert_int_equal(doc_parse("f", many.data, many.len - 8, &d, &e), 0);
	doc_free(d);
	CLEANUP(buf_release) struct buf large = {0};
	buf_reserve(&large, 1024 * 1024 + 1);
	memset(large.data, '#', 1024 * 1024 + 1);
	assert_int_equal(doc_parse("f", large.data, 1024 * 1024 + 1, &d, &e), ERR_TOO_LARGE);
	assert_int_equal(doc_parse("f", large.data, 1024 * 1024, &d, &e), 0);
	doc_free(d);
}

static void files_are_read_and_missing_ones_named(void **state)
{
	(void)state;
	char path[] = "/tmp/millrace-doc-XXXXXX";
	int fd = mkstemp(path);
	assert_true(fd >= 0);
	assert_int_equal(write(fd, "a: {b: c}\n", 10), 10);
	close(fd);
	struct doc *d = NULL;
	struct err e;
	assert_int_equal(doc_read(path, &d, &e), 0);
	assert_string_equal(doc_get(doc_get(d, "a"), "b")->scalar, "c");
	assert_null(doc_get(d, "x"));
	assert_null(doc_get(doc_get(doc_get(d, "a"), "b"), "x"));
	assert_null(doc_get(NULL, "x"));
	doc_free(d);
	unlink(path);
	assert_int_equal(doc_read(path, &d, &e), ERR_NOT_FOUND);
	assert_non_null(strstr(e.text, path));
	assert_int_equal(doc_read("/", &d, &e), ERR_IO);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(yaml_becomes_a_tree_with_lines),
		cmocka_unit_test(what_is_wrong_is_refused_with_its_line),
		cmocka_unit_test(every_prefix_of_a_file_ends_well),
		cmocka_unit_test(limits_hold),
		cmocka_unit_test(files_are_read_and_missing_ones_named),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
