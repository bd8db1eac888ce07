/* The pure parts of the http handler: addresses, answers, and what a file may say. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <unistd.h>

#include <cmocka.h>

#include "common/clock.h"
#include "node/handlers/http_config.h"
#include "node/handlers/http_reply.h"
#include "node/handlers/http_url.h"

static char *allowed[] = {"X-Customer", NULL};

static void an_address_is_read_or_refused(void **state)
{
	(void)state;
	static const struct {
		const char *url, *authority; /* NULL: refused */
	} t[] = {
		{"https://API.example.com/v1", "https://api.example.com:443"},
		{"http://127.0.0.1:8080", "http://127.0.0.1:8080"},
		{"http://[::1]/x", "http://[::1]:80"},
		{"http://[::1]:81/x", "http://[::1]:81"},
		{"https://h/{id}/{type}?a={attempt}&c={header.X-Customer}", "https://h:443"},
		{"https://h/{header.x-customer}", "https://h:443"},
		{"ftp://h/", NULL},
		{"h/x", NULL},
		{"https:///x", NULL},
		{"https://{id}.example.com/", NULL},
		{"https://h:{id}/", NULL},
		{"https://user:word@h/", NULL},
		{"https://h/{header.X-Other}", NULL},
		{"https://h/{body}", NULL},
		{"https://h/{id", NULL},
		{"https://h/id}", NULL},
		{"https://h/a b", NULL},
		{"https://h/\xc3\xa4", NULL},
		{"https://h/x#y", NULL},
		{"https://h\\x/", NULL},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		struct http_url u = {0};
		struct err e = {0};
		int rc = http_url_read(t[i].url, allowed, &u, &e);
		if (t[i].authority) {
			assert_int_equal(rc, 0);
			assert_string_equal(u.authority, t[i].authority);
		} else if (rc != ERR_INVALID || strncmp(e.text, "url: ", 5) != 0) {
			fail_msg("%s: %d %s", t[i].url, rc, e.text);
		}
		http_url_release(&u);
	}
}

static void a_tasks_word_never_leaves_its_place_in_the_address(void **state)
{
	(void)state;
	static const struct {
		const char *value, *filled; /* NULL: refused */
	} t[] = {
		{"plain-1_2~3.4", "https://h/a/plain-1_2~3.4/z?n=2"},
		{"a/b?c#d&e", "https://h/a/a%2Fb%3Fc%23d%26e/z?n=2"},
		{"%2e%2e", "https://h/a/%252e%252e/z?n=2"},
		{"\xc3\xa4 {id}", "https://h/a/%C3%A4%20%7Bid%7D/z?n=2"},
		{"..", NULL},
		{".", NULL},
		{"", NULL},
	};
	struct http_url u = {0};
	struct err e;
	assert_int_equal(
		http_url_read("https://h/a/{header.X-Customer}/z?n={attempt}", allowed, &u, &e), 0);
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		const struct bus_header h = {"x-CUSTOMER", t[i].value};
		const struct handler_task task = {
			.id = "i", .type = "t", .headers = &h, .nheaders = 1, .attempt = 2};
		char *filled = NULL;
		int rc = http_url_fill(&u, &task, &filled, &e);
		if (t[i].filled)
			assert_string_equal(filled, t[i].filled);
		else
			assert_int_equal(rc, ERR_INVALID);
		free(filled);
	}
	const struct handler_task none = {.id = "i", .type = "t"};
	char *filled = NULL;
	assert_int_equal(http_url_fill(&u, &none, &filled, &e), ERR_INVALID);
	http_url_release(&u);
}

static void a_status_means(void **state)
{
	(void)state;
	static const struct {
		long status;
		enum http_meaning meaning;
		bool against;
	} t[] = {
		{200, HTTP_OK, false},    {204, HTTP_OK, false},    {299, HTTP_OK, false},
		{301, HTTP_NEVER, false}, {304, HTTP_NEVER, false}, {400, HTTP_NEVER, false},
		{401, HTTP_NEVER, false}, {404, HTTP_NEVER, false}, {408, HTTP_RETRY, true},
		{409, HTTP_NEVER, false}, {425, HTTP_RETRY, false}, {429, HTTP_RETRY, true},
		{500, HTTP_RETRY, true},  {503, HTTP_RETRY, true},  {599, HTTP_RETRY, true},
		{600, HTTP_NEVER, false}, {0, HTTP_NEVER, false},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		assert_int_equal(http_meaning(t[i].status), t[i].meaning);
		assert_int_equal(http_speaks_against(t[i].status), t[i].against);
	}
}

static void retry_after_is_seconds_or_a_date(void **state)
{
	(void)state;
	const int64_t now = INT64_C(784111777) * NS_PER_S; /* Sun, 06 Nov 1994 08:49:37 GMT */
	static const struct {
		const char *value;
		int64_t s;
	} t[] = {
		{NULL, 0},
		{"", 0},
		{"0", 0},
		{"120", 120},
		{" 7 ", 7},
		{"7s", 0},
		{"-7", 0},
		{"1.5", 0},
		{"86401", 86400},
		{"99999999999999999999", 86400},
		{"Sun, 06 Nov 1994 08:50:37 GMT", 60},
		{"Sunday, 06-Nov-94 08:50:37 GMT", 60},
		{"Sun Nov  6 08:50:37 1994", 60},
		{"Sun, 06 Nov 1994 08:49:37 GMT", 0},
		{"Sun, 06 Nov 1994 08:00:00 GMT", 0},
		{"Mon, 06 Nov 2034 08:00:00 GMT", 86400},
		{"Sun, 06 Nov 1994 08:50:37 GMT, and more", 0},
		{"soon", 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++)
		assert_int_equal(http_retry_after_ns(t[i].value, now), t[i].s * NS_PER_S);
}

static void what_a_file_says_is_held_to_it(void **state)
{
	(void)state;
	char secret[] = "/tmp/millrace-secret-XXXXXX";
	int fd = mkstemp(secret);
	assert_int_equal(write(fd, "Bearer x\nrest", 13), 13);
	close(fd);
	static const struct {
		const char *rest, *error; /* NULL: fine */
	} t[] = {
		{"", NULL},
		{", method: PUT, response: 5MiB, connections: 3, redirects: 2", NULL},
		{", headers_file: {Authorization: SECRET}, redirects: 2", NULL},
		{", headers: {X-A: b}, redirects: 2", NULL},
		{", headers_file: {X-Key: SECRET}, redirects: 2", "redirects with a secret"},
		{", headers_file: {X-Key: /nowhere}", "/nowhere: No such file"},
		{", headers_env: {X-Key: MILLRACE_NOT_SET}", "MILLRACE_NOT_SET is not set"},
		{", headers: {Host: x}", "header Host is set by the node itself"},
		{", headers: {content-length: 1}", "is set by the node itself"},
		{", headers: {'X A': b}", "no header's name"},
		{", headers: {X-A: \"a\\r\\nX-B: c\"}", "control character"},
		{", method: TRACE", "method \"TRACE\" is none of"},
		{", tls: {ca: /nowhere}", "tls: ca: /nowhere"},
		{", tls: {cert: SECRET}", "cert and key go together"},
		{", tls: {verify: maybe}", "verify"},
		{", breaker: {failures: -1}", "failures"},
		{", breaker: {sense: 1}", "unknown key \"sense\""},
		{", colour: red", "unknown key \"colour\""},
		{", response: 2GiB", "response"},
	};
	for (size_t i = 0; i < ARRAY_LEN(t); i++) {
		char yaml[512], path[] = "/tmp/millrace-test-XXXXXX";
		const char *at = strstr(t[i].rest, "SECRET");
		snprintf(yaml, sizeof(yaml), "{url: 'https://h/'%.*s%s%s}\n",
				 (int)(at ? at - t[i].rest : (long)strlen(t[i].rest)), t[i].rest, at ? secret : "",
				 at ? at + 6 : "");
		fd = mkstemp(path);
		assert_int_equal(write(fd, yaml, strlen(yaml)), strlen(yaml));
		close(fd);
		struct doc *d = NULL;
		struct err e = {0};
		assert_int_equal(doc_read(path, &d, &e), 0);
		unlink(path);
		struct http_config c = {0};
		int rc = http_config_read(d, &c, &e);
		if (!t[i].error ? rc != 0 : rc == 0 || !strstr(e.text, t[i].error))
			fail_msg("%s: %d %s", yaml, rc, e.text);
		http_config_release(&c);
		doc_free(d);
	}
	unlink(secret);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_address_is_read_or_refused),
		cmocka_unit_test(a_tasks_word_never_leaves_its_place_in_the_address),
		cmocka_unit_test(a_status_means),
		cmocka_unit_test(retry_after_is_seconds_or_a_date),
		cmocka_unit_test(what_a_file_says_is_held_to_it),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
