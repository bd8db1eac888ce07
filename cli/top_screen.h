/*
 * The terminal as a screen: the alternate one, keys as they are pressed, its
 * size as it changes. What was there before comes back however the
 * program ends, short of SIGKILL and a crash.
 */
#pragma once

#include "cli/top_keys.h"
#include "common/buf.h"
#include "common/err.h"

#include <uv.h>

struct top_screen_events {
	void (*on_key)(void *data, enum top_key key);
	/* It is another size, or was covered (after Ctrl-Z): draw again. */
	void (*on_redraw)(void *data);
	void (*on_gone)(void *data); /* the terminal was closed */
	void *data;
};
struct top_screen;

/* ERR_INVALID: this process has no terminal. One at a time in a process. */
MUST_CHECK int top_screen_open(uv_loop_t *loop, const struct top_screen_events *ev,
							   struct top_screen **ret, struct err *e);
/* In characters; 80 by 24 where the terminal does not tell. */
void top_screen_size(const struct top_screen *s, unsigned *ret_width, unsigned *ret_height);
/* Lines, each ended by a newline; only those that differ from what is there are written. */
void top_screen_draw(struct top_screen *s, const struct buf *lines);
/* All is written anew the next time. */
void top_screen_forget(struct top_screen *s);
/* Runs the loop's closing callbacks no further: its handles are freed in theirs. */
void top_screen_close(struct top_screen **s);
/* Gives the terminal back and nothing else: for one who ends the process at once. */
void top_screen_restore(void);
