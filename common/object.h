/*
 * Objects: payloads that are too large for a message, in the object store of
 * JetStream by its wire protocol, so that `nats obj put|get|ls` and every
 * other client work on the same ones. An object is a name in a bucket (the
 * stream OBJ_<bucket>): its bytes as chunks on $O.<bucket>.C.<nuid>, what is
 * said of it on $O.<bucket>.M.<base64url of its name>.
 *
 * Everything is asynchronous, and no callback runs before the call that
 * started it returned. Memory is bounded by a few chunks, however large the
 * object is.
 */
#pragma once

#include "common/buf.h"
#include "common/bus.h"

#define OBJECT_BUCKET "payloads"
#define OBJECT_CHUNK_BYTES ((size_t)128 * 1024)
#define OBJECT_NAME_MAX 512
/* Names that the system makes itself. They do not stay for ever (store/objects.h). */
#define OBJECT_OF_SUBMIT "submit/"
#define OBJECT_OF_RESULT "result/"

/* ---- names ---- */

struct object_ref {
	char bucket[65];
	char name[OBJECT_NAME_MAX + 1];
};

/* "bucket/name"; the name may hold further slashes. ERR_INVALID says what is wrong with it. */
MUST_CHECK int object_ref_parse(const char *text, struct object_ref *ret, struct err *e);

/* ---- what is said of an object ---- */

struct object_info {
	char *bucket, *name;
	char *nuid;         /* of its chunks */
	char *digest;       /* "SHA-256=<base64url>" */
	char *content_type; /* of its headers, or NULL */
	uint64_t size_bytes, chunks;
	int64_t stored_wall_ns; /* when the bucket took it; 0: not known */
	bool deleted;
	bool link; /* it only points to another */
};
void object_info_release(struct object_info *info);
/* Pure. ERR_PROTOCOL: it is no such record. */
MUST_CHECK int object_info_read(const void *json, size_t len, struct object_info *ret,
								struct err *e);
/* Pure; appends the record. */
void object_info_write(const struct object_info *info, struct buf *out);
/* Where it stands; returns owned. */
char *object_info_subject(const char *bucket, const char *name);
/* 22 letters and digits, unguessable. */
#define OBJECT_NUID_LEN 22
void object_nuid(char out[OBJECT_NUID_LEN + 1]);

/* info is borrowed. ERR_NOT_FOUND: there is no such object (or bucket). */
typedef void (*object_on_info)(void *data, const struct object_info *info, const struct err *e);
struct object_look;
MUST_CHECK int object_look(struct bus *bus, const char *bucket, const char *name,
						   object_on_info on_info, void *data, struct object_look **ret,
						   struct err *e);
/* on_info will not run. *look is NULL once it ran, where ret was given. NULL is fine. */
void object_look_cancel(struct object_look **look);

/* ---- delete ---- */

/* e is NULL on success. */
typedef void (*object_on_done)(void *data, const struct err *e);
/*
 * Removes an object. forget: nothing of it stays, not even the record that it was there (for names
 * that are never used again); else that record stays, as with `nats obj rm`.
 */
MUST_CHECK int object_delete(struct bus *bus, const char *bucket, const char *name, bool forget,
							 object_on_done on_done, void *data, struct err *e);

/* ---- get: object_get.c ---- */

struct object_get;
struct object_get_events {
	/* Once, first. Nothing more comes before object_get_go_on. */
	void (*on_info)(void *data, const struct object_info *info);
	/* bytes are borrowed for the call. Nothing more comes before object_get_go_on. */
	void (*on_chunk)(void *data, const void *bytes, size_t len);
	/*
	 * Once, last; the get is gone. NULL: all of it came, and its digest is right. ERR_NOT_FOUND:
	 * there is no such object. ERR_CONFLICT: it was replaced or removed meanwhile. ERR_PROTOCOL:
	 * its bytes are not those that were put (the digest or the size differs).
	 */
	void (*on_end)(void *data, const struct err *e);
	void *data;
};
/* patience_ms: how long the broker may say nothing (0: for ever); then on_end, ERR_UNREACHABLE or
 * ERR_TIMEOUT. */
MUST_CHECK int object_get(struct bus *bus, const char *bucket, const char *name,
						  int64_t patience_ms, const struct object_get_events *ev,
						  struct object_get **ret, struct err *e);
/* Also from within on_info and on_chunk. */
void object_get_go_on(struct object_get *g);
/* on_end will not run. NULL is fine. */
void object_get_cancel(struct object_get **g);

/* ---- put: object_put.c ---- */

struct object_put;
struct object_source {
	const void *data; /* borrowed until on_put; NULL: fd */
	int fd;           /* a file, read from its beginning; borrowed likewise */
	uint64_t len_bytes;
};
/*
 * Puts an object, in place of one of that name. info is borrowed. At most 8 chunks are under way.
 * ERR_FULL: the bucket is. deadline_ms: for each chunk; 0: for ever.
 */
MUST_CHECK int object_put(struct bus *bus, const char *bucket, const char *name,
						  const char *content_type, const struct object_source *source,
						  int64_t deadline_ms, object_on_info on_put, void *data,
						  struct object_put **ret, struct err *e);
/*
 * on_put will not run, and what was put of it is removed. The source is not used any more, but a
 * read of fd that is under way may end later: dup it. NULL is fine.
 */
void object_put_cancel(struct object_put **p);
