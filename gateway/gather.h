/*
 * Answers that are put together of several components' words: all are asked at once, and what
 * is there is told, with a sentence for what is not.
 */
#pragma once

#include "gateway/ask.h"

#define GATHER_PARTS_MAX 6

struct gather_part {
	const char *subject;
	const char *request; /* JSON; NULL: empty */
	bool needed;         /* without it there is no answer */
};

struct gathered {
	const json_t *part[GATHER_PARTS_MAX]; /* in the order asked; NULL: it could not be had */
	const json_t *query;                  /* what the URL asks for */
	int64_t now_wall_ns;
};
/* Returns owned: an object, to which "problems" is added: a sentence for each part that is away. */
typedef json_t *gather_shape(const struct http_request *r, const struct gathered *x);

struct gather {
	struct gather_part parts[GATHER_PARTS_MAX + 1]; /* ended by one without a subject */
	gather_shape *shape;
	const struct ask_param *query; /* NULL: no parameters */
};

/* Context: a struct gather. 503, or what the first of them says, where a needed part or all are away. */
http_handler gather_on;

#define GATHER(path, ...)                                             \
	{                                                                 \
		"GET", path, SCOPE_READ, gather_on, 0, &(const struct gather) \
		{                                                             \
			__VA_ARGS__                                               \
		}                                                             \
	}
