/* batch: what is read is merged, what cannot be read is set aside with a sentence. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "common/codec.h"
#include "store/batch.h"

static void add(struct batch *b, const char *subject, const void *data, size_t len,
				const struct bus_header *h, size_t nh)
{
	batch_add(b, &(struct batch_message){
					 .subject = subject,
					 .reply = "$JS.ACK.x",
					 .data = data,
					 .len = len,
					 .headers = h,
					 .nheaders = nh,
					 .seq = 41 + b->nreplies,
					 .stored_wall_ns = 1000000,
				 });
}

static void add_text(struct batch *b, const char *subject, const char *text)
{
	add(b, subject, text, strlen(text), NULL, 0);
}

static void outcomes_are_read_in_each_of_their_forms(void **state)
{
	(void)state;
	struct batch b = {0};
	add_text(&b, "events.done", "{\"id\":\"a\",\"state\":\"completed\",\"result\":\"hi\"}");
	add_text(&b, "events.done",
			 "{\"outcomes\":[{\"id\":\"b\",\"state\":\"dead\"},{\"id\":\"c\",\"state\":"
			 "\"cancelled\"}]}");
	const struct bus_header json[] = {{"content-type", "application/json; charset=utf-8"}};
	const char *spaced = "\n {\"id\":\"d\",\"state\":\"completed\",\"an_unknown_key\":1}";
	add(&b, "events.done", spaced, strlen(spaced), json, 1);
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT;
	Millrace__Outcome *list[] = {&o};
	Millrace__OutcomeBatch all = MILLRACE__OUTCOME_BATCH__INIT;
	o.id = (char *)(uintptr_t) "e";
	o.state = MILLRACE__STATE__STATE_COMPLETED;
	all.n_outcomes = 1;
	all.outcomes = list;
	CLEANUP(buf_release) struct buf packed = {0};
	codec_pack(&all.base, &packed);
	add(&b, "events.done", packed.data, packed.len, NULL, 0);
	assert_int_equal(b.nrejected, 0);
	assert_int_equal(merge_task_count(&b.merge), 5);
	assert_int_equal(b.nreplies, 4);
	assert_int_equal(b.nevents, 5);
	struct merge_task *t;
	HASH_FIND_STR(b.merge.tasks, "a", t);
	assert_true(t != NULL && t->outcome->attempt == 1); /* unless it says otherwise */
	assert_true(t != NULL && memcmp(t->outcome->result.data, "hi", 2) == 0);
	batch_release(&b);
}

static void what_makes_no_sense_is_set_aside(void **state)
{
	(void)state;
	static const struct {
		const char *subject, *data, *error;
	} rows[] = {
		{"events.done", "garbage", "OutcomeBatch"},
		{"events.done", "{\"id\":", "JSON"},
		{"events.done", "{\"id\":\"\",\"state\":\"completed\"}", "no id"},
		{"events.done", "{\"id\":\"a b\",\"state\":\"completed\"}", "space"},
		{"events.done", "{\"id\":\"a\",\"state\":\"queued\"}", "completed, dead or cancelled"},
		{"events.done", "{\"id\":\"a\"}", "completed, dead or cancelled"},
		{"events.done", "{\"outcomes\":[{\"id\":\"a\",\"state\":7}]}", "state"},
		{"events.queued", "{\"tasks\":[{\"id\":\"a\",\"state\":\"dead\"}]}", "queued or scheduled"},
		{"events.queued", "\xff\xff", "QueuedBatch"},
		{"events.started", "{\"tasks\":[{\"id\":\"x.\"}]}", "id"},
		{"events.node", "{\"name\":\"a b\"}", "node"},
		{"events.node", "{\"name\":\"\"}", "node"},
		{"events.act", "a body", "Task-Id"},
		{"events.nothing", "{}", "no such kind"},
		{"events.", "", "no such kind"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct batch b = {0};
		add_text(&b, rows[i].subject, rows[i].data);
		if (b.nrejected != 1 || strstr(b.rejected[0].error, rows[i].error) == NULL) {
			fail_msg("%s %s: %s", rows[i].subject, rows[i].data,
					 b.nrejected ? b.rejected[0].error : "accepted");
		}
		assert_int_equal(merge_task_count(&b.merge), 0);
		assert_int_equal(b.nreplies, 1); /* it is acked all the same, once the note is stored */
		assert_string_equal(b.rejected[0].subject, rows[i].subject);
		batch_release(&b);
	}
}

static void one_bad_event_spares_its_neighbours_and_can_be_published_again(void **state)
{
	(void)state;
	struct batch b = {0};
	add_text(&b, "events.done",
			 "{\"outcomes\":[{\"id\":\"a\",\"state\":\"dead\"},{\"id\":\"b\",\"state\":\"queued\"},"
			 "{\"id\":\"c\",\"state\":\"dead\"}]}");
	assert_int_equal(merge_task_count(&b.merge), 2);
	assert_int_equal(b.nrejected, 1);
	assert_int_equal(b.rejected[0].part, 2);
	assert_string_equal(b.rejected[0].task_id, "b");
	ProtobufCMessage *again = NULL;
	assert_int_equal(codec_unpack(&millrace__outcome_batch__descriptor, b.rejected[0].data,
								  b.rejected[0].data_len, &again, NULL),
					 0);
	assert_string_equal(((Millrace__OutcomeBatch *)again)->outcomes[0]->id, "b");
	codec_free(again);
	batch_release(&b);
}

static void an_act_becomes_an_attempt(void **state)
{
	(void)state;
	static const struct {
		const char *msg_id, *epoch;
		uint64_t expected;
	} rows[] = {
		{"t.1/2/8589934599/act", "2", 8589934599}, /* of the execution */
		{"something", "3", UINT64_C(3) << 32},     /* the router's */
		{"/act", "3", UINT64_C(3) << 32},
		{"a/b/act", "3", UINT64_C(3) << 32},
		{NULL, NULL, 0},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct bus_header h[12] = {
			{"task-id", "t.1"},
			{"Task-Attempt", "2"},
			{"OUTCOME", "Failed"},
			{"Outcome-Error", "no way"},
			{"Outcome-Node", "n1"},
			{"Outcome-Reason", "timeout"},
			{"Outcome-Started-At", "2026-01-01T00:00:00Z"},
			{"Outcome-Finished-At", "never"},
		};
		size_t n = 8;
		if (rows[i].msg_id != NULL) {
			h[n++] = (struct bus_header){"Nats-Msg-Id", rows[i].msg_id};
			h[n++] = (struct bus_header){"Task-Epoch", rows[i].epoch};
		}
		struct batch b = {0};
		add(&b, "events.act", "the task's body", 15, h, n);
		assert_int_equal(b.nrejected, 0);
		assert_int_equal(merge_attempt_count(&b.merge), 1);
		const struct merge_attempt *a = b.merge.attempts;
		assert_string_equal(a->task_id, "t.1");
		assert_int_equal(a->attempt, 2);
		assert_int_equal(a->epoch, rows[i].expected);
		assert_string_equal(a->outcome, "failed");
		assert_string_equal(a->error, "no way");
		assert_string_equal(a->reason, "timeout");
		assert_int_equal(a->started_wall_ns, INT64_C(1767225600000000000));
		assert_int_equal(a->finished_wall_ns, 0);
		batch_release(&b);
	}
}

static void queued_events_are_put_right_where_that_is_harmless(void **state)
{
	(void)state;
	struct batch b = {0};
	Millrace__Queued q = MILLRACE__QUEUED__INIT;
	Millrace__Queued *list[] = {&q};
	Millrace__QueuedBatch all = MILLRACE__QUEUED_BATCH__INIT;
	q.id = (char *)(uintptr_t) "a";
	q.state = MILLRACE__STATE__STATE_QUEUED;
	q.priority = (Millrace__Priority)77;
	q.body.data = (uint8_t *)(uintptr_t) "body";
	q.body.len = 4;
	all.n_tasks = 1;
	all.tasks = list;
	CLEANUP(buf_release) struct buf packed = {0};
	codec_pack(&all.base, &packed);
	add(&b, "events.queued", packed.data, packed.len, NULL, 0);
	assert_int_equal(b.nrejected, 0);
	const Millrace__Queued *f = b.merge.tasks->facts;
	assert_int_equal(f->priority, MILLRACE__PRIORITY__PRIORITY_NORMAL);
	assert_int_equal(f->body_bytes, 4);
	assert_int_equal(f->attempt, 1);
	batch_release(&b);
}

static void refused_rows_become_records_again(void **state)
{
	(void)state;
	struct batch b = {0};
	add_text(&b, "events.queued", "{\"tasks\":[{\"id\":\"a\",\"state\":\"queued\"}]}");
	add_text(&b, "events.done", "{\"id\":\"a\",\"state\":\"completed\",\"attempt\":2}");
	add_text(&b, "events.node", "{\"name\":\"n1\"}");
	batch_reject_task(&b, b.merge.tasks, "will not do");
	batch_reject_attempt(&b, b.merge.attempts, "nor this");
	batch_reject_node(&b, b.merge.nodes, "nor that");
	static const char *const subjects[] = {"events.queued", "events.done", "events.act",
										   "events.node"};
	assert_int_equal(b.nrejected, ARRAY_LEN(subjects));
	for (size_t i = 0; i < ARRAY_LEN(subjects); i++) {
		assert_string_equal(b.rejected[i].subject, subjects[i]);
	}
	batch_release(&b);
}

static void a_batch_is_counted_and_emptied(void **state)
{
	(void)state;
	struct batch b = {0};
	for (int round = 0; round < 2; round++) {
		add_text(&b, "events.done", "{\"id\":\"a\",\"state\":\"completed\"}");
		add_text(&b, "events.done", "nothing of the kind");
		add_text(&b, "events.queued", "{\"tasks\":[]}");
		assert_int_equal(batch_rows(&b), 2);
		assert_int_equal(b.nreplies, 3);
		assert_string_equal(b.replies[0], "$JS.ACK.x");
		batch_reset(&b);
		assert_int_equal(batch_rows(&b), 0);
		assert_int_equal(b.len_bytes, 0);
	}
	batch_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_are_read_in_each_of_their_forms),
		cmocka_unit_test(what_makes_no_sense_is_set_aside),
		cmocka_unit_test(one_bad_event_spares_its_neighbours_and_can_be_published_again),
		cmocka_unit_test(an_act_becomes_an_attempt),
		cmocka_unit_test(queued_events_are_put_right_where_that_is_harmless),
		cmocka_unit_test(refused_rows_become_records_again),
		cmocka_unit_test(a_batch_is_counted_and_emptied),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
