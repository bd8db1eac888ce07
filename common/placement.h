/*
 * Where a task wants to run, as its headers spell it. Pure.
 *
 *	Task-Node: n1            on n1 and nowhere else; "n1?" rather there
 *	Task-Same-Node-As: id    where that task ran or runs; "id?" rather there
 *	Task-Not-Nodes: n1,n2    anywhere but there
 *	Task-Balance: weighted   who chooses: the nodes themselves (pull), or the router, how
 */
#pragma once

#include "common/token.h"

enum balance {
	BALANCE_UNSAID,
	BALANCE_PULL,
	BALANCE_ROUND_ROBIN,
	BALANCE_WEIGHTED,
	BALANCE_RANDOM,
	BALANCE_LEAST_LOADED,
	BALANCE_CAPABILITY_MATCH,
};

#define PLACEMENT_NAMES_MAX 32 /* nodes in one list */

/* A name that is required, or with '?' behind it merely preferred. */
struct wish {
	char name[TASK_ID_MAX + 1];
	bool soft;
};

/* ERR_INVALID names the words there are. */
MUST_CHECK int balance_parse(const char *text, enum balance *ret, struct err *e);
const char *balance_name(enum balance b);

/* "n1", "n1?": a node. */
MUST_CHECK int wish_node(const char *text, struct wish *ret, struct err *e);
/* "order-42", "order-42?": a task. */
MUST_CHECK int wish_task(const char *text, struct wish *ret, struct err *e);

/* Whether it is said (NULL, "": it is not) and no mere preference. */
bool wish_hard(const char *text);

/* Comma-separated names of nodes, blanks around them. */
MUST_CHECK int names_check(const char *list, struct err *e);
/* Whether such a list (NULL: none) has that name. */
bool names_have(const char *list, const char *name);
