/*
 * Named places at which a test ends this process: FAILPOINT("store.committed")
 * is nothing but in builds with MILLRACE_FAILPOINTS (preset dev). There a
 * directory, MILLRACE_FAILPOINTS of the environment, holds one file for each
 * place that is armed; the first process to come by takes the file away and
 * kills itself, as SIGKILL would have hit it there. The file's text is how
 * often the place is passed by each process before it counts (none: at once).
 */
#pragma once

#ifdef MILLRACE_FAILPOINTS
void failpoint(const char *name);
#define FAILPOINT(name) failpoint(name)
#else
#define FAILPOINT(name) ((void)0)
#endif
