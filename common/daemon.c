/*
 * What a long-running program is beside its purpose: a loop, two signals and
 * an end. It stands alone so that every component stops in the same way.
 *
 * Well: init, ready, run; SIGTERM calls on_stop, which drains and calls
 * daemon_stopped; run returns 0. Badly: the drain takes longer than
 * drain.timeout and run returns 1; or a second signal ends the process on the
 * spot. Both lose nothing, as what was not acked comes back from the broker.
 */
#include "common/daemon.h"

#include <errno.h>
#include <signal.h>
#include <sys/socket.h>
#include <sys/un.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/log.h"

/* Tells systemd by its datagram protocol; where there is none to tell, nothing happens. */
static void notify(const char *state)
{
	const char *path = getenv("NOTIFY_SOCKET");
	struct sockaddr_un to = {.sun_family = AF_UNIX};
	if (!path || (path[0] != '/' && path[0] != '@') || strlen(path) >= sizeof(to.sun_path))
		return;
	size_t len = strlen(path);
	memcpy(to.sun_path, path, len);
	if (path[0] == '@')
		to.sun_path[0] = '\0'; /* an abstract address has no file */
	int fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return;
	socklen_t to_len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + len);
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&to, to_len) < 0)
		log_debug("systemd not told", LOG_S("why", strerror(errno)));
	close(fd);
}

static void on_deadline(uv_timer_t *t)
{
	struct daemon *d = t->data;
	if (d->stopped)
		return;
	log_warn("drain cut short; what is not acked will be delivered again",
			 LOG_I("after_ms", d->drain_timeout_ms));
	d->exit_code = 1;
	daemon_stopped(d);
}

static void on_signal(uv_signal_t *s, int signum)
{
	struct daemon *d = s->data;
	const char *name = signum == SIGTERM ? "SIGTERM" : "SIGINT";
	if (d->stopping) {
		log_warn("second signal; ending at once", LOG_S("signal", name));
		_exit(128 + signum);
	}
	log_info("signal", LOG_S("signal", name));
	daemon_stop(d);
}

static int set_up_log(const char *name, const struct daemon_config *c, struct err *e)
{
	enum log_level level = LOG_INFO;
	if (c->log_level && !log_level_parse(c->log_level, &level))
		return err_set(e, ERR_INVALID, "log.level: \"%.40s\" is none of debug, info, warn, error",
					   c->log_level);
	bool as_json = c->log_format && str_eq(c->log_format, "json");
	if (c->log_format && !as_json && !str_eq(c->log_format, "text"))
		return err_set(e, ERR_INVALID, "log.format: \"%.40s\" is neither text nor json",
					   c->log_format);
	log_init(name);
	log_set_level(level);
	log_set_json(as_json);
	return 0;
}

int daemon_init(struct daemon *d, const char *name, const struct daemon_config *c,
				void (*on_stop)(void *data), void *data, struct err *e)
{
	if (set_up_log(name, c, e))
		return ERR_INVALID;
	signal(SIGPIPE, SIG_IGN);
	memset(d, 0, sizeof(*d));
	d->name = name;
	d->on_stop = on_stop;
	d->data = data;
	d->drain_timeout_ms = c->drain_timeout_ns / NS_PER_MS;
	int rc = uv_loop_init(&d->loop);
	if (rc)
		return err_set(e, ERR_FAILED, "cannot make the event loop: %s", uv_strerror(rc));
	/* These cannot fail once the loop is there. */
	uv_timer_init(&d->loop, &d->deadline);
	uv_signal_init(&d->loop, &d->term);
	uv_signal_init(&d->loop, &d->intr);
	d->deadline.data = d->term.data = d->intr.data = d;
	rc = uv_signal_start(&d->term, on_signal, SIGTERM);
	if (!rc)
		rc = uv_signal_start(&d->intr, on_signal, SIGINT);
	if (rc) {
		daemon_release(d);
		return err_set(e, ERR_FAILED, "cannot take signals: %s", uv_strerror(rc));
	}
	return 0;
}

void daemon_ready(struct daemon *d)
{
	if (d->ready)
		return;
	d->ready = true;
	log_info("ready", LOG_S("version", MILLRACE_VERSION), LOG_I("pid", getpid()));
	notify("READY=1");
}

void daemon_stop(struct daemon *d)
{
	if (d->stopping)
		return;
	d->stopping = true;
	log_info("stopping", LOG_I("drain_timeout_ms", d->drain_timeout_ms));
	notify("STOPPING=1");
	uv_update_time(&d->loop);
	uv_timer_start(&d->deadline, on_deadline, (uint64_t)d->drain_timeout_ms, 0);
	if (d->on_stop)
		d->on_stop(d->data);
	else
		daemon_stopped(d);
}

void daemon_stopped(struct daemon *d)
{
	d->stopping = d->stopped = true;
	uv_timer_stop(&d->deadline);
	uv_stop(&d->loop);
}

int daemon_run(struct daemon *d)
{
	while (!d->stopped)
		uv_run(&d->loop, UV_RUN_DEFAULT);
	log_info("stopped", LOG_I("code", d->exit_code));
	return d->exit_code;
}

static void close_left(uv_handle_t *h, void *data)
{
	(void)data;
	if (uv_is_closing(h))
		return;
	log_debug("closing what is left on the loop", LOG_S("handle", uv_handle_type_name(h->type)));
	uv_close(h, NULL);
}

void daemon_release(struct daemon *d)
{
	uv_handle_t *own[] = {(uv_handle_t *)&d->term, (uv_handle_t *)&d->intr,
						  (uv_handle_t *)&d->deadline};
	for (size_t i = 0; i < ARRAY_LEN(own); i++) {
		if (!uv_is_closing(own[i]))
			uv_close(own[i], NULL);
	}
	uv_run(&d->loop, UV_RUN_NOWAIT); /* what others have closed ends */
	uv_walk(&d->loop, close_left, NULL);
	while (uv_loop_close(&d->loop) == UV_EBUSY)
		uv_run(&d->loop, UV_RUN_ONCE);
}
