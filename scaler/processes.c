/*
 * Starting, finding and following nodes. It stands alone because a child too
 * many, or one that nobody knows, is what a supervisor is judged by.
 *
 * Well: lock the directory, count the locks that live, make the node's file,
 * lock it, start the program with it as descriptor 3, watch the process by a
 * pidfd (which also tells of those that are not our children). Badly: a
 * program that cannot be executed leaves no file; a scaler that dies anywhere
 * leaves at most a file without a lock, which the next removes.
 */
#include "scaler/processes.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/file.h>
#include <sys/pidfd.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include <utlist.h>

#include "common/clock.h"
#include "common/log.h"
#include "common/proc.h"

struct processes {
	uv_loop_t *loop;
	struct processes_events events;
	struct process *list;
	char *nodes_dir, *log_dir, *lock_path;
};

/* ---- the directory ---- */

static int make_dir(const char *path, struct err *e)
{
	struct stat st;

	if (mkdir(path, 0700) && errno != EEXIST)
		return err_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	if (lstat(path, &st) || !S_ISDIR(st.st_mode) || st.st_uid != geteuid())
		return err_set(e, ERR_DENIED, "%s is no directory of ours; set scaler.dir", path);
	return 0;
}

/* Held while processes are counted and started. */
static int take_lock(const struct processes *ps, struct err *e)
{
	int fd = open(ps->lock_path, O_RDWR | O_CREAT | O_CLOEXEC, 0600);

	if (fd < 0 || flock(fd, LOCK_EX)) {
		err_set(e, ERR_IO, "cannot lock %s: %s", ps->lock_path, strerror(errno));
		if (fd >= 0)
			close(fd);
		return ERR_IO;
	}
	return fd;
}

/* Whether a process holds the file; then what it says of itself. */
static bool lives(const char *path, char pool[TOKEN_MAX + 1], pid_t *ret_pid)
{
	char text[TOKEN_MAX + 32] = "";
	int fd = open(path, O_RDONLY | O_CLOEXEC | O_NOFOLLOW);
	long pid = 0;

	if (fd < 0)
		return false;
	bool held = flock(fd, LOCK_SH | LOCK_NB) != 0 && errno == EWOULDBLOCK;
	ssize_t n = held ? read(fd, text, sizeof(text) - 1) : 0;
	close(fd);
	if (!held)
		return false;
	text[MAX_OF(n, 0)] = '\0';
	if (sscanf(text, "%64s %ld", pool, &pid) != 2)
		pid = 0; /* it is just being started */
	*ret_pid = (pid_t)pid;
	/* A program that the node left behind may hold the file still. */
	return pid == 0 || kill(*ret_pid, 0) == 0 || errno == EPERM;
}

/* ---- one process ---- */

static void on_closed(uv_handle_t *h)
{
	struct process *p = h->data;

	close(p->fd);
	free(p);
}

/* Unless the next leader has started another of that name. */
static void remove_file(const struct processes *ps, const char *path)
{
	char pool[TOKEN_MAX + 1];
	struct err e;
	pid_t pid;
	int lock = take_lock(ps, &e);

	if (lock < 0)
		return;
	if (!lives(path, pool, &pid))
		unlink(path);
	close(lock);
}

static void forget(struct process *p)
{
	DL_DELETE(p->all->list, p);
	uv_close((uv_handle_t *)&p->poll, on_closed);
}

/* A child of ours is reaped; of another's we know only that it is gone. */
static bool reap(const struct process *p, char *how, size_t size)
{
	int status;

	if (waitpid(p->pid, &status, WNOHANG) != p->pid) {
		snprintf(how, size, "%s", "");
		return p->expected;
	}
	proc_status_text(status, how, size);
	return WIFEXITED(status) && WEXITSTATUS(status) == 0;
}

static void on_ended(uv_poll_t *h, int status, int events)
{
	struct process *p = h->data;
	struct processes *ps = p->all;
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", ps->nodes_dir, p->node);
	char how[64];

	(void)status;
	(void)events;
	bool well = reap(p, how, sizeof(how));
	remove_file(ps, path);
	DL_DELETE(ps->list, p);
	ps->events.on_end(ps->events.data, p, how, well);
	uv_close((uv_handle_t *)h, on_closed);
}

static int follow(struct processes *ps, const char *node, const char *pool, pid_t pid, bool adopted,
				  struct process **ret, struct err *e)
{
	int fd = pidfd_open(pid, 0);

	if (fd < 0)
		return err_set(e, ERR_IO, "cannot follow process %d: %s", (int)pid, strerror(errno));
	struct process *p = xcalloc(1, sizeof(*p));
	p->all = ps;
	p->pid = pid;
	p->fd = fd;
	p->adopted = adopted;
	p->since_ms = clock_mono_ms();
	snprintf(p->node, sizeof(p->node), "%s", node);
	snprintf(p->pool, sizeof(p->pool), "%s", pool);
	uv_poll_init(ps->loop, &p->poll, fd);
	p->poll.data = p;
	uv_poll_start(&p->poll, UV_READABLE, on_ended);
	DL_APPEND(ps->list, p);
	*ret = p;
	return 0;
}

/* ---- finding them ---- */

static struct process *find(const struct processes *ps, const char *node)
{
	struct process *p;

	DL_FOREACH (ps->list, p) {
		if (str_eq(p->node, node))
			return p;
	}
	return NULL;
}

int processes_adopt(struct processes *ps, void (*on_adopted)(void *data, const struct process *p),
					void *data, struct err *e)
{
	int lock = take_lock(ps, e), adopted = 0;
	DIR *dir = lock < 0 ? NULL : opendir(ps->nodes_dir);
	struct dirent *entry;

	while (dir && (entry = readdir(dir))) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", ps->nodes_dir, entry->d_name);
		char pool[TOKEN_MAX + 1] = "";
		struct process *p;
		struct err why;
		pid_t pid = 0;

		if (!token_ok(entry->d_name, strlen(entry->d_name)) || find(ps, entry->d_name))
			continue;
		if (!lives(path, pool, &pid)) {
			unlink(path);
			continue;
		}
		if (pid <= 1 || follow(ps, entry->d_name, pool, pid, true, &p, &why))
			continue;
		adopted++;
		if (on_adopted)
			on_adopted(data, p);
	}
	if (dir)
		closedir(dir);
	if (lock < 0)
		return e->code;
	close(lock);
	return adopted;
}

/* How many live by their files: another scaler of this machine may have started some. */
static void count_living(const struct processes *ps, const char *pool, unsigned *ret_pool,
						 unsigned *ret_all)
{
	DIR *dir = opendir(ps->nodes_dir);
	struct dirent *entry;

	*ret_pool = *ret_all = 0;
	while (dir && (entry = readdir(dir))) {
		CLEANUP(free_ptr) char *path = xasprintf("%s/%s", ps->nodes_dir, entry->d_name);
		char of[TOKEN_MAX + 1] = "";
		pid_t pid;

		if (!token_ok(entry->d_name, strlen(entry->d_name)) || !lives(path, of, &pid))
			continue;
		*ret_all += 1;
		*ret_pool += str_eq(of, pool);
	}
	if (dir)
		closedir(dir);
}

/* ---- starting one ---- */

/* The node's file, made and locked by us; the child inherits file and lock. */
static int make_file(const char *path, const char *pool, struct err *e)
{
	int fd = open(path, O_RDWR | O_CREAT | O_CLOEXEC | O_NOFOLLOW, 0600);

	if (fd < 0)
		return err_set(e, ERR_IO, "cannot make %s: %s", path, strerror(errno));
	if (flock(fd, LOCK_EX | LOCK_NB)) {
		err_set(e, ERR_EXISTS, "it runs already");
	} else if (ftruncate(fd, 0) || dprintf(fd, "%s ", pool) < 0) {
		err_set(e, ERR_IO, "cannot write %s: %s", path, strerror(errno));
	} else {
		return fd;
	}
	close(fd);
	return e->code;
}

static int start_locked(struct processes *ps, const char *pool, const char *node,
						const char *const *argv, const char *const *env, bool tied, struct err *e)
{
	CLEANUP(free_ptr) char *path = xasprintf("%s/%s", ps->nodes_dir, node);
	CLEANUP(free_ptr) char *log_path = xasprintf("%s/%s.log", ps->log_dir, node);
	struct process *p;
	pid_t pid;
	int fd = make_file(path, pool, e);

	if (fd < 0)
		return e->code;
	struct proc_spec spec = {.argv = argv,
							 .env = env,
							 .log_path = log_path,
							 .death_signal = tied ? SIGTERM : 0,
							 .keep_env = true,
							 .lock_fd = fd};
	int rc = proc_spawn(&spec, &pid, e);
	close(fd);
	if (rc) {
		unlink(path);
		return rc;
	}
	rc = follow(ps, node, pool, pid, false, &p, e);
	if (rc) {
		/* Nobody could follow it. It has not begun anything yet, and ends at once: the loop does not wait. */
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
		unlink(path);
	}
	return rc;
}

int processes_start(struct processes *ps, const char *pool, const char *node,
					const char *const *argv, const char *const *env, bool tied, unsigned pool_max,
					unsigned max, struct err *e)
{
	unsigned of_pool, all;
	int lock = take_lock(ps, e), rc;

	if (lock < 0)
		return e->code;
	count_living(ps, pool, &of_pool, &all);
	if (of_pool >= pool_max)
		rc = err_set(e, ERR_FULL, "%u nodes of pool %s run, and %u are the most", of_pool, pool, pool_max);
	else if (all >= max)
		rc = err_set(e, ERR_FULL, "%u nodes run, and %u are the most (nodes.max)", all, max);
	else
		rc = start_locked(ps, pool, node, argv, env, tied, e);
	close(lock);
	return rc;
}

/* ---- life ---- */

int processes_open(uv_loop_t *loop, const char *dir, const struct processes_events *ev,
				   struct processes **ret, struct err *e)
{
	struct processes *ps = xcalloc(1, sizeof(*ps));

	ps->loop = loop;
	ps->events = *ev;
	ps->nodes_dir = xasprintf("%s/nodes", dir);
	ps->log_dir = xasprintf("%s/log", dir);
	ps->lock_path = xasprintf("%s/lock", dir);
	if (make_dir(dir, e) || make_dir(ps->nodes_dir, e) || make_dir(ps->log_dir, e)) {
		processes_close(&ps);
		return e->code;
	}
	*ret = ps;
	return 0;
}

const struct process *processes_find(const struct processes *ps, const char *node)
{
	return find(ps, node);
}

const struct process *processes_first(const struct processes *ps)
{
	return ps->list;
}

unsigned processes_count(const struct processes *ps, const char *pool)
{
	const struct process *p;
	unsigned n = 0;

	DL_FOREACH (ps->list, p)
		n += !pool || str_eq(p->pool, pool);
	return n;
}

void processes_signal(struct processes *ps, const char *node, int sig)
{
	struct process *p = find(ps, node);

	if (!p)
		return;
	p->expected = true;
	if (sig == SIGTERM && p->terminated)
		return;
	p->terminated = p->terminated || sig == SIGTERM;
	if (sig && pidfd_send_signal(p->fd, sig, NULL, 0))
		log_debug("signal not sent", LOG_S("node", node), LOG_S("why", strerror(errno)));
}

void processes_close(struct processes **pps)
{
	struct processes *ps = TAKE(*pps);
	struct process *p, *tmp;

	if (!ps)
		return;
	DL_FOREACH_SAFE (ps->list, p, tmp)
		forget(p);
	free(ps->nodes_dir);
	free(ps->log_dir);
	free(ps->lock_path);
	free(ps);
}
