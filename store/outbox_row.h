/*
 * A row of millrace.outbox as the message that it becomes. Pure. What is
 * refused here would be a dead letter later, with nobody near who knows why.
 */
#pragma once

#include <jansson.h>

#include "common/bus.h"
#include "common/token.h"

#define OUTBOX_HEADERS_MAX 64

/* As it was read; strings are borrowed, "" where the column is null. */
struct outbox_row {
	int64_t seq;
	const char *id, *type, *priority, *requires, *project;
	const char *headers; /* the text of a JSON value */
	size_t headers_len;
	const void *body;
	size_t body_len;
	bool two_bodies;
	int64_t run_wall_ns; /* 0: at once */
};

struct outbox_message {
	char subject[TOKEN_MAX + 8];
	struct bus_header headers[OUTBOX_HEADERS_MAX];
	size_t nheaders;
	char at[32];
	json_t *parsed;                  /* what header names and values point into */
	char *texts[OUTBOX_HEADERS_MAX]; /* of numbers and booleans */
	size_t ntexts;
};

/* ERR_INVALID names the column at fault and what would be right. Release ret in either case. Points
 * into row. */
MUST_CHECK int outbox_row_message(const struct outbox_row *row, struct outbox_message *ret,
								  struct err *e);
void outbox_message_release(struct outbox_message *m);
