/*
 * A program's advice about the next try. It stands alone as the one place
 * that reads words of a stranger's stderr for more than quoting them, so it is
 * strict: the whole line must be the advice, or it is none.
 */
#include "node/handlers/retry_after.h"

#include <strings.h>

#include "common/clock.h"

#define WORD "Retry-After:"

bool retry_after_read(const char *line, int64_t *ret_ns, bool *ret_never)
{
	int64_t ns;
	const char *p = line;
	if (strncasecmp(p, WORD, sizeof(WORD) - 1) != 0)
		return false;
	p += sizeof(WORD) - 1;
	p += strspn(p, " ");
	if (strcasecmp(p, "never") == 0) {
		*ret_never = true;
		return true;
	}
	if (duration_parse(p, &ns, NULL) < 0)
		return false;
	*ret_ns = ns;
	return true;
}
