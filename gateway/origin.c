/* Rules for names in Host and Origin. Pure. */
#include "gateway/origin.h"

#include <arpa/inet.h>
#include <stdio.h>
#include <strings.h>

#include "common/err.h"
#include "gateway/http_listen.h"

#define NAME_MAX_BYTES 255

/* The name of "name:port", "[::1]:port", without brackets and a last dot; false: it is none. */
static bool name_of(const char *host, char ret[NAME_MAX_BYTES + 1])
{
	const char *end;

	if (*host == '[') {
		end = strchr(++host, ']');
		if (!end || (end[1] && end[1] != ':'))
			return false;
	} else {
		end = host + strcspn(host, ":");
		if (strchr(*end ? end + 1 : end, ':'))
			return false;
	}
	if (end == host || end - host > NAME_MAX_BYTES)
		return false;
	snprintf(ret, NAME_MAX_BYTES + 1, "%.*s", (int)(end - host), host);
	if (ret[strlen(ret) - 1] == '.')
		ret[strlen(ret) - 1] = '\0';
	return true;
}

static bool loopback_name(const char *name)
{
	size_t len = strlen(name);
	struct in_addr four;
	struct in6_addr six;

	if (inet_pton(AF_INET, name, &four) == 1)
		return ntohl(four.s_addr) >> 24 == 127;
	if (inet_pton(AF_INET6, name, &six) == 1)
		return IN6_IS_ADDR_LOOPBACK(&six);
	return strcasecmp(name, "localhost") == 0 ||
		   (len > 10 && strcasecmp(name + len - 10, ".localhost") == 0);
}

static bool in_list(const char *what, const char *list)
{
	size_t len = strlen(what);

	for (const char *at = list ? list : ""; *at;) {
		size_t n;

		at += strspn(at, ", ");
		n = strcspn(at, ", ");
		if (n > 0 && n == len && strncasecmp(at, what, n) == 0)
			return true;
		at += n;
	}
	return false;
}

bool origin_host_is_loopback(const char *host)
{
	char name[NAME_MAX_BYTES + 1];

	return name_of(host, name) && loopback_name(name);
}

bool origin_host_ok(const char *host, const char *listen, const char *list)
{
	char name[NAME_MAX_BYTES + 1], mine[256], port[8];

	if (!name_of(host, name))
		return false;
	return loopback_name(name) || in_list(name, list) ||
		   (http_listen_split(listen, mine, port, NULL) == 0 && *mine &&
			strcasecmp(name, mine) == 0);
}

bool origin_is_host(const char *origin, const char *host)
{
	const char *rest = strncasecmp(origin, "http://", 7) == 0    ? origin + 7
					   : strncasecmp(origin, "https://", 8) == 0 ? origin + 8
																 : NULL;

	return rest && *rest && strcasecmp(rest, host) == 0;
}
