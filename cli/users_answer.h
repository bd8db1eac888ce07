/* What an answer of the gateway means to a user who wants a result. Pure. */
#pragma once

#include "common/base.h"

enum users_meaning {
	USERS_DONE,    /* the result, and the right one */
	USERS_PENDING, /* taken, not ended yet: ret id is to be asked for */
	USERS_REFUSED, /* come back later: ret after_ns */
	USERS_ERROR,   /* ret words say why */
};
struct users_answer {
	enum users_meaning meaning;
	char id[136];
	int64_t after_ns;
	char words[300];
};

/* text: what the result has to be. retry_after: the header, "" where absent. */
struct users_answer users_answer_read(long status, const char *body, size_t len,
									  const char *retry_after, const char *text,
									  int64_t now_wall_ns);
