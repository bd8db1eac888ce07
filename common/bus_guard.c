/*
 * A thread of its own, as what it watches blocks all others: it sleeps while
 * every connection is up, else looks four times a second at the process's sockets.
 * It never calls the library, whose locks may be held by who is to be freed.
 *
 * Well: connections come up within milliseconds and it never looks. Badly: a
 * socket is found silent and ended. Without the memory or the right for a
 * thread all is as it was without a guard.
 */
#include "common/bus_guard.h"

#include <arpa/inet.h>
#include <errno.h>
#include <netinet/in.h>
#include <netinet/tcp.h>
#include <pthread.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <utlist.h>

#include "common/base.h"
#include "common/log.h"

#define LOOK_MS 250
#define PORTS_MAX 64
#define FDS_MAX 4096
#define NATS_PORT 4222
#define NO_PORT (-1)

static struct {
	pthread_mutex_t lock;
	pthread_cond_t changed;
	struct bus_guarded *all;
	int ports[PORTS_MAX];
	size_t nports;
	bool running;
} guard = {.lock = PTHREAD_MUTEX_INITIALIZER, .changed = PTHREAD_COND_INITIALIZER};

/* ---- a socket ---- */

static int port_of(const struct sockaddr_storage *a)
{
	if (a->ss_family == AF_INET)
		return ntohs(((const struct sockaddr_in *)a)->sin_port);
	if (a->ss_family == AF_INET6)
		return ntohs(((const struct sockaddr_in6 *)a)->sin6_port);
	return 0;
}

static bool of_server(int port)
{
	for (size_t i = 0; i < guard.nports; i++) {
		if (guard.ports[i] == port)
			return true;
	}
	return false;
}

static bool of_one_that_is_up(int port)
{
	struct bus_guarded *g;

	DL_FOREACH (guard.all, g) {
		if (g->up && g->local_port == port)
			return true;
	}
	return false;
}

static void look_at(int fd)
{
	struct sockaddr_storage peer = {0}, own = {0};
	socklen_t peer_len = sizeof(peer), own_len = sizeof(own);
	struct tcp_info info = {0};
	socklen_t info_len = sizeof(info);

	if (getpeername(fd, (struct sockaddr *)&peer, &peer_len) != 0 || !of_server(port_of(&peer)) ||
		getsockname(fd, (struct sockaddr *)&own, &own_len) != 0 ||
		of_one_that_is_up(port_of(&own)) ||
		getsockopt(fd, IPPROTO_TCP, TCP_INFO, &info, &info_len) != 0 ||
		info.tcpi_last_data_recv < BUS_GUARD_SILENCE_MS)
		return;
	if (shutdown(fd, SHUT_RDWR) == 0)
		log_info("the broker does not answer a login; connecting anew",
				 LOG_I("port", port_of(&peer)), LOG_I("silent_ms", info.tcpi_last_data_recv));
}

/* ---- the thread ---- */

static bool all_up(void)
{
	struct bus_guarded *g;

	DL_FOREACH (guard.all, g) {
		if (!g->up)
			return false;
	}
	return true;
}

static void look(void)
{
	struct rlimit limit = {0};

	(void)getrlimit(RLIMIT_NOFILE, &limit);
	for (int fd = 3; fd < (int)MIN_OF(limit.rlim_cur, (rlim_t)FDS_MAX); fd++)
		look_at(fd);
}

static void *watch(void *unused)
{
	pthread_mutex_lock(&guard.lock);
	while (guard.all) {
		struct timespec until;
		if (all_up()) {
			pthread_cond_wait(&guard.changed, &guard.lock);
			continue;
		}
		clock_gettime(CLOCK_MONOTONIC, &until);
		until.tv_nsec += LOOK_MS * 1000000L;
		until.tv_sec += until.tv_nsec / 1000000000L;
		until.tv_nsec %= 1000000000L;
		if (pthread_cond_clockwait(&guard.changed, &guard.lock, CLOCK_MONOTONIC, &until) == ETIMEDOUT)
			look();
	}
	guard.running = false;
	pthread_mutex_unlock(&guard.lock);
	return unused;
}

static void start(void)
{
	pthread_attr_t detached;
	sigset_t all, before;
	pthread_t thread;

	if (guard.running || pthread_attr_init(&detached) != 0)
		return;
	/* Signals are the loop's. */
	sigfillset(&all);
	pthread_sigmask(SIG_SETMASK, &all, &before);
	pthread_attr_setdetachstate(&detached, PTHREAD_CREATE_DETACHED);
	guard.running = pthread_create(&thread, &detached, watch, NULL) == 0;
	pthread_attr_destroy(&detached);
	pthread_sigmask(SIG_SETMASK, &before, NULL);
}

/* ---- what is known ---- */

static void learn(const char *url)
{
	const char *host = strstr(url, "://"), *colon = NULL;

	host = host ? host + 3 : url;
	for (const char *p = host; *p && *p != '/'; p++) {
		if (*p == '@') /* user and password before it */
			colon = NULL;
		else if (*p == ':')
			colon = p;
		else if (*p == ']') /* of an IPv6 address */
			colon = NULL;
	}
	int port = colon ? (int)strtol(colon + 1, NULL, 10) : NATS_PORT;
	if (port > 0 && guard.nports < PORTS_MAX && !of_server(port))
		guard.ports[guard.nports++] = port;
}

void bus_guard_learn(const char *url)
{
	pthread_mutex_lock(&guard.lock);
	learn(url);
	pthread_mutex_unlock(&guard.lock);
}

static void set(struct bus_guarded *g, natsConnection *nc, int local_port)
{
	g->nc = nc;
	g->up = local_port != 0;
	g->local_port = local_port;
	if (!g->listed)
		DL_APPEND(guard.all, g);
	g->listed = true;
	start();
	pthread_cond_broadcast(&guard.changed);
}

static void drop(struct bus_guarded *g)
{
	if (g->listed)
		DL_DELETE(guard.all, g);
	g->listed = false;
	pthread_cond_broadcast(&guard.changed);
}

void bus_guard_connecting(struct bus_guarded *g)
{
	pthread_mutex_lock(&guard.lock);
	set(g, NULL, 0);
	pthread_mutex_unlock(&guard.lock);
}

void bus_guard_down(struct bus_guarded *g, const natsConnection *nc)
{
	pthread_mutex_lock(&guard.lock);
	if (g->listed && g->nc == nc)
		set(g, g->nc, 0);
	pthread_mutex_unlock(&guard.lock);
}

void bus_guard_up(struct bus_guarded *g, natsConnection *nc)
{
	char *ip = NULL, **servers = NULL;
	int port = 0, n = 0;

	/*
	 * All questions to the library first: they wait for a connection that was lost again and hangs in
	 * its next login, which the guard ends only as long as it is not taken for up.
	 */
	if (natsConnection_GetServers(nc, &servers, &n) != NATS_OK)
		n = 0;
	for (int i = 0; i < n; i++) {
		bus_guard_learn(servers[i]);
		free(servers[i]);
	}
	free(servers);
	/* What is up without telling its port is taken for up: better unguarded than ended for nothing. */
	if (natsConnection_GetLocalIPAndPort(nc, &ip, &port) != NATS_OK)
		port = natsConnection_Status(nc) == NATS_CONN_STATUS_CONNECTED ? NO_PORT : 0;
	free(ip);
	pthread_mutex_lock(&guard.lock);
	set(g, nc, port);
	pthread_mutex_unlock(&guard.lock);
}

void bus_guard_closed(struct bus_guarded *g, const natsConnection *nc)
{
	pthread_mutex_lock(&guard.lock);
	if (g->nc == nc)
		drop(g);
	pthread_mutex_unlock(&guard.lock);
}

void bus_guard_leave(struct bus_guarded *g)
{
	pthread_mutex_lock(&guard.lock);
	drop(g);
	pthread_mutex_unlock(&guard.lock);
}
