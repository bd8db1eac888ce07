/* Routes that are one question each: a table's row says which, and where its record comes from. */
#pragma once

#include "gateway/ask.h"

struct pass {
	const char *subject; /* "api.lane.pause"; a "%s" in it is the path's parameter */
	const char *key;     /* the record's key for the path's parameter {name} or {id}; NULL: none */
	const struct ask_param *query; /* NULL: no parameters */
	bool body;                     /* the record is the request's JSON body */
	unsigned status;               /* of a good answer; 0: 200 */
};

http_handler pass_on;

#define PASS(method, path, scope, ...)                        \
	{                                                         \
		method, path, scope, pass_on, 0, &(const struct pass) \
		{                                                     \
			__VA_ARGS__                                       \
		}                                                     \
	}
