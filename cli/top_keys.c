/*
 * Which key it was. It stands alone because arrows are sequences of bytes
 * that may come in parts, in two dialects. A sequence that is none of ours is
 * passed over as a whole, so that its letters do nothing.
 */
#include "cli/top_keys.h"

static enum top_key of_sequence(const struct top_keys *k)
{
	static const struct {
		const char *sequence;
		enum top_key key;
	} keys[] = {
		{"[A", KEY_UP},       {"OA", KEY_UP},         {"[B", KEY_DOWN}, {"OB", KEY_DOWN},
		{"[5~", KEY_PAGE_UP}, {"[6~", KEY_PAGE_DOWN}, {"[H", KEY_HOME}, {"OH", KEY_HOME},
		{"[1~", KEY_HOME},    {"[7~", KEY_HOME},      {"[F", KEY_END},  {"OF", KEY_END},
		{"[4~", KEY_END},     {"[8~", KEY_END},
	};

	for (size_t i = 0; i < ARRAY_LEN(keys); i++) {
		if (strlen(keys[i].sequence) == k->len &&
			memcmp(keys[i].sequence, k->sequence, k->len) == 0)
			return keys[i].key;
	}
	return KEY_NONE;
}

static enum top_key in_sequence(struct top_keys *k, char byte)
{
	bool first = k->len == 0, ends;

	if (first && byte != '[' && byte != 'O') {
		k->escape = false; /* Alt and a letter: not that letter */
		return KEY_NONE;
	}
	if (k->len < sizeof(k->sequence))
		k->sequence[k->len] = byte;
	k->len = MIN_OF(k->len + 1, sizeof(k->sequence));
	ends = !first && byte >= 0x40 && byte <= 0x7e;
	if (!ends)
		return KEY_NONE;
	enum top_key key = of_sequence(k);
	*k = (struct top_keys){0};
	return key;
}

enum top_key top_key(struct top_keys *k, char byte)
{
	if (byte == '\x1b') {
		*k = (struct top_keys){.escape = true};
		return KEY_NONE;
	}
	if (k->escape)
		return in_sequence(k, byte);
	switch (byte) {
	case 'q':
	case 'Q':
	case 3: /* where Ctrl-C is no signal */
		return KEY_QUIT;
	case 'l':
		return KEY_LANES;
	case 'n':
		return KEY_NODES;
	case 'd':
		return KEY_DEAD;
	case 's':
		return KEY_SORT;
	case 'r':
		return KEY_REVERSE;
	case ' ':
		return KEY_NOW;
	case 12: /* Ctrl-L */
		return KEY_REDRAW;
	case '?':
	case 'h':
		return KEY_HELP;
	case 'k':
		return KEY_UP;
	case 'j':
		return KEY_DOWN;
	case 'g':
		return KEY_HOME;
	case 'G':
		return KEY_END;
	default:
		return KEY_NONE;
	}
}
