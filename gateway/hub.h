/*
 * Server-sent events for many listeners: a ring of frames with growing ids
 * "<hub>-<n>", of which each listener holds a place. A frame is written once,
 * whoever reads it; memory follows the ring, never the listeners.
 */
#pragma once

#include "common/timeouts.h"
#include "gateway/http.h"

#define HUB_BEAT_MS 12000 /* a listener to whom nothing was said for so long gets a comment */

struct hub_source {
	/*
	 * What a listener begins with: appends the data of an event `snapshot`. false: not known yet, hub_wake when it is.
	 * NULL: listeners begin with what comes.
	 */
	bool (*snapshot)(void *data, struct buf *out);
	void (*on_leave)(void *data); /* a listener is gone; or NULL */
	void *data;
};
struct hub_limits {
	size_t frames, bytes; /* of the ring: what is older is forgotten */
	size_t held_bytes;    /* of what slow listeners keep beside it; over it they are broken off */
};

struct hub;
struct hub *hub_new(struct timeouts *all, const struct hub_limits *limits,
					const struct hub_source *source);
/* No listener may be left. NULL is fine. */
void hub_free(struct hub **h);

/* data: JSON on one line. */
void hub_publish(struct hub *h, const char *event, const char *data, size_t len);
/* Snapshots can be had (again). */
void hub_wake(struct hub *h);
/*
 * Answers r with the stream. last_id: what the client heard last, or NULL; it goes on behind it where that is still
 * in the ring, else it begins anew.
 */
void hub_listen(struct hub *h, struct http_request *r, const char *last_id);
size_t hub_listeners(const struct hub *h);
/* Bytes of all frames that are alive. */
size_t hub_bytes(const struct hub *h);
/* Each stream ends after what is being sent. */
void hub_end(struct hub *h);
