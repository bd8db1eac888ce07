/*
 * What every long-running program shares: the loop, signals, readiness,
 * an orderly end. The first SIGTERM or SIGINT asks on_stop to drain (it calls
 * daemon_stopped when done); a second one, or the drain's deadline, ends the
 * process at once: nothing that matters is only in memory.
 */
#pragma once

#include <uv.h>

#include "common/err.h"

struct daemon {
	uv_loop_t loop;
	const char *name;
	/* private: */
	void (*on_stop)(void *data);
	void *data;
	uv_signal_t term, intr;
	uv_timer_t deadline;
	int64_t drain_timeout_ms;
	int exit_code;
	bool ready, stopping, stopped;
};

struct daemon_config {
	char *log_level;
	char *log_format;        /* text | json */
	int64_t drain_timeout_ns;
};
/* Keys log.level (LOG_LEVEL), log.format, drain.timeout; member is a struct daemon_config of type. */
#define DAEMON_CONFIG_KEYS(type, member)                                                        \
	{"log.level", CONFIG_STRING, offsetof(type, member.log_level), "info",                      \
	 "debug, info, warn or error", "LOG_LEVEL"},                                                \
	{"log.format", CONFIG_STRING, offsetof(type, member.log_format), "text", "text or json"},   \
	{"drain.timeout", CONFIG_DURATION, offsetof(type, member.drain_timeout_ns), "30s",          \
	 "longest orderly end; then the process just ends"}

/* Sets up log, loop and signals (SIGPIPE ignored). on_stop may be NULL: then a signal just stops the loop. */
MUST_CHECK int daemon_init(struct daemon *d, const char *name, const struct daemon_config *c,
                           void (*on_stop)(void *data), void *data, struct err *e);
/* Logs "ready" and tells systemd (NOTIFY_SOCKET), once. */
void daemon_ready(struct daemon *d);
/* Asks for the end, as a signal would. */
void daemon_stop(struct daemon *d);
/* The drain is done: leaves daemon_run. */
void daemon_stopped(struct daemon *d);
/* Runs the loop until daemon_stopped. Returns the exit code: 0, or 1 where the deadline cut the drain. */
int daemon_run(struct daemon *d);
/* Closes what is left on the loop and frees it. */
void daemon_release(struct daemon *d);
