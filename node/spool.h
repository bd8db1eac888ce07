/*
 * Where objects lie while their tasks run: a directory of this node's alone,
 * and how many bytes may lie in it. What does not fit waits its turn.
 */
#pragma once

#include <uv.h>

#include "common/err.h"

struct spool;

/* Room for one file. Embedded; {0} before spool_claim. */
struct spool_claim {
	struct spool *spool;
	uint64_t bytes;
	bool held;  /* else it waits */
	char *path; /* of its file, once spool_create made it */
	void (*on_room)(struct spool_claim *c);
	struct spool_claim *prev, *next;
};

/*
 * base: where the directory is made (NULL: $TMPDIR, else /tmp). Removes what nodes that were killed
 * left there. Nothing is made before the first file is.
 */
struct spool *spool_open(uv_loop_t *loop, const char *base, const char *node, uint64_t max_bytes);
/* Removes the directory with all that is in it. Its claims must be gone. NULL is fine. */
void spool_close(struct spool **s);
/* What is under way on the disk is counted here; a node waits for it at its end. */
void spool_io(struct spool *s, int by);
bool spool_busy(const struct spool *s);
/* The directory that it works below. */
const char *spool_base(const struct spool *s);
uint64_t spool_max_bytes(const struct spool *s);

/* on_room runs when there is room, in the order in which it was asked for; perhaps before it
 * returns. */
void spool_claim(struct spool *s, struct spool_claim *c, uint64_t bytes,
				 void (*on_room)(struct spool_claim *c));
/* Makes the claim's file, readable and writable by us alone. ret_fd is the caller's. */
MUST_CHECK int spool_create(struct spool_claim *c, int *ret_fd, struct err *e);
/* Gives the room back and removes the file. Of {0} too. */
void spool_release(struct spool_claim *c);
