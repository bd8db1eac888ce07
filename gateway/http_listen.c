/*
 * The address that is listened on: read, judged, opened. It stands alone as the
 * edge to sockets, and because who may be asked without tokens hangs on it.
 */
#include "gateway/http_listen.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netdb.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#define BACKLOG 4096

int http_listen_split(const char *address, char host[256], char port[8], struct err *e)
{
	const char *colon = strrchr(address, ':');
	const char *from = address, *to = colon;

	if (colon && *address == '[' && colon > address && colon[-1] == ']') {
		from = address + 1;
		to = colon - 1;
	}
	if (!colon || to - from > 255 || strlen(colon + 1) == 0 || strlen(colon + 1) > 5 ||
		strspn(colon + 1, "0123456789") != strlen(colon + 1) ||
		strtoul(colon + 1, NULL, 10) > 65535)
		return err_set(e, ERR_INVALID,
					   "http.listen: \"%s\" is no address such as 127.0.0.1:8080 or [::1]:8080",
					   address);
	snprintf(host, 256, "%.*s", (int)(to - from), from);
	snprintf(port, 8, "%s", colon + 1);
	return 0;
}

/* Returns owned (freeaddrinfo). */
static int look_up(const char *address, struct addrinfo **ret, struct err *e)
{
	const struct addrinfo hints = {.ai_flags = AI_PASSIVE, .ai_socktype = SOCK_STREAM};
	char host[256], port[8];
	int rc;

	if (http_listen_split(address, host, port, e))
		return e->code;
	rc = getaddrinfo(*host ? host : NULL, port, &hints, ret);
	return rc ? err_set(e, ERR_INVALID, "http.listen: %s: %s", address, gai_strerror(rc)) : 0;
}

static bool is_loopback(const struct sockaddr *a)
{
	const struct in6_addr *six = &((const struct sockaddr_in6 *)(const void *)a)->sin6_addr;

	if (a->sa_family == AF_INET)
		return ntohl(((const struct sockaddr_in *)(const void *)a)->sin_addr.s_addr) >> 24 == 127;
	return a->sa_family == AF_INET6 &&
		   (IN6_IS_ADDR_LOOPBACK(six) || (IN6_IS_ADDR_V4MAPPED(six) && six->s6_addr[12] == 127));
}

int http_listen_is_loopback(const char *address, bool *ret, struct err *e)
{
	struct addrinfo *found;

	if (look_up(address, &found, e))
		return e->code;
	*ret = true;
	for (const struct addrinfo *a = found; a; a = a->ai_next)
		*ret = *ret && is_loopback(a->ai_addr);
	freeaddrinfo(found);
	return 0;
}

int http_listen(const char *address, int *ret_fd, char **ret_where, struct err *e)
{
	struct addrinfo *found;
	int on = 1, fd;

	if (look_up(address, &found, e))
		return e->code;
	fd = socket(found->ai_family, SOCK_STREAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (fd < 0 || setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) ||
		bind(fd, found->ai_addr, found->ai_addrlen) || listen(fd, BACKLOG)) {
		int why = errno;

		freeaddrinfo(found);
		if (fd >= 0)
			close(fd);
		return err_set(e, ERR_IO, "cannot listen on %s: %s%s", address, strerror(why),
					   why == EADDRINUSE ? "; another address: --http-listen ADDRESS:PORT" : "");
	}
	freeaddrinfo(found);

	struct sockaddr_storage is;
	socklen_t len = sizeof(is);
	char name[INET6_ADDRSTRLEN + 2] = "", number[8] = "";

	if (getsockname(fd, (struct sockaddr *)&is, &len) == 0)
		(void)getnameinfo((struct sockaddr *)&is, len, name, sizeof(name), number, sizeof(number),
						  NI_NUMERICHOST | NI_NUMERICSERV);
	*ret_where = xasprintf(strchr(name, ':') ? "[%s]:%s" : "%s:%s", name, number);
	*ret_fd = fd;
	return 0;
}
