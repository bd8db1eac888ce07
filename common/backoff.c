/*
 * How a backoff is written. It stands alone because who submits a task checks
 * it by the same letters as the router that follows it: what one lets pass and
 * the other can't read would be a dead letter.
 */
#include "common/backoff.h"

#define FACTOR_MAX 100.0

int backoff_factor_parse(const char *text, double *ret, struct err *e)
{
	char *end;
	double v = strtod(text, &end);

	if (end == text || *end || !(v >= 1.0 && v <= FACTOR_MAX))
		return err_set(e, ERR_INVALID, "\"%.20s\" is no factor; a number from 1 to %.0f is one",
					   text, FACTOR_MAX);
	*ret = v;
	return 0;
}

int backoff_parse(const char *text, struct retry_rule *rule, struct err *e)
{
	struct retry_rule r = *rule;
	char parts[3][32];
	unsigned n = 0;

	for (const char *p = text;; n++) {
		size_t len = strcspn(p, ",");
		if (n == ARRAY_LEN(parts) || len >= sizeof(parts[0]))
			return err_set(e, ERR_INVALID,
						   "a backoff is BASE[,FACTOR[,MAX]], such as \"1s\" or \"1s,2,60s\"");
		p += strspn(p, " ");
		len = strcspn(p, ",");
		while (len > 0 && p[len - 1] == ' ')
			len--;
		memcpy(parts[n], p, MIN_OF(len, sizeof(parts[0]) - 1));
		parts[n][MIN_OF(len, sizeof(parts[0]) - 1)] = '\0';
		p += strcspn(p, ",");
		if (!*p) {
			n++;
			break;
		}
		p++;
	}
	if (duration_parse(parts[0], &r.base_ns, e))
		return ERR_INVALID;
	if (n > 1 && backoff_factor_parse(parts[1], &r.factor, e))
		return ERR_INVALID;
	if (n > 2 && duration_parse(parts[2], &r.max_ns, e))
		return ERR_INVALID;
	if (n < 3)
		r.max_ns = MAX_OF(r.max_ns, r.base_ns);
	*rule = r;
	return 0;
}
