/*
 * An error is a code and a sentence. A function that can fail returns 0 or
 * the (negative) code, and fills the struct err it was given; on the way up
 * each layer may put its own words before the sentence.
 */
#pragma once

#include "common/base.h"

enum err_code {
	ERR_OK = 0,
	ERR_INVALID = -1,     /* the input is wrong, and will be on every retry */
	ERR_NOT_FOUND = -2,
	ERR_EXISTS = -3,
	ERR_UNREACHABLE = -4, /* broker, database or network: later it may work */
	ERR_TIMEOUT = -5,
	ERR_DENIED = -6,
	ERR_FULL = -7,        /* a stated limit is reached: later it may work */
	ERR_CONFLICT = -8,    /* a compare-and-set lost */
	ERR_TOO_LARGE = -9,
	ERR_CLOSED = -10,     /* the thing is being closed */
	ERR_IO = -11,
	ERR_PROTOCOL = -12,   /* the other side said what it must not */
	ERR_FAILED = -13,     /* everything else */
};

struct err {
	int code;
	char text[500];
};

/* Sets *e (which may be NULL) and returns code. */
int err_set(struct err *e, int code, const char *fmt, ...) PRINTF_LIKE(3, 4);

/* Puts "<words>: " before the sentence; returns e->code. */
int err_wrap(struct err *e, const char *fmt, ...) PRINTF_LIKE(2, 3);

/* "invalid", "unreachable", … : the code's name for logs and scripts. */
const char *err_name(int code);
