/*
 * The launcher of foreign programs (exec_child.h has its picture). It stands
 * alone, as a process of its own, because libuv lets nobody in between fork
 * and exec, because it outlives a killed node just long enough to clean up,
 * and because a subreaper for each program makes it certain whose a process
 * is: neither double fork nor setsid leads out of it.
 *
 * It goes well: the program starts, ends, nothing is left below; the
 * report is written and the launcher ends. The program does not start: the
 * report has the errno. It leaves processes, or does not end in time, or
 * multiplies: they are stopped, then killed, until none is left; what the
 * kernel does not let go within END_BUDGET_MS the node inherits and kills.
 * The launcher is killed itself: the program dies with it (PDEATHSIG), its
 * orphans fall to the node.
 */
#include "node/handlers/exec_child.h"

#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "common/clock.h"
#include "node/handlers/descendants.h"
#include "node/handlers/limits.h"
#include "node/handlers/scratch.h"

enum { COUNT_EVERY_MS = 100, END_BUDGET_MS = 5000, EXIT_NO_START = 127 };

struct launch {
	struct limits limits;
	pid_t parent;
	const char *scratch;
	char **argv;
	sigset_t signals;
	pid_t program;
	bool ended;
	int status;      /* of the program, once it ended */
	size_t too_many; /* processes; 0: not so */
};

bool exec_child_wanted(int argc, char **argv)
{
	return argc > 1 && str_eq(argv[1], EXEC_CHILD_FLAG);
}

static bool read_words(struct launch *l, int argc, char **argv)
{
	for (int i = 2; i < argc; i++) {
		if (str_eq(argv[i], "--")) {
			l->argv = argv + i + 1;
			return l->argv[0] != NULL;
		}
		if (strncmp(argv[i], "parent=", 7) == 0) {
			l->parent = (pid_t)strtol(argv[i] + 7, NULL, 10);
		} else if (strncmp(argv[i], "scratch=", 8) == 0) {
			l->scratch = argv[i] + 8;
		} else if (!limits_from_word(argv[i], &l->limits)) {
			return false;
		}
	}
	return false;
}

static void report(const char *what, long number)
{
	char line[64];
	int n = snprintf(line, sizeof line, "%s %ld\n", what, number);
	if (write(EXEC_CHILD_REPORT_FD, line, (size_t)n) < 0)
		return; /* the node is gone: nobody to tell */
}

static void limit(int what, int64_t value)
{
	struct rlimit now, r = {(rlim_t)value, (rlim_t)value};
	if (getrlimit((__rlimit_resource_t)what, &now) < 0)
		return;
	/* Only ever downwards: we may have been started under less. */
	r.rlim_max = MIN_OF(r.rlim_max, now.rlim_max);
	r.rlim_cur = MIN_OF(r.rlim_cur, r.rlim_max);
	(void)setrlimit((__rlimit_resource_t)what, &r);
}

static void apply_limits(const struct limits *l)
{
	const struct {
		int what;
		int64_t value;
	} all[] = {
		{RLIMIT_CPU, (l->cpu_ns + NS_PER_S - 1) / NS_PER_S},
		{RLIMIT_AS, l->memory_bytes},
		{RLIMIT_FSIZE, l->file_bytes},
		{RLIMIT_NOFILE, l->files},
		{RLIMIT_NPROC, l->user_processes},
	};
	for (size_t i = 0; i < ARRAY_LEN(all); i++) {
		if (all[i].value > 0)
			limit(all[i].what, all[i].value);
	}
	limit(RLIMIT_CORE, l->core_bytes);
}

/* LD_LIBRARY_PATH was for us, who are the node's program; the program's own has another name till now. */
static void restore_library_path(void)
{
	const char *path = getenv(EXEC_CHILD_LIBRARY_PATH);
	if (path) {
		setenv("LD_LIBRARY_PATH", path, 1);
	} else {
		unsetenv("LD_LIBRARY_PATH");
	}
	unsetenv(EXEC_CHILD_LIBRARY_PATH);
}

/* In the new process, up to the exec; returns only an errno. */
static int become_program(const struct launch *l, pid_t launcher)
{
	sigset_t none;
	setsid();
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (getppid() != launcher)
		return ESRCH; /* it died before it could take us along */
	restore_library_path();
	apply_limits(&l->limits);
	signal(SIGPIPE, SIG_DFL); /* what is ignored would stay so over the exec */
	sigemptyset(&none);
	sigprocmask(SIG_SETMASK, &none, NULL);
	execvp(l->argv[0], l->argv);
	return errno;
}

/* What the node has open (its sockets to the broker above all) is no affair of the program. */
static void close_what_was_inherited(void)
{
	if (close_range(EXEC_CHILD_REPORT_FD + 1, ~0u, 0) == 0)
		return;
	struct rlimit r = {.rlim_cur = 1024};
	(void)getrlimit(RLIMIT_NOFILE, &r);
	for (rlim_t fd = EXEC_CHILD_REPORT_FD + 1; fd < MIN_OF(r.rlim_cur, (rlim_t)65536); fd++) {
		close((int)fd);
	}
}

/* Our own copies of the program's stdio would keep the node from seeing their ends. */
static void let_go_of_stdio(void)
{
	int null = open("/dev/null", O_RDWR | O_CLOEXEC);
	for (int fd = 0; fd <= 2; fd++) {
		if (null < 0 || dup2(null, fd) < 0)
			close(fd);
	}
	if (null > 2)
		close(null);
}

/* 0, or the errno of the exec. */
static int start_program(struct launch *l)
{
	int tell[2];
	pid_t launcher = getpid();
	if (pipe2(tell, O_CLOEXEC) < 0)
		return errno;
	l->program = fork();
	if (l->program < 0)
		return errno;
	if (l->program == 0) {
		int why = become_program(l, launcher);
		(void)!write(tell[1], &why, sizeof why);
		_exit(EXIT_NO_START);
	}
	close(tell[1]);
	let_go_of_stdio();
	int why = 0;
	ssize_t n;
	do {
		n = read(tell[0], &why, sizeof why);
	} while (n < 0 && errno == EINTR);
	close(tell[0]);
	return n == (ssize_t)sizeof why ? why : 0;
}

static void on_reaped(void *data, pid_t pid, int status)
{
	struct launch *l = data;
	if (pid == l->program) {
		l->ended = true;
		l->status = status;
	}
}

static void reap(struct launch *l)
{
	int status;
	pid_t pid;
	while ((pid = waitpid(-1, &status, WNOHANG)) > 0) {
		on_reaped(l, pid, status);
	}
}

static bool too_many(struct launch *l, struct pids *p)
{
	descendants_of(getpid(), p);
	if (l->limits.processes > 0 && p->len > (size_t)l->limits.processes)
		l->too_many = p->len;
	return l->too_many > 0;
}

/* Until the program ended, or is to be ended. */
static void watch(struct launch *l)
{
	struct pids seen = {0};
	int64_t count_at_ms = clock_mono_ms() + COUNT_EVERY_MS;
	int64_t kill_at_ms = INT64_MAX;
	for (;;) {
		int64_t wait_ms = MAX_OF(MIN_OF(count_at_ms, kill_at_ms) - clock_mono_ms(), 0);
		struct timespec wait = {wait_ms / 1000, wait_ms % 1000 * NS_PER_MS};
		int signal = sigtimedwait(&l->signals, NULL, &wait);
		reap(l);
		int64_t now_ms = clock_mono_ms();
		if (l->ended || signal == SIGUSR1 || now_ms >= kill_at_ms)
			break;
		if (signal == SIGTERM && kill_at_ms == INT64_MAX) {
			kill(-l->program, SIGTERM);
			kill_at_ms = now_ms + l->limits.grace_ns / NS_PER_MS;
		}
		if (now_ms >= count_at_ms) {
			if (too_many(l, &seen))
				break;
			count_at_ms = now_ms + COUNT_EVERY_MS;
		}
	}
	pids_release(&seen);
}

static void report_end(const struct launch *l)
{
	if (l->too_many > 0) {
		report("processes", (long)l->too_many);
	} else if (l->ended && WIFEXITED(l->status)) {
		report("exit", WEXITSTATUS(l->status));
	} else {
		report("signal", l->ended && WIFSIGNALED(l->status) ? WTERMSIG(l->status) : SIGKILL);
	}
}

int exec_child_main(int argc, char **argv)
{
	struct launch l = {0};
	sigemptyset(&l.signals);
	sigaddset(&l.signals, SIGCHLD);
	sigaddset(&l.signals, SIGTERM);
	sigaddset(&l.signals, SIGUSR1);
	sigprocmask(SIG_BLOCK, &l.signals, NULL);
	if (!read_words(&l, argc, argv) || fcntl(EXEC_CHILD_REPORT_FD, F_SETFD, FD_CLOEXEC) < 0) {
		fprintf(stderr, "%s is for the node itself\n", EXEC_CHILD_FLAG);
		_exit(2);
	}
	close_what_was_inherited();
	setsid();
	signal(SIGPIPE, SIG_IGN);
	prctl(PR_SET_PDEATHSIG, SIGUSR1);
	prctl(PR_SET_CHILD_SUBREAPER, 1);
	prctl(PR_SET_NO_NEW_PRIVS, 1, 0, 0, 0);
	bool orphan = getppid() != l.parent;
	int why = orphan ? ESRCH : start_program(&l);
	if (why == 0) {
		report("pid", (long)l.program);
		watch(&l);
	}
	bool clean = descendants_end(END_BUDGET_MS, on_reaped, &l);
	if (l.scratch)
		scratch_discard(l.scratch);
	if (why != 0) {
		report("exec", why);
	} else {
		report_end(&l);
	}
	_exit(clean ? 0 : 1); /* nothing of the node's runs at our end */
}
