/*
 * Which route a path belongs to. It stands alone because it sees what strangers
 * wrote first: the path is cut at its slashes before anything is decoded, so
 * that %2F never makes a segment, and what decodes to a NUL or to bytes that
 * are no text matches nothing.
 */
#include "gateway/http_path.h"

#include "common/codec.h"

static int hex(char c)
{
	if (c >= '0' && c <= '9')
		return c - '0';
	if (c >= 'a' && c <= 'f')
		return c - 'a' + 10;
	return c >= 'A' && c <= 'F' ? c - 'A' + 10 : -1;
}

char *http_decode(const char *text, size_t len)
{
	char *out = xmalloc(len + 1);
	size_t n = 0;

	for (size_t i = 0; i < len; i++) {
		if (text[i] != '%') {
			out[n++] = text[i];
			continue;
		}
		int high = len - i > 2 ? hex(text[i + 1]) : -1;
		int low = len - i > 2 ? hex(text[i + 2]) : -1;

		if (high < 0 || low < 0) {
			free(out);
			return NULL;
		}
		out[n++] = (char)(high << 4 | low);
		i += 2;
	}
	out[n] = '\0';
	if (!utf8_ok(out, n)) {
		free(out);
		return NULL;
	}
	return out;
}

void http_params_release(struct http_params *p)
{
	for (size_t i = 0; i < p->n; i++)
		free(p->at[i].value);
	p->n = 0;
}

static bool take(struct http_params *p, const char *name, size_t name_len, const char *text,
				 size_t len)
{
	char *value = len > 0 ? http_decode(text, len) : NULL;

	if (!value || p->n == HTTP_PARAMS_MAX) {
		free(value);
		return false;
	}
	p->at[p->n].name = name;
	p->at[p->n].name_len = name_len;
	p->at[p->n++].value = value;
	return true;
}

bool http_path_match(const char *pattern, const char *path, struct http_params *ret)
{
	struct http_params p = {0};

	while (*pattern) {
		size_t want = strcspn(pattern + 1, "/") + 1;
		bool open = pattern[0] == '/' && pattern[1] == '{';

		if (!open) {
			if (strncmp(pattern, path, want) != 0)
				break;
			pattern += want;
			path += want;
			/* "/api" is no beginning of "/apis". */
			if (*path && *path != '/')
				break;
			continue;
		}
		bool rest = want > 6 && strncmp(pattern + want - 4, "...}", 4) == 0;
		size_t len = *path == '/' ? (rest ? strlen(path + 1) : strcspn(path + 1, "/")) : 0;

		if (!take(&p, pattern + 2, want - (rest ? 6 : 3), path + 1, len))
			break;
		pattern += want;
		path += 1 + len;
	}
	if (*pattern || *path) {
		http_params_release(&p);
		return false;
	}
	*ret = p;
	return true;
}
