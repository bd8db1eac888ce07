/*
 * Starting and following children. It stands alone because fork, death
 * signals and descriptors are easy to get wrong and want to be read in one
 * place.
 *
 * Goes well: fork, the child puts itself in order with plain system calls and
 * executes; a close-on-exec pipe that is closed without a byte says so.
 * Fails: the child writes errno into that pipe and the caller gets the
 * sentence. A parent that died between fork and prctl is noticed by getppid.
 */
#include "common/proc.h"

#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

extern char **environ;

/* Variables that would lead a child to another broker or database. */
static bool leads_away(const char *var)
{
	static const char *const prefix[] = {
		"NATS_", "PG", "DATABASE_URL", "MILLRACE_NATS_", "MILLRACE_DATABASE_", "NOTIFY_SOCKET=",
	};

	for (size_t i = 0; i < ARRAY_LEN(prefix); i++) {
		if (strncmp(var, prefix[i], strlen(prefix[i])) == 0)
			return true;
	}
	return false;
}

static bool named_in(const char *var, const char *const *env)
{
	size_t len = strcspn(var, "=") + 1;

	for (; env && *env; env++) {
		if (strncmp(var, *env, len) == 0)
			return true;
	}
	return false;
}

/* Returns owned; the strings are borrowed. */
static const char **make_env(const char *const *extra, bool keep)
{
	size_t n = 0, used = 0;
	const char **env;

	while (environ[n])
		n++;
	for (size_t i = 0; extra && extra[i]; i++)
		n++;
	env = xcalloc(n + 1, sizeof(*env));
	for (char **var = environ; *var; var++) {
		if ((keep || !leads_away(*var)) && !named_in(*var, extra))
			env[used++] = *var;
	}
	for (; extra && *extra; extra++)
		env[used++] = *extra;
	return env;
}

struct child_plan {
	const struct proc_spec *spec;
	const char **env;
	pid_t parent;
	int in_fd, out_fd, status_fd;
};

/*
 * Libraries open descriptors that would pass to the program: a socket of the parent's, to the broker, would then outlive
 * the parent, and the broker would send to it.
 */
static void keep_only_ours(void)
{
	if (close_range(3, ~0u, CLOSE_RANGE_CLOEXEC) == 0)
		return;
	for (int fd = 3; fd < 65536; fd++) /* Linux before 5.11 */
		(void)fcntl(fd, F_SETFD, FD_CLOEXEC);
}

/* Appends our process id to the file that says who lives, and keeps it. In the child: system calls only. */
static bool sign(int fd)
{
	char text[16];
	size_t at = sizeof(text);
	pid_t pid = getpid();

	text[--at] = '\n';
	for (; pid > 0; pid /= 10)
		text[--at] = (char)('0' + pid % 10);
	if (write(fd, text + at, sizeof(text) - at) != (ssize_t)(sizeof(text) - at))
		return false;
	return fd == 3 ? fcntl(3, F_SETFD, 0) == 0 : dup2(fd, 3) == 3;
}

/* In the child: system calls only. */
_Noreturn static void become(const struct child_plan *p)
{
	sigset_t none;
	int code, status_fd = fcntl(p->status_fd, F_DUPFD_CLOEXEC, 10); /* 3 may become the lock's */

	if (p->spec->death_signal) {
		setpgid(0, 0);
		if (prctl(PR_SET_PDEATHSIG, p->spec->death_signal) != 0)
			goto fail;
		if (getppid() != p->parent)
			_exit(127);
	} else {
		setsid();
	}
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	for (int sig = 1; sig < 32; sig++)
		signal(sig, SIG_DFL);
	if (dup2(p->in_fd, 0) < 0)
		goto fail;
	if (p->out_fd >= 0 && (dup2(p->out_fd, 1) < 0 || dup2(p->out_fd, 2) < 0))
		goto fail;
	keep_only_ours();
	if (p->spec->lock_fd > 0 && !sign(p->spec->lock_fd))
		goto fail;
	execve(p->spec->argv[0], (char *const *)(uintptr_t)p->spec->argv,
	       (char *const *)(uintptr_t)p->env);
fail:
	code = errno;
	if (write(status_fd, &code, sizeof(code)) < 0)
		_exit(126);
	_exit(127);
}

static void close_fd(int fd)
{
	if (fd >= 0)
		close(fd);
}

/* A descriptor that reads text and then ends. */
static int open_input(const char *text)
{
	int fds[2];
	size_t len;

	if (!text)
		return open("/dev/null", O_RDONLY | O_CLOEXEC);
	len = strlen(text);
	if (len > 4096 || pipe2(fds, O_CLOEXEC) != 0)
		return -1;
	/* Fits into the pipe's buffer: nobody needs to read yet. */
	if (write(fds[1], text, len) != (ssize_t)len) {
		close(fds[0]);
		fds[0] = -1;
	}
	close(fds[1]);
	return fds[0];
}

int proc_spawn(const struct proc_spec *s, pid_t *ret, struct err *e)
{
	CLEANUP(free_ptr) const char **env = make_env(s->env, s->keep_env);
	struct child_plan plan = {.spec = s, .env = env, .parent = getpid(), .in_fd = -1, .out_fd = -1};
	int status[2] = {-1, -1};
	int code = 0;
	pid_t pid = -1;
	ssize_t got;

	plan.in_fd = open_input(s->input);
	if (s->log_path) {
		plan.out_fd = open(s->log_path, O_WRONLY | O_CREAT | O_APPEND | O_CLOEXEC, 0600);
		if (plan.out_fd < 0) {
			err_set(e, ERR_IO, "cannot write %s: %s", s->log_path, strerror(errno));
			close_fd(plan.in_fd);
			return ERR_IO;
		}
	}
	if (plan.in_fd < 0 || pipe2(status, O_CLOEXEC) != 0) {
		err_set(e, ERR_IO, "no descriptors to start %s: %s", s->argv[0], strerror(errno));
		goto out;
	}
	plan.status_fd = status[1];
	pid = fork();
	if (pid == 0)
		become(&plan);
	if (pid < 0) {
		err_set(e, ERR_IO, "cannot start a process: %s", strerror(errno));
		goto out;
	}
	close(status[1]);
	status[1] = -1;
	do
		got = read(status[0], &code, sizeof(code));
	while (got < 0 && errno == EINTR);
	if (got > 0) {
		while (waitpid(pid, NULL, 0) < 0 && errno == EINTR)
			;
		pid = -1;
		err_set(e, ERR_IO, "cannot execute %s: %s", s->argv[0], strerror(code));
	}
out:
	close_fd(plan.in_fd);
	close_fd(plan.out_fd);
	close_fd(status[0]);
	close_fd(status[1]);
	if (pid < 0)
		return ERR_IO;
	*ret = pid;
	return 0;
}

void proc_status_text(int wait_status, char *ret, size_t size)
{
	if (WIFSIGNALED(wait_status))
		snprintf(ret, size, "signal %d (%s)", WTERMSIG(wait_status), strsignal(WTERMSIG(wait_status)));
	else
		snprintf(ret, size, "exit status %d", WEXITSTATUS(wait_status));
}

int proc_run(const struct proc_spec *s, struct err *e)
{
	pid_t pid;
	int status;

	if (proc_spawn(s, &pid, e) != 0)
		return e->code;
	while (waitpid(pid, &status, 0) < 0) {
		if (errno != EINTR)
			return err_set(e, ERR_IO, "cannot wait for %s: %s", s->argv[0], strerror(errno));
	}
	if (WIFEXITED(status) && WEXITSTATUS(status) == 0)
		return 0;

	char how[64];
	CLEANUP(buf_release) struct buf tail = {0};

	proc_status_text(status, how, sizeof(how));
	if (s->log_path)
		proc_log_tail(s->log_path, 300, &tail);
	return err_set(e, ERR_FAILED, "%s ended with %s: %s", s->argv[0], how, tail.data ? tail.data : "");
}

void proc_log_tail(const char *path, size_t max_bytes, struct buf *out)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	struct stat st;

	if (fd < 0)
		return;
	if (fstat(fd, &st) == 0 && st.st_size > 0) {
		off_t from = st.st_size > (off_t)max_bytes ? st.st_size - (off_t)max_bytes : 0;
		CLEANUP(free_ptr) char *text = xmalloc(max_bytes);
		ssize_t n = pread(fd, text, max_bytes, from);
		const char *start = text;

		/* Not the second half of a line, where there is a whole one. */
		if (n > 0 && from > 0) {
			const char *line = memchr(text, '\n', (size_t)n);

			if (line && line + 1 < text + n)
				start = line + 1;
		}
		if (n > 0)
			buf_add(out, start, (size_t)(text + n - start));
	}
	close(fd);
}

char *proc_sibling(const char *name)
{
	char self[4096];
	ssize_t n = readlink("/proc/self/exe", self, sizeof(self) - 1);
	char *slash;

	if (n < 0)
		return xstrdup(name);
	self[n] = '\0';
	slash = strrchr(self, '/');
	return xasprintf("%.*s/%s", (int)(slash ? slash - self : 0), self, name);
}

/* The fields of /proc/<pid>/stat behind the name, which may hold anything. false: no such process. */
static bool read_stat(pid_t pid, pid_t *ret_parent, uint64_t *ret_start)
{
	char path[64], text[1024];
	const char *p;
	int parent;
	unsigned long long start;
	ssize_t n;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/stat", (int)pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return false;
	n = read(fd, text, sizeof(text) - 1);
	close(fd);
	if (n <= 0)
		return false;
	text[n] = '\0';
	p = strrchr(text, ')');
	if (!p || sscanf(p + 1,
	                 " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %*u %*u %*d %*d %*d %*d %*d %*d %llu",
	                 &parent, &start) != 2)
		return false;
	*ret_parent = parent;
	*ret_start = start;
	return true;
}

uint64_t proc_start_ticks(pid_t pid)
{
	pid_t parent;
	uint64_t start;

	return pid > 0 && read_stat(pid, &parent, &start) ? start : 0;
}

void proc_kill_children(void)
{
	bool found = true;

	/* Each round may hand us the children of what it killed. */
	for (unsigned round = 0; found && round < 100; round++) {
		DIR *dir = opendir("/proc");
		struct dirent *entry;

		found = false;
		if (!dir)
			return;
		while ((entry = readdir(dir))) {
			pid_t pid = (pid_t)strtol(entry->d_name, NULL, 10), parent;
			uint64_t start;

			if (pid <= 1 || !read_stat(pid, &parent, &start) || parent != getpid())
				continue;
			found = true;
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		closedir(dir);
	}
}
