/* lane_diagnose: why no node serves a lane. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdlib.h>

#include "common/lane_diagnose.h"

#define LANE "{\"name\":\"sum--gpu\",\"type\":\"sum\",\"requires\":[\"gpu\",\"big\"]}"

static void the_missing_thing_is_named(void **state)
{
	static const struct {
		const char *nodes, *detail, *remedy;
	} rows[] = {
		{"[]", "no node is running", "start one: millrace-node node-1"},
		{"[{\"name\":\"a\",\"state\":\"lost\",\"types\":[\"sum\"],\"capabilities\":[\"gpu\","
		 "\"big\"]}]",
		 "no node is running", "start one: millrace-node node-1"},
		{"[{\"name\":\"a\",\"state\":\"ready\",\"types\":[\"echo\"]}]", "no node handles type sum",
		 "give a node a handler for sum (its --handlers file), or start one with --bridge and "
		 "answer handle.sum"},
		{"[{\"name\":\"a\",\"state\":\"ready\",\"types\":[\"sum\"]},"
		 "{\"name\":\"b\",\"state\":\"ready\",\"types\":[\"sum\"],\"capabilities\":[\"gpu\"]}]",
		 "no node that handles type sum has capability big (nearest: b)",
		 "start a node with --capabilities big"},
		{"[{\"name\":\"a\",\"state\":\"draining\",\"types\":[\"sum\"],\"capabilities\":[\"big\","
		 "\"gpu\"]}]",
		 "the nodes that could serve it are draining",
		 "millrace node undrain NAME, or start another"},
		{"[{\"name\":\"a\",\"state\":\"ready\",\"types\":[\"sum\"],\"capabilities\":[\"big\","
		 "\"gpu\"]}]",
		 "a node that fits is there but does not take from it",
		 "look at the node's log; restart it if it is silent"},
		{"[7,{},{\"state\":\"ready\"}]", "no node handles type sum",
		 "give a node a handler for sum (its --handlers file), or start one with --bridge and "
		 "answer handle.sum"},
	};

	(void)state;
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		CLEANUP(buf_release) struct buf detail = {0};
		CLEANUP(buf_release) struct buf remedy = {0};
		json_t *lane = json_loads(LANE, 0, NULL);
		json_t *nodes = json_loads(rows[i].nodes, 0, NULL);

		lane_diagnose(lane, nodes, &detail, &remedy);
		assert_string_equal(detail.data, rows[i].detail);
		assert_string_equal(remedy.data, rows[i].remedy);
		json_decref(lane);
		json_decref(nodes);
	}
}

int main(void)
{
	const struct CMUnitTest tests[] = {cmocka_unit_test(the_missing_thing_is_named)};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
