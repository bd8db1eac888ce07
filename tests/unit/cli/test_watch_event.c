/* watch_event: what components tell each other, as lines for a watcher. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>
#include <string.h>

#include "cli/watch_event.h"
#include "common/codec.h"
#include "proto/event.pb-c.h"

static void on_event(void *data, const struct watch_event *ev)
{
	buf_printf(data, "%s %s %s %s %s %u %lld %s;", ev->event, ev->id, ev->type, ev->lane, ev->node,
			   ev->attempt, (long long)ev->duration_ns, ev->error);
}

static void check(const struct watch_message *m, const char *expected)
{
	CLEANUP(buf_release) struct buf out = {0};

	watch_events_read(m, on_event, &out);
	assert_string_equal(out.data ? out.data : "", expected);
}

static void records_tell_each_task(void **state)
{
	CLEANUP(buf_release) struct buf packed = {0};
	Millrace__Queued a = MILLRACE__QUEUED__INIT, b = MILLRACE__QUEUED__INIT;
	Millrace__Queued *both[] = {&a, &b};
	Millrace__QueuedBatch batch = MILLRACE__QUEUED_BATCH__INIT;
	const struct bus_header protobuf[] = {{"content-type", CONTENT_PROTOBUF}};

	(void)state;
	a.id = (char *)"a";
	a.type = (char *)"echo";
	a.lane = (char *)"echo";
	a.state = MILLRACE__STATE__STATE_QUEUED;
	a.attempt = 1;
	b.id = (char *)"b";
	b.state = MILLRACE__STATE__STATE_SCHEDULED;
	batch.n_tasks = 2;
	batch.tasks = both;
	codec_pack(&batch.base, &packed);
	check(&(struct watch_message){"events.queued", protobuf, 1, packed.data, packed.len},
		  "queued a echo echo  1 0 ;scheduled b    0 0 ;");
	check(&(struct watch_message){"events.queued", protobuf, 1, packed.data, packed.len / 2}, "");
	check(&(struct watch_message){"events.other", protobuf, 1, packed.data, packed.len}, "");
}

static void outcomes_may_be_json_alone_or_many(void **state)
{
	static const char one[] =
		"{\"id\":\"a\",\"type\":\"t\",\"state\":\"completed\",\"node\":\"n\",\"attempt\":2,"
		"\"started_at\":\"2026-01-01T00:00:00Z\",\"finished_at\":\"2026-01-01T00:00:01Z\"}";
	static const char many[] = "{\"outcomes\":[{\"id\":\"a\",\"state\":\"dead\",\"error\":\"no\"},{"
							   "\"id\":\"b\",\"state\":\"cancelled\"}]}";

	(void)state;
	check(&(struct watch_message){"events.done", NULL, 0, one, sizeof(one) - 1},
		  "completed a t  n 2 1000000000 ;");
	check(&(struct watch_message){"events.done", NULL, 0, many, sizeof(many) - 1},
		  "dead a    0 0 no;cancelled b    0 0 ;");
	check(&(struct watch_message){"events.done", NULL, 0, "{", 1}, "");
	check(&(struct watch_message){"events.done", NULL, 0, "", 0}, "");
}

static void an_attempt_is_told_by_its_headers(void **state)
{
	const struct bus_header headers[] = {
		{"task-id", "a"},          {"Task-Attempt", "3"},  {"Outcome", "failed"},
		{"Outcome-Error", "boom"}, {"Outcome-Node", "n1"}, {"Outcome-Lane", "sum--gpu"},
	};

	(void)state;
	check(&(struct watch_message){"events.act", headers, ARRAY_LEN(headers), "", 0},
		  "failed a sum sum--gpu n1 3 0 boom;");
	check(&(struct watch_message){"events.act", NULL, 0, "", 0}, "");
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(records_tell_each_task),
		cmocka_unit_test(outcomes_may_be_json_alone_or_many),
		cmocka_unit_test(an_attempt_is_told_by_its_headers),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
