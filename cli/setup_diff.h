/*
 * A declared stream or consumer beside what the server has: which fields
 * differ, what can be done about each, and the request that does it. Pure.
 *
 * Only declared fields are compared: what an operator added on top (a
 * placement, metadata) is none of setup's business and is kept.
 */
#pragma once

#include <jansson.h>

#include "common/base.h"

enum setup_kind { SETUP_STREAM, SETUP_CONSUMER };

enum setup_how {
	SETUP_CHANGEABLE, /* an update sets it */
	SETUP_FIXED,      /* set once, when the thing is made */
	SETUP_LACKING,    /* this server is too old to know it */
};

struct setup_field {
	const char *name;       /* borrowed from the declaration */
	const json_t *declared; /* borrowed */
	const json_t *actual;   /* borrowed; NULL: the server does not tell it */
	enum setup_how how;
	unsigned since;         /* the server, 2.<since>, that brought it; 0: all of 2.9 and newer know it */
};
#define SETUP_FIELDS_MAX 48

/*
 * How new a server is, as the y of 2.y, by what it tells: the api level of $JS.API.INFO (since 2.11), and the keys
 * of a stream's config (since 2.10). Either may be NULL. It is at least so new; 9 where nothing tells more.
 */
unsigned setup_server(const json_t *api_info, const json_t *stream_config);

/*
 * The fields of declared that actual (a config as the server returns it; NULL: the thing does not exist) has
 * otherwise; at most SETUP_FIELDS_MAX. What the server does not return is taken for its default. Where actual
 * is NULL only lacking fields are told.
 */
size_t setup_diff(enum setup_kind kind, const json_t *declared, const json_t *actual, unsigned server,
                  struct setup_field ret[SETUP_FIELDS_MAX]);

/*
 * The config to send (owned): actual with what is declared laid over it, but neither fixed fields that differ (the
 * server would refuse the rest with them) nor fields that it lacks (it would ignore them, or refuse).
 */
json_t *setup_config(enum setup_kind kind, const json_t *declared, const json_t *actual, unsigned server);
