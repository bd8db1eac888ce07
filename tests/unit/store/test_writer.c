/* writer: what is sent again, what is halved, what is left alone. The database is played by the
 * test. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <cmocka.h>

#include <stdio.h>

#include "store/writer.h"

/* ---- a connection that answers when the test says so ---- */

static struct {
	pg_on_done on_done;
	void *data;
	size_t statements;
} sent[64];
static size_t nsent, nanswered;

int pg_run(struct pg *pg UNUSED, const struct pg_statement *s UNUSED, size_t n,
		   int64_t timeout_ms UNUSED, pg_on_done on_done, void *data, struct err *e UNUSED)
{
	assert_true(nsent < ARRAY_LEN(sent));
	sent[nsent].on_done = on_done;
	sent[nsent].data = data;
	sent[nsent++].statements = n;
	return 0;
}

int pg_query(struct pg *pg, const char *sql, const struct pg_param *params, size_t nparams,
			 int64_t timeout_ms, pg_on_done on_done, void *data, struct err *e)
{
	struct pg_statement s = {sql, params, nparams};
	return pg_run(pg, &s, 1, timeout_ms, on_done, data, e);
}

static void answer(const struct err *e)
{
	struct pg_rows none[4] = {{0}}; /* libpq reads an absent result as one without rows */
	assert_true(nanswered < nsent);
	size_t i = nanswered++;
	sent[i].on_done(sent[i].data, none, e != NULL ? 0 : sent[i].statements, e);
}

static void refuse(int code)
{
	struct err e;
	err_set(&e, code, "the test says no");
	answer(&e);
}

/* ---- its owner ---- */

static unsigned written, stuck;

static void on_written(void *data UNUSED)
{
	written++;
}

static void on_stuck(void *data UNUSED, const struct err *why UNUSED)
{
	stuck++;
}

struct made {
	struct batch batch;
	struct writer *writer;
	struct record_types types;
};

static int set_up(void **state)
{
	struct made *t = xcalloc(1, sizeof(*t));
	nsent = nanswered = written = stuck = 0;
	t->types = (struct record_types){1, 2, 3, 4, 5, 6, 7, 8};
	t->writer = writer_new(NULL, &(struct writer_events){on_written, on_stuck, NULL});
	*state = t;
	return 0;
}

static int tear_down(void **state)
{
	struct made *t = *state;
	writer_free(&t->writer);
	batch_release(&t->batch);
	free(t);
	return 0;
}

static void add(struct made *t, const char *subject, const char *json)
{
	batch_add(&t->batch, &(struct batch_message){.subject = subject,
												 .reply = "r",
												 .data = json,
												 .len = strlen(json),
												 .seq = 1,
												 .stored_wall_ns = 1});
}

/* ---- tests ---- */

static void a_resume_in_mid_write_sends_nothing_twice(void **state)
{
	struct made *t = *state;
	add(t, "events.queued", "{\"tasks\":[{\"id\":\"a\",\"type\":\"t\",\"state\":\"queued\"}]}");
	writer_begin(t->writer, &t->batch, &t->types);
	/* The schema's answer, asked for at a reconnect, comes while a later batch is under way. */
	writer_resume(t->writer, &t->types);
	assert_int_equal(nsent, 1);
	answer(NULL);
	assert_int_equal(written, 1);
	assert_int_equal(nsent, nanswered);
}

static void a_conflict_is_sent_again_whole(void **state)
{
	struct made *t = *state;
	add(t, "events.queued",
		"{\"tasks\":[{\"id\":\"a\",\"type\":\"t\",\"state\":\"queued\"},"
		"{\"id\":\"b\",\"type\":\"t\",\"state\":\"queued\"}]}");
	writer_begin(t->writer, &t->batch, &t->types);
	refuse(ERR_CONFLICT);
	assert_int_equal(stuck, 1);
	assert_int_equal(nsent, 1); /* nothing before it is told to */
	writer_resume(t->writer, &t->types);
	writer_resume(t->writer, &t->types);
	assert_int_equal(nsent, 2);
	answer(NULL);
	assert_int_equal(written, 1);
	assert_int_equal(t->batch.nrejected, 0);
}

static void a_refused_row_is_found_by_halves(void **state)
{
	struct made *t = *state;
	add(t, "events.queued",
		"{\"tasks\":[{\"id\":\"a\",\"type\":\"t\",\"state\":\"queued\"},"
		"{\"id\":\"b\",\"type\":\"t\",\"state\":\"queued\"}]}");
	writer_begin(t->writer, &t->batch, &t->types);
	refuse(ERR_INVALID); /* everything */
	refuse(ERR_INVALID); /* a and b */
	answer(NULL);        /* a */
	refuse(ERR_INVALID); /* b */
	assert_int_equal(t->batch.nrejected, 1);
	assert_string_equal(t->batch.rejected[0].task_id, "b");
	assert_int_equal(written, 0); /* its note is not written yet */
	answer(NULL);
	assert_int_equal(written, 1);
	assert_int_equal(nsent, nanswered);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test_setup_teardown(a_resume_in_mid_write_sends_nothing_twice, set_up,
										tear_down),
		cmocka_unit_test_setup_teardown(a_conflict_is_sent_again_whole, set_up, tear_down),
		cmocka_unit_test_setup_teardown(a_refused_row_is_found_by_halves, set_up, tear_down),
	};
	return cmocka_run_group_tests(tests, NULL, NULL);
}
