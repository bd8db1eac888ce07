/*
 * Ends what a killed launcher leaves behind. Apart from child.c because it
 * is about the process as a whole, not about one child. All state is the
 * process's: the set of living launchers. uv reaps those itself, by pid; we
 * wait for each orphan by its pid too, so neither takes the other's.
 */
#include "node/handlers/child_reap.h"

#include <errno.h>
#include <signal.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>
#include <uthash.h>

#include "common/log.h"
#include "node/handlers/descendants.h"

enum { AGAIN_MS = 50, TRIES = 200 };

struct launcher {
	pid_t pid;
	UT_hash_handle hh;
};

struct sweep {
	uv_timer_t timer;
	unsigned tries;
};

static struct launcher *launchers;

void child_reap_adopt(void)
{
	static bool done;
	if (!done)
		prctl(PR_SET_CHILD_SUBREAPER, 1);
	done = true;
}

void child_reap_know(pid_t launcher)
{
	struct launcher *l = xcalloc(1, sizeof *l);
	l->pid = launcher;
	HASH_ADD(hh, launchers, pid, sizeof l->pid, l);
}

void child_reap_forget(pid_t launcher)
{
	struct launcher *l;
	HASH_FIND(hh, launchers, &launcher, sizeof launcher, l);
	if (l) {
		HASH_DEL(launchers, l);
		free(l);
	}
}

/* Returns how many are still there. */
static size_t end_orphans(void)
{
	struct pids p = {0};
	size_t left = 0;
	children_of(getpid(), &p);
	for (size_t i = 0; i < p.len; i++) {
		struct launcher *l;
		HASH_FIND(hh, launchers, &p.pid[i], sizeof p.pid[i], l);
		if (l)
			continue;
		kill(p.pid[i], SIGKILL);
		if (waitpid(p.pid[i], NULL, WNOHANG) != p.pid[i])
			left++;
	}
	pids_release(&p);
	return left;
}

static void on_swept(uv_handle_t *h)
{
	free(h->data);
}

static void on_again(uv_timer_t *t)
{
	struct sweep *s = t->data;
	size_t left = end_orphans();
	if (left > 0 && --s->tries > 0)
		return;
	if (left > 0)
		log_warn("orphans of a handler cannot be killed", LOG_I("processes", left));
	uv_close((uv_handle_t *)t, on_swept);
}

void child_reap_orphans(uv_loop_t *loop)
{
	end_orphans();
	struct sweep *s = xcalloc(1, sizeof *s);
	s->tries = TRIES;
	s->timer.data = s;
	uv_timer_init(loop, &s->timer);
	/* Also where none is left: the dead are told of one after the other. */
	uv_timer_start(&s->timer, on_again, AGAIN_MS, AGAIN_MS);
}
