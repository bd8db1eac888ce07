/*
 * Finds a nats-server and writes what it is started with. The limits come
 * from the embedded server.conf, as in production; addresses, ports and the
 * store's directory are flags, which override the file.
 *
 * Fails: no server anywhere (says where they come from), a directory that
 * cannot be written.
 */
#include "cli/dev_broker.h"

#include <arpa/inet.h>
#include <errno.h>
#include <fcntl.h>
#include <netinet/in.h>
#include <poll.h>
#include <stdarg.h>
#include <stdio.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "broker-config/declared.h"
#include "cli/dev_files.h"

bool broker_version_parse(const char *text, struct broker_version *ret)
{
	const char *v = strstr(text, ": v");
	struct broker_version got;

	if (!v || sscanf(v, ": v%d.%d.%d", &got.major, &got.minor, &got.patch) != 3)
		return false;
	*ret = got;
	return true;
}

bool broker_version_current(struct broker_version v)
{
	return v.major > 2 || (v.major == 2 && v.minor >= 10);
}

static bool ask_version(const char *program, struct broker_version *ret)
{
	/* popen would be a shell; the path may hold anything. */
	char text[256];
	int fds[2];
	ssize_t n;
	pid_t pid;

	if (access(program, X_OK) != 0 || pipe2(fds, O_CLOEXEC) != 0)
		return false;
	pid = fork();
	if (pid == 0) {
		dup2(fds[1], 1);
		execl(program, program, "--version", (char *)NULL);
		_exit(127);
	}
	close(fds[1]);
	n = pid > 0 ? read(fds[0], text, sizeof(text) - 1) : -1;
	close(fds[0]);
	if (pid > 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
	}
	if (n <= 0)
		return false;
	text[n] = '\0';
	return broker_version_parse(text, ret);
}

/* Takes program as *best where it is one, and current or the first. Returns whether the search is over. */
static bool consider(char *program, struct broker *best)
{
	struct broker_version v;

	if (!ask_version(program, &v) || (best->program && !broker_version_current(v))) {
		free(program);
		return false;
	}
	free(best->program);
	best->program = program;
	best->version = v;
	return broker_version_current(v);
}

int broker_find(const char *dir, struct broker *ret, struct err *e)
{
	const char *told = getenv("MILLRACE_DEV_NATS_SERVER");
	const char *path = getenv("PATH");
	struct broker best = {0};

	if (told && *told) {
		if (!ask_version(told, &best.version))
			return err_set(e, ERR_NOT_FOUND, "MILLRACE_DEV_NATS_SERVER: %s is no nats-server", told);
		best.program = xstrdup(told);
		*ret = best;
		return 0;
	}
	if (consider(xasprintf("%s/bin/nats-server", dir), &best) ||
	    consider(xstrdup(".run/bin/nats-server"), &best))
		goto found;
	while (path && *path) {
		size_t len = strcspn(path, ":");

		if (len > 0 && consider(xasprintf("%.*s/nats-server", (int)len, path), &best))
			goto found;
		path += len + (path[len] == ':');
	}
	if (consider(xstrdup("/usr/sbin/nats-server"), &best) || best.program)
		goto found;
	return err_set(e, ERR_NOT_FOUND,
	               "no nats-server in %s/bin or on PATH (Debian: apt-get install nats-server; a current one: "
	               "deploy/deps.sh run)",
	               dir);
found:
	*ret = best;
	return 0;
}

void broker_release(struct broker *b)
{
	free(b->program);
	*b = (struct broker){0};
}

int broker_prepare(const struct broker *b, const char *dir, const struct dev_ports *ports,
                   char ***ret_argv, struct err *e)
{
	const struct declared *conf = declared_find("server.conf");
	CLEANUP(free_ptr) char *home = xasprintf("%s/nats", dir);
	CLEANUP(free_ptr) char *conf_path = xasprintf("%s/server.conf", home);
	CLEANUP(free_ptr) char *store = xasprintf("%s/data", home);
	CLEANUP(free_ptr) char *port = xasprintf("%d", ports->nats);
	CLEANUP(free_ptr) char *monitor = xasprintf("%d", ports->nats_monitor);

	if (mkdir(home, 0700) != 0 && errno != EEXIST)
		return err_set(e, ERR_IO, "cannot make %s: %s", home, strerror(errno));
	if (!conf)
		return err_set(e, ERR_FAILED, "this binary has no server.conf embedded");
	if (files_write(conf_path, conf->text, conf->len, 0644, e) != 0)
		return e->code;
	*ret_argv = argv_make(b->program, "--config", conf_path, "--addr", "127.0.0.1", "--port", port,
	                      "--http_port", monitor, "--jetstream", "--store_dir", store, NULL);
	return 0;
}

bool broker_answers(int port)
{
	struct sockaddr_in a = {.sin_family = AF_INET, .sin_port = htons((uint16_t)port)};
	int fd = socket(AF_INET, SOCK_STREAM | SOCK_CLOEXEC, 0);
	struct pollfd wait = {.fd = fd, .events = POLLIN};
	char text[5] = "";
	bool ok;

	if (fd < 0)
		return false;
	a.sin_addr.s_addr = htonl(INADDR_LOOPBACK);
	ok = connect(fd, (const struct sockaddr *)&a, sizeof(a)) == 0 && poll(&wait, 1, 100) == 1 &&
	     recv(fd, text, sizeof(text), 0) == (ssize_t)sizeof(text) &&
	     memcmp(text, "INFO ", sizeof(text)) == 0;
	close(fd);
	return ok;
}

void argv_add(char ***argv, const char *word)
{
	size_t n = 0;

	while (*argv && (*argv)[n])
		n++;
	*argv = xreallocarray(*argv, n + 2, sizeof(char *));
	(*argv)[n] = xstrdup(word);
	(*argv)[n + 1] = NULL;
}

char **argv_make(const char *first, ...)
{
	char **argv = NULL;
	va_list ap;

	va_start(ap, first);
	for (const char *word = first; word; word = va_arg(ap, const char *))
		argv_add(&argv, word);
	va_end(ap);
	return argv;
}

void argv_free(char ***argv)
{
	for (size_t i = 0; *argv && (*argv)[i]; i++)
		free((*argv)[i]);
	free(*argv);
	*argv = NULL;
}
