/*
 * The sentence that travels up with an error code. It stands alone because
 * every other file needs it and it needs nothing: no memory is allocated, so
 * an error can always be told. Too long a sentence is cut at a whole
 * character and ends in "...".
 */
#include "common/err.h"

#include <stdarg.h>
#include <stdio.h>

static const char cut_mark[] = "...";

/* Ends text, which vsnprintf cut, with the mark and without half a character. */
static void mark_cut(char *text, size_t size)
{
	size_t end = size - sizeof(cut_mark);
	while (end > 0 && ((unsigned char)text[end] & 0xc0) == 0x80)
		end--;
	memcpy(text + end, cut_mark, sizeof(cut_mark));
}

int err_set(struct err *e, int code, const char *fmt, ...)
{
	if (!e)
		return code;
	/* By way of a copy: the arguments may point into the old sentence. */
	char text[sizeof(e->text)];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		text[0] = '\0';
	else if ((size_t)len >= sizeof(text))
		mark_cut(text, sizeof(text));
	e->code = code;
	memcpy(e->text, text, sizeof(text));
	return code;
}

int err_wrap(struct err *e, const char *fmt, ...)
{
	if (!e)
		return ERR_FAILED;
	char text[sizeof(e->text)];
	va_list args;
	va_start(args, fmt);
	int len = vsnprintf(text, sizeof(text), fmt, args);
	va_end(args);
	if (len < 0)
		return e->code;
	size_t used = MIN_OF((size_t)len, sizeof(text) - 1);
	int rest = snprintf(text + used, sizeof(text) - used, ": %s", e->text);
	if (rest < 0 || used + (size_t)rest >= sizeof(text))
		mark_cut(text, sizeof(text));
	memcpy(e->text, text, sizeof(text));
	return e->code;
}

const char *err_name(int code)
{
	switch ((enum err_code)code) {
	case ERR_OK:
		return "ok";
	case ERR_INVALID:
		return "invalid";
	case ERR_NOT_FOUND:
		return "not-found";
	case ERR_EXISTS:
		return "exists";
	case ERR_UNREACHABLE:
		return "unreachable";
	case ERR_TIMEOUT:
		return "timeout";
	case ERR_DENIED:
		return "denied";
	case ERR_FULL:
		return "full";
	case ERR_CONFLICT:
		return "conflict";
	case ERR_TOO_LARGE:
		return "too-large";
	case ERR_CLOSED:
		return "closed";
	case ERR_IO:
		return "io";
	case ERR_PROTOCOL:
		return "protocol";
	case ERR_FAILED:
		return "failed";
	}
	return "failed";
}
