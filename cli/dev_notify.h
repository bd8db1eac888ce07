/*
 * The socket on which children say "ready" (the protocol of systemd's
 * NOTIFY_SOCKET) and `millrace dev stop NAME` speaks to the supervisor. An
 * abstract address: no path that could be too long or be left behind. The
 * kernel tells who sent what.
 */
#pragma once

#include <sys/types.h>

#include "common/err.h"

#define NOTIFY_NAME_MAX 64
#define NOTIFY_TEXT_MAX 512

struct notify {
	int fd;
	char name[NOTIFY_NAME_MAX]; /* "@millrace-…": the value for NOTIFY_SOCKET */
};

MUST_CHECK int notify_open(struct notify *n, struct err *e);
void notify_close(struct notify *n);

/* One datagram that waits: true, with its text (NUL-terminated) and its sender. Never blocks. */
bool notify_receive(struct notify *n, char text[NOTIFY_TEXT_MAX], pid_t *ret_pid, uid_t *ret_uid);

/* Sends text to the socket of that name ("@…" or a path). */
MUST_CHECK int notify_send(const char *name, const char *text, struct err *e);
