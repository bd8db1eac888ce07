/* Unix datagrams with credentials; see the header. A datagram without credentials is dropped. */
#include "cli/dev_notify.h"

#include <errno.h>
#include <stdio.h>
#include <sys/random.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

static int make_address(const char *name, struct sockaddr_un *ret, socklen_t *ret_len)
{
	size_t len = strlen(name);

	memset(ret, 0, sizeof(*ret));
	ret->sun_family = AF_UNIX;
	if (len == 0 || len >= sizeof(ret->sun_path))
		return ERR_INVALID;
	memcpy(ret->sun_path, name, len);
	if (name[0] == '@')
		ret->sun_path[0] = '\0';
	*ret_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	return 0;
}

int notify_open(struct notify *n, struct err *e)
{
	struct sockaddr_un address;
	socklen_t len = 0;
	uint64_t salt = 0;
	int on = 1;

	if (getrandom(&salt, sizeof(salt), 0) != sizeof(salt))
		return err_set(e, ERR_IO, "no random bytes: %s", strerror(errno));
	snprintf(n->name, sizeof(n->name), "@millrace-dev-%d-%016llx", (int)getpid(),
	         (unsigned long long)salt);
	n->fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC | SOCK_NONBLOCK, 0);
	if (n->fd < 0)
		return err_set(e, ERR_IO, "cannot make a notification socket: %s", strerror(errno));
	if (make_address(n->name, &address, &len) != 0 ||
	    setsockopt(n->fd, SOL_SOCKET, SO_PASSCRED, &on, sizeof(on)) != 0 ||
	    bind(n->fd, (const struct sockaddr *)&address, len) != 0) {
		err_set(e, ERR_IO, "cannot bind a notification socket: %s", strerror(errno));
		notify_close(n);
		return ERR_IO;
	}
	return 0;
}

void notify_close(struct notify *n)
{
	if (n->fd >= 0)
		close(n->fd);
	n->fd = -1;
}

bool notify_receive(struct notify *n, char text[NOTIFY_TEXT_MAX], pid_t *ret_pid, uid_t *ret_uid)
{
	for (;;) {
		union {
			struct cmsghdr align;
			char bytes[CMSG_SPACE(sizeof(struct ucred))];
		} control;
		struct iovec part = {.iov_base = text, .iov_len = NOTIFY_TEXT_MAX - 1};
		struct msghdr m = {.msg_iov = &part,
		                   .msg_iovlen = 1,
		                   .msg_control = &control,
		                   .msg_controllen = sizeof(control)};
		ssize_t got = recvmsg(n->fd, &m, MSG_CMSG_CLOEXEC);

		if (got < 0 && errno == EINTR)
			continue;
		if (got < 0)
			return false;
		text[got] = '\0';
		for (struct cmsghdr *c = CMSG_FIRSTHDR(&m); c; c = CMSG_NXTHDR(&m, c)) {
			struct ucred who;

			if (c->cmsg_level != SOL_SOCKET || c->cmsg_type != SCM_CREDENTIALS)
				continue;
			memcpy(&who, CMSG_DATA(c), sizeof(who));
			*ret_pid = who.pid;
			*ret_uid = who.uid;
			return true;
		}
	}
}

int notify_send(const char *name, const char *text, struct err *e)
{
	struct sockaddr_un address;
	socklen_t len = 0;
	ssize_t sent;
	int fd;

	if (make_address(name, &address, &len) != 0)
		return err_set(e, ERR_INVALID, "'%s' is no socket address", name);
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return err_set(e, ERR_IO, "no socket: %s", strerror(errno));
	sent = sendto(fd, text, strlen(text), MSG_NOSIGNAL, (const struct sockaddr *)&address, len);
	close(fd);
	if (sent < 0)
		return err_set(e, ERR_UNREACHABLE, "cannot reach %s: %s", name, strerror(errno));
	return 0;
}
