/*
 * What may stand in a subject or key, and how a lane is named. Everything
 * that a stranger wrote passes through here before it meets a subject: a
 * CRLF or a space in one would be a second protocol line.
 *
 * Token (type, capability, node, pool): [A-Za-z0-9_-]{1,64}, no "--", no
 * hyphen at an edge. Id: the same characters with single inner dots, 1 to 128.
 * Lane: the type and its sorted, distinct capabilities joined by "--".
 */
#pragma once

#include "common/err.h"

#define TOKEN_MAX 64
#define TASK_ID_MAX 128
#define LANE_MAX 128
#define LANE_CAPABILITIES_MAX 8

enum task_class { CLASS_HIGH, CLASS_NORMAL, CLASS_LOW, CLASS_COUNT };

bool token_ok(const char *s, size_t len);
bool task_id_ok(const char *s, size_t len);
/* As token_ok, and says in e what is wrong with the thing called what. */
MUST_CHECK int token_check(const char *what, const char *s, struct err *e);
MUST_CHECK int task_id_check(const char *s, struct err *e);

/* "high", "normal", "low": also the durable's name on a lane. */
const char *task_class_name(enum task_class c);

struct lane {
	char name[LANE_MAX + 1];
	char type[TOKEN_MAX + 1];
	char capability[LANE_CAPABILITIES_MAX][TOKEN_MAX + 1]; /* sorted */
	unsigned capabilities;
};

/* Sorts and dedupes. requires: comma-separated capabilities, "" or NULL for none. */
MUST_CHECK int lane_make(const char *type, const char *requires, struct lane *ret, struct err *e);
/* The inverse of name: splits "summarize--gpu". */
MUST_CHECK int lane_parse(const char *name, struct lane *ret, struct err *e);
/* Whether a node with these capabilities may serve it. */
bool lane_served_by(const struct lane *l, const char *const *capabilities, size_t n);
