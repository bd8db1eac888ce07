/*
 * The launcher: what stands between the node and a foreign program. The node
 * starts itself again as
 *
 *	millrace-node --exec-child parent=PID [scratch=DIR] cpu=… memory=… … -- argv…
 *
 * and the launcher confines, starts, watches and cleans up:
 *
 *	node ──▶ launcher (own session, subreaper) ──▶ program (own session, limits)
 *
 *	SIGTERM to the launcher   TERM to the program's group; after `grace` everything below is killed
 *	SIGUSR1, or the node dies everything below is killed at once
 *	the program ends          whatever it left running is killed, the directory removed
 *
 * To descriptor 3 go "pid NUMBER" once the program runs, and how it ended, as one line:
 *	"exit CODE", "signal NUMBER", "exec ERRNO" (it could not be started),
 *	"processes COUNT" (it had more processes than allowed).
 */
#pragma once

#include "common/base.h"

#define EXEC_CHILD_FLAG "--exec-child"
#define EXEC_CHILD_REPORT_FD 3
/* In the launcher's environment: the LD_LIBRARY_PATH that the program is to have. */
#define EXEC_CHILD_LIBRARY_PATH "MILLRACE_EXEC_LIBRARY_PATH"

/* Whether main is to do nothing but: return exec_child_main(argc, argv); */
bool exec_child_wanted(int argc, char **argv);
int exec_child_main(int argc, char **argv);
