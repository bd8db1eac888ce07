/* Asks the kernel for free ports and keeps them in a file. A lost or damaged file means new ports, no error. */
#include "cli/dev_ports.h"

#include <arpa/inet.h>
#include <errno.h>
#include <jansson.h>
#include <netinet/in.h>
#include <stdio.h>
#include <sys/socket.h>
#include <unistd.h>

#include "cli/dev_files.h"

/* Binds 127.0.0.1:port (0: any). Returns the socket, or -1; the port goes to ret. */
static int bind_port(int port, int *ret)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	socklen_t len = sizeof(a);
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	int on = 1;

	if (fd < 0)
		return -1;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	/* As the servers do: a connection in TIME_WAIT does not hold the port. */
	if (setsockopt(fd, SOL_SOCKET, SO_REUSEADDR, &on, sizeof(on)) != 0 ||
	    bind(fd, (const struct sockaddr *)&a, sizeof(a)) != 0 || listen(fd, 1) != 0 ||
	    getsockname(fd, (struct sockaddr *)&a, &len) != 0) {
		int saved = errno;

		close(fd);
		errno = saved;
		return -1;
	}
	*ret = ntohs(a.sin_port);
	return fd;
}

static int save(const char *dir, const struct dev_ports *ports, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/ports.json", dir);
	CLEANUP(free_ptr)
	char *text = xasprintf("{\"nats\": %d, \"nats_monitor\": %d, \"postgres\": %d, \"http\": %d}\n",
	                       ports->nats, ports->nats_monitor, ports->postgres, ports->http);

	return files_write(path, text, strlen(text), 0644, e);
}

struct port_slot {
	const char *key;
	int *port;
};

/* The remembered one, else the one wished for, else any. */
static int hold(json_int_t remembered, int wish, int *ret)
{
	int fd = remembered > 0 && remembered < 65536 ? bind_port((int)remembered, ret) : -1;

	if (fd < 0 && wish > 0)
		fd = bind_port(wish, ret);
	return fd < 0 ? bind_port(0, ret) : fd;
}

int ports_load(const char *dir, int http_port, struct dev_ports *ret, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/ports.json", dir);
	struct dev_ports ports = {0};
	/* The one that may be wished for is first: nobody else shall get it. */
	const struct port_slot slot[] = {
		{"http", &ports.http},
		{"nats", &ports.nats},
		{"nats_monitor", &ports.nats_monitor},
		{"postgres", &ports.postgres},
	};
	json_t *file = json_load_file(path, JSON_REJECT_DUPLICATES, NULL);
	int held[ARRAY_LEN(slot)];
	bool changed = false;
	int rc = 0;

	/* All are held until the last is chosen, so that no two are the same. */
	for (size_t i = 0; i < ARRAY_LEN(slot); i++) {
		bool http = slot[i].port == &ports.http;
		json_int_t old = json_integer_value(json_object_get(file, slot[i].key));

		if (http && http_port > 0)
			held[i] = bind_port(http_port, slot[i].port);
		else
			held[i] = hold(old, http && http_port < 0 ? HTTP_PORT : 0, slot[i].port);
		changed = changed || *slot[i].port != old;
		if (held[i] >= 0 || rc != 0)
			continue;
		if (http && http_port > 0)
			rc = err_set(e, ERR_IO, "port %d on 127.0.0.1 can't be had: %s", http_port, strerror(errno));
		else
			rc = err_set(e, ERR_IO, "no free port on 127.0.0.1: %s", strerror(errno));
	}
	for (size_t i = 0; i < ARRAY_LEN(slot); i++) {
		if (held[i] >= 0)
			close(held[i]);
	}
	json_decref(file);
	if (rc == 0 && changed)
		rc = save(dir, &ports, e);
	if (rc == 0)
		*ret = ports;
	return rc;
}

int ports_replace(const char *dir, struct dev_ports *ports, int *which, struct err *e)
{
	int fd = bind_port(0, which);

	if (fd < 0)
		return err_set(e, ERR_IO, "no free port on 127.0.0.1: %s", strerror(errno));
	close(fd);
	return save(dir, ports, e);
}
