/* outcome_batch: bytes grown outcome by outcome are a batch like any other. */
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <cmocka.h>

#include "common/codec.h"
#include "node/outcome_batch.h"

static Millrace__Outcome outcome(const char *id, void *result, size_t len)
{
	Millrace__Outcome o = MILLRACE__OUTCOME__INIT;

	o.id = (char *)id;
	o.state = MILLRACE__STATE__STATE_COMPLETED;
	o.result.data = result;
	o.result.len = len;
	return o;
}

static Millrace__OutcomeBatch *unpacked(const struct buf *b)
{
	ProtobufCMessage *m = NULL;
	struct err e;

	assert_int_equal(codec_unpack(&millrace__outcome_batch__descriptor, b->data, b->len, &m, &e),
					 0);
	return (Millrace__OutcomeBatch *)m;
}

static void outcomes_come_back_in_order_whatever_their_size(void **state)
{
	(void)state;
	static const size_t sizes[] = {0, 1, 100, 127, 128, 16383, 16384, 100000, 2097152};
	static char bytes[2097152];
	CLEANUP(buf_release) struct buf b = {0};
	char id[16];

	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(id, sizeof(id), "t%zu", i);
		Millrace__Outcome o = outcome(id, bytes, sizes[i]);
		assert_true(outcome_batch_add(&b, &o, SIZE_MAX));
	}
	Millrace__OutcomeBatch *batch = unpacked(&b);
	assert_int_equal(batch->n_outcomes, ARRAY_LEN(sizes));
	for (size_t i = 0; i < ARRAY_LEN(sizes); i++) {
		snprintf(id, sizeof(id), "t%zu", i);
		assert_string_equal(batch->outcomes[i]->id, id);
		assert_int_equal(batch->outcomes[i]->result.len, sizes[i]);
	}
	codec_free(&batch->base);
}

static void the_limit_holds_from_the_second_on(void **state)
{
	(void)state;
	static char bytes[1000];
	CLEANUP(buf_release) struct buf b = {0};
	Millrace__Outcome o = outcome("t", bytes, sizeof(bytes));

	assert_true(outcome_batch_add(&b, &o, 10)); /* alone it always goes */
	size_t len = b.len;
	assert_false(outcome_batch_add(&b, &o, 2 * len - 1));
	assert_int_equal(b.len, len);
	assert_true(outcome_batch_add(&b, &o, 2 * len));
	assert_int_equal(b.len, 2 * len);
}

int main(void)
{
	const struct CMUnitTest tests[] = {
		cmocka_unit_test(outcomes_come_back_in_order_whatever_their_size),
		cmocka_unit_test(the_limit_holds_from_the_second_on),
	};

	return cmocka_run_group_tests(tests, NULL, NULL);
}
