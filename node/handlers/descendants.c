/*
 * Walks a process tree by /proc/<pid>/task/<tid>/children, or where the
 * kernel has no such file by the parents in /proc/<pid>/stat. Alone because
 * both the launcher and the node need it. A process that ends while it is
 * looked at is simply not there; nothing here fails.
 */
#include "node/handlers/descendants.h"

#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"

static void add(struct pids *p, pid_t pid)
{
	if (p->len == DESCENDANTS_MAX)
		return;
	if (p->len == p->cap) {
		p->cap = p->cap ? 2 * p->cap : 64;
		p->pid = xreallocarray(p->pid, p->cap, sizeof *p->pid);
	}
	p->pid[p->len++] = pid;
}

void pids_release(struct pids *p)
{
	free(p->pid);
	*p = (struct pids){0};
}

/* Numbers parted by blanks, of any length. */
static bool read_children(const char *path, struct pids *p)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	char text[4096];
	ssize_t n;
	pid_t pid = 0;
	while ((n = read(fd, text, sizeof text)) > 0) {
		for (ssize_t i = 0; i < n; i++) {
			if (isdigit((unsigned char)text[i])) {
				pid = pid * 10 + (text[i] - '0');
			} else if (pid > 0) {
				add(p, pid);
				pid = 0;
			}
		}
	}
	if (pid > 0)
		add(p, pid);
	close(fd);
	return true;
}

static bool kernel_lists_children(void)
{
	static int known = -1;
	if (known < 0) {
		char path[64];
		snprintf(path, sizeof path, "/proc/self/task/%d/children", (int)getpid());
		known = access(path, R_OK) == 0;
	}
	return known != 0;
}

/* The children of each thread: one forked by a thread stands in that thread's file. */
static void add_listed(pid_t parent, struct pids *p)
{
	char path[320];
	snprintf(path, sizeof path, "/proc/%d/task", (int)parent);
	DIR *threads = opendir(path);
	struct dirent *d;
	while (threads && (d = readdir(threads))) { /* cppcheck-suppress readdirCalled */
		if (isdigit((unsigned char)d->d_name[0])) {
			snprintf(path, sizeof path, "/proc/%d/task/%s/children", (int)parent, d->d_name);
			read_children(path, p);
		}
	}
	if (threads)
		closedir(threads);
}

static pid_t parent_of(const char *pid)
{
	char path[300], text[512];
	snprintf(path, sizeof path, "/proc/%s/stat", pid);
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -1;
	ssize_t n = read(fd, text, sizeof text - 1);
	close(fd);
	if (n <= 0)
		return -1;
	text[n] = '\0';
	const char *name_end = strrchr(text, ')'); /* the name may hold anything */
	int parent;
	return name_end && sscanf(name_end, ") %*c %d", &parent) == 1 ? parent : -1;
}

static void add_scanned(pid_t parent, struct pids *p)
{
	DIR *proc = opendir("/proc");
	struct dirent *d;
	while (proc && (d = readdir(proc))) { /* cppcheck-suppress readdirCalled */
		if (isdigit((unsigned char)d->d_name[0]) && parent_of(d->d_name) == parent)
			add(p, (pid_t)strtol(d->d_name, NULL, 10));
	}
	if (proc)
		closedir(proc);
}

static void add_children(pid_t parent, struct pids *p)
{
	if (kernel_lists_children()) {
		add_listed(parent, p);
	} else {
		add_scanned(parent, p);
	}
}

void children_of(pid_t parent, struct pids *ret)
{
	ret->len = 0;
	add_children(parent, ret);
}

/* stop: each is stopped before its children are looked at, so that those are all it will have. */
static void walk(pid_t root, bool stop, struct pids *ret)
{
	ret->len = 0;
	add_children(root, ret);
	for (size_t i = 0; i < ret->len; i++) {
		if (stop)
			kill(ret->pid[i], SIGSTOP);
		add_children(ret->pid[i], ret);
	}
}

void descendants_of(pid_t root, struct pids *ret)
{
	walk(root, false, ret);
}

/* Stops all that is there until a look finds nothing new (or many looks did). */
static void freeze(struct pids *p)
{
	size_t before;
	unsigned looks = 0;
	walk(getpid(), true, p);
	do {
		before = p->len;
		walk(getpid(), true, p);
	} while (p->len > before && ++looks < 100);
}

/* Against a thousand that fork we get no turn in time, unless we may go before them. Where we may not, we try without. */
static void go_first(void)
{
	struct sched_param p = {.sched_priority = 1};
	if (sched_setscheduler(0, SCHED_FIFO | SCHED_RESET_ON_FORK, &p) < 0)
		(void)setpriority(PRIO_PROCESS, 0, -20);
}

bool descendants_end(int64_t budget_ms, void (*on_reaped)(void *data, pid_t pid, int status), void *data)
{
	int64_t until_ms = clock_mono_ms() + budget_ms;
	struct pids p = {0};
	bool gone = false;
	unsigned looks = 0;
	do {
		int status;
		pid_t pid;
		while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
			on_reaped(data, pid, status);
		}
		gone = pid < 0 && errno == ECHILD;
		if (!gone) {
			if (looks++ == 0)
				go_first();
			freeze(&p);
			for (size_t i = 0; i < p.len; i++) {
				kill(p.pid[i], SIGKILL);
			}
			nanosleep(&(struct timespec){.tv_nsec = NS_PER_MS / 2}, NULL);
		}
	} while (!gone && clock_mono_ms() < until_ms);
	pids_release(&p);
	return gone;
}
