/* note: which events of scaling, healing and agents are the same row, and which are none. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include "store/batch.h"

static void add(struct batch *b, const char *subject, const char *text)
{
	batch_add(b, &(struct batch_message){
					 .subject = subject,
					 .reply = "$JS.ACK.x",
					 .data = text,
					 .len = strlen(text),
					 .seq = 1 + b->nreplies,
					 .stored_wall_ns = 5000000000,
				 });
}

static void an_event_is_told_apart_by_kind_id_and_moment(void **state)
{
	(void)state;
	static const struct {
		const char *subject, *text;
		size_t notes; /* afterwards */
	} rows[] = {
		{"events.scale", "{\"id\":\"1.1\",\"at\":7000000000,\"action\":\"start\"}", 1},
		{"events.scale", "{\"id\":\"1.1\",\"at\":7000000000,\"action\":\"start\"}", 1},
		{"events.scale", "{\"id\":\"1.1\",\"at\":8000000000,\"action\":\"start\"}", 2},
		{"events.heal", "{\"id\":\"1.1\",\"at\":8000000000,\"action\":\"alert\"}", 3},
		{"events.heal",
		 "{\"events\":[{\"id\":\"2\",\"action\":\"alert\"},{\"id\":\"3\",\"action\":\"none\"}]}", 5},
		{"events.scale", "{\"events\":[]}", 5},
		{"events.node", "{\"name\":\"n\"}", 5}, /* hosts no agents */
		{"events.node", "{\"name\":\"n\",\"agents_max\":2}", 6},
		{"events.node", "{\"name\":\"n\",\"agents\":[{\"agent_id\":\"a\"}]}", 6}, /* one a node */
	};
	struct batch b = {0};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		add(&b, rows[i].subject, rows[i].text);
		if (merge_note_count(&b.merge) != rows[i].notes || b.nrejected != 0) {
			fail_msg("%s: %zu notes, %zu rejected", rows[i].text, merge_note_count(&b.merge),
					 b.nrejected);
		}
	}
	batch_release(&b);
}

static void an_event_without_a_moment_has_that_of_its_message(void **state)
{
	(void)state;
	struct batch b = {0};
	add(&b, "events.scale", "{\"id\":\"1\",\"action\":\"stop\",\"an_unknown_key\":1}");
	assert_non_null(strstr(b.merge.notes->json, "\"at\":\"1970-01-01T00:00:05.000000Z\""));
	assert_non_null(strstr(b.merge.notes->json, "\"kind\":\"scale\""));
	batch_release(&b);
}

static void the_latest_word_on_a_nodes_agents_counts(void **state)
{
	(void)state;
	struct batch b = {0};
	add(&b, "events.node",
		"{\"name\":\"n\",\"heartbeat_at\":200,\"agents\":[{\"agent_id\":\"late\"}]}");
	add(&b, "events.node",
		"{\"name\":\"n\",\"heartbeat_at\":100,\"agents\":[{\"agent_id\":\"early\"}]}");
	assert_non_null(strstr(b.merge.notes->json, "late"));
	assert_null(strstr(b.merge.notes->json, "early"));
	add(&b, "events.node",
		"{\"name\":\"n\",\"heartbeat_at\":300,\"state\":\"stopped\",\"agents\":[{\"agent_id\":"
		"\"late\"}]}");
	assert_null(strstr(b.merge.notes->json, "late")); /* it hosts none any more */
	batch_release(&b);
}

static void what_makes_no_sense_is_set_aside(void **state)
{
	(void)state;
	static const struct {
		const char *subject, *text, *error;
	} rows[] = {
		{"events.scale", "{\"id\":\"\",\"action\":\"stop\"}", "an id"},
		{"events.scale", "{\"id\":\"1\"}", "an action"},
		{"events.heal", "{}", "an id"},
		{"events.heal", "{\"events\":[{\"id\":\"1\",\"action\":\"alert\"},{}]}", "an id"},
		{"events.heal", "\xff", "HealEventBatch"},
		{"events.scale", "{\"id\":", "JSON"},
	};
	for (size_t i = 0; i < ARRAY_LEN(rows); i++) {
		struct batch b = {0};
		add(&b, rows[i].subject, rows[i].text);
		if (b.nrejected != 1 || strstr(b.rejected[0].error, rows[i].error) == NULL) {
			fail_msg("%s: %s", rows[i].text, b.nrejected ? b.rejected[0].error : "accepted");
		}
		assert_string_equal(b.rejected[0].subject, rows[i].subject);
		batch_release(&b);
	}
}

static void a_refused_one_can_be_published_again(void **state)
{
	(void)state;
	struct batch b = {0};
	add(&b, "events.heal", "{\"id\":\"9\",\"action\":\"alert\"}");
	batch_reject_note(&b, b.merge.notes, "the database says no");
	assert_int_equal(b.nrejected, 1);
	struct batch again = {0};
	add(&again, b.rejected[0].subject, b.rejected[0].data);
	assert_int_equal(merge_note_count(&again.merge), 1);
	assert_string_equal(again.merge.notes->json, b.merge.notes->json);
	assert_int_equal(batch_rows(&again), 1);
	batch_release(&again);
	batch_release(&b);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(an_event_is_told_apart_by_kind_id_and_moment),
		cmocka_unit_test(an_event_without_a_moment_has_that_of_its_message),
		cmocka_unit_test(the_latest_word_on_a_nodes_agents_counts),
		cmocka_unit_test(what_makes_no_sense_is_set_aside),
		cmocka_unit_test(a_refused_one_can_be_published_again),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
