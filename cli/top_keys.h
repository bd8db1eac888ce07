/* Bytes of a keyboard → keys. Pure. */
#pragma once

#include "common/base.h"

enum top_key {
	KEY_NONE, /* nothing yet, or nothing of ours */
	KEY_QUIT,
	KEY_LANES,
	KEY_NODES,
	KEY_DEAD,
	KEY_SORT,
	KEY_REVERSE,
	KEY_NOW,
	KEY_REDRAW,
	KEY_HELP,
	KEY_UP,
	KEY_DOWN,
	KEY_PAGE_UP,
	KEY_PAGE_DOWN,
	KEY_HOME,
	KEY_END,
};

struct top_keys {
	char sequence[8]; /* what an escape sequence holds so far, without its ESC */
	size_t len;
	bool escape;
};

/* One byte more; a sequence may come in parts. */
enum top_key top_key(struct top_keys *k, char byte);
