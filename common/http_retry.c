/*
 * When another try is worth it, as the other side says it. It stands alone
 * because handlers and benches read it, and a test holds it. A value that
 * cannot be read is none.
 */
#include "common/http_retry.h"

#include <stdio.h>
#include <time.h>

#include "common/clock.h"

#define AFTER_MAX_NS (INT64_C(86400) * NS_PER_S)

static int64_t date_ns(const char *value, int64_t now_wall_ns)
{
	/* RFC 9110: the form of today, and the two of old. */
	static const char *const forms[] = {"%a, %d %b %Y %H:%M:%S GMT", "%A, %d-%b-%y %H:%M:%S GMT",
										"%a %b %d %H:%M:%S %Y"};

	for (size_t i = 0; i < ARRAY_LEN(forms); i++) {
		struct tm tm = {0};
		const char *end = strptime(value, forms[i], &tm);
		if (end && *end == '\0') {
			int64_t at_s = (int64_t)timegm(&tm);
			return at_s > now_wall_ns / NS_PER_S && at_s < INT64_C(1) << 33
					   ? at_s * NS_PER_S - now_wall_ns
					   : 0;
		}
	}
	return 0;
}

int64_t http_retry_after_ns(const char *value, int64_t now_wall_ns)
{
	const char *p = value ? value + strspn(value, " \t") : "";
	size_t digits = strspn(p, "0123456789");
	int64_t ns;

	if (digits > 9)
		return AFTER_MAX_NS;
	if (digits > 0)
		ns = p[digits + strspn(p + digits, " \t")] ? 0 : strtoll(p, NULL, 10) * NS_PER_S;
	else
		ns = date_ns(p, now_wall_ns);
	return MIN_OF(ns, AFTER_MAX_NS);
}
