/*
 * Waiting for a `millrace dev` that this process started. It stands alone
 * because `dev --detach` and `bench` must not differ in it: whoever starts a
 * system and is told to stop before it is up takes it along.
 *
 * Goes well: READY=1 comes. Fails: it ends before, and its log tells why; or
 * Ctrl-C comes, and the caller ends it.
 */
#include "cli/dev_child.h"

#include <signal.h>
#include <sys/wait.h>
#include <unistd.h>

#include "common/proc.h"

#define LOOK_MS 20
#define LOG_TAIL_BYTES 2000

int dev_child_await(struct cli *c, struct notify *n, pid_t pid, const char *log_path, struct err *e)
{
	bool never = false;

	for (;;) {
		char text[NOTIFY_TEXT_MAX];
		pid_t from;
		uid_t uid;

		while (notify_receive(n, text, &from, &uid)) {
			if (from == pid && strstr(text, "READY=1"))
				return 0;
		}
		if (waitpid(pid, NULL, WNOHANG) == pid) {
			CLEANUP(buf_release) struct buf tail = {0};

			proc_log_tail(log_path, LOG_TAIL_BYTES, &tail);
			cli_say(c, "dev: %s ends with:\n%s", log_path, tail.data ? tail.data : "(nothing)");
			return err_set(e, ERR_FAILED, "the system did not start");
		}
		if (cli_wait(c, &never, LOOK_MS, e) == ERR_CLOSED)
			return ERR_CLOSED;
	}
}

void dev_child_end(struct cli *c, pid_t pid)
{
	kill(pid, SIGTERM);
	while (waitpid(pid, NULL, WNOHANG) == 0) {
		uv_run(&c->loop, UV_RUN_NOWAIT); /* where a second Ctrl-C is heard */
		usleep(LOOK_MS * 1000);
	}
}
