/*
 * Names and records of objects: what goes into a subject, what JSON says of
 * an object. Pure (but for the randomness of a nuid), and apart so that what
 * other clients write and read can be held to it by a table. A record of a
 * stranger is never trusted: a size or a nuid that cannot be is an error.
 */
#include <jansson.h>
#include <stdio.h>
#include <unistd.h>

#include "common/base64.h"
#include "common/clock.h"
#include "common/object.h"

#define NUID_MAX 64

static bool plain(char c)
{
	return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

int object_ref_parse(const char *text, struct object_ref *ret, struct err *e)
{
	const char *slash = strchr(text, '/');
	size_t len = slash ? (size_t)(slash - text) : 0;

	if (!slash || len == 0 || len >= sizeof(ret->bucket) || !slash[1])
		return err_set(e, ERR_INVALID, "\"%.100s\" is no object: write it as BUCKET/NAME", text);
	for (size_t i = 0; i < len; i++) {
		if (!plain(text[i]) && text[i] != '-' && text[i] != '_')
			return err_set(e, ERR_INVALID,
						   "\"%.*s\" is no bucket: letters, digits, - and _ can be in its name",
						   (int)len, text);
	}
	if (strlen(slash + 1) > OBJECT_NAME_MAX)
		return err_set(e, ERR_INVALID, "an object's name has at most %d bytes", OBJECT_NAME_MAX);
	memcpy(ret->bucket, text, len);
	ret->bucket[len] = '\0';
	memcpy(ret->name, slash + 1, strlen(slash + 1) + 1);
	return 0;
}

char *object_info_subject(const char *bucket, const char *name)
{
	CLEANUP(buf_release) struct buf coded = {0};

	base64url_encode(name, strlen(name), &coded);
	return xasprintf("$O.%s.M.%s", bucket, coded.data ? coded.data : "");
}

void object_nuid(char out[OBJECT_NUID_LEN + 1])
{
	static const char letters[] = "0123456789ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz";
	uint8_t random[OBJECT_NUID_LEN];

	if (getentropy(random, sizeof(random)) != 0)
		abort();
	for (size_t i = 0; i < OBJECT_NUID_LEN; i++)
		out[i] = letters[random[i] % (sizeof(letters) - 1)];
	out[OBJECT_NUID_LEN] = '\0';
}

void object_info_release(struct object_info *i)
{
	free(i->bucket);
	free(i->name);
	free(i->nuid);
	free(i->digest);
	free(i->content_type);
	*i = (struct object_info){0};
}

static char *text_of(const json_t *j, const char *key)
{
	const char *text = json_string_value(json_object_get(j, key));

	return xstrdup(text ? text : "");
}

/* Headers are lists of values by name. */
static char *content_type_of(const json_t *j)
{
	const json_t *values = json_object_get(json_object_get(j, "headers"), "Content-Type");
	const char *text = json_string_value(json_array_get(values, 0));

	return text ? xstrdup(text) : NULL;
}

static bool nuid_ok(const char *nuid)
{
	size_t len = strlen(nuid);

	for (size_t i = 0; i < len; i++) {
		if (!plain(nuid[i]) && nuid[i] != '-' && nuid[i] != '_')
			return false;
	}
	return len > 0 && len <= NUID_MAX;
}

int object_info_read(const void *json, size_t len, struct object_info *ret, struct err *e)
{
	json_error_t je;
	json_t *j = json_loadb(json, len, 0, &je);
	json_int_t size = json_integer_value(json_object_get(j, "size"));
	json_int_t chunks = json_integer_value(json_object_get(j, "chunks"));
	struct object_info i = {
		.bucket = text_of(j, "bucket"),
		.name = text_of(j, "name"),
		.nuid = text_of(j, "nuid"),
		.digest = text_of(j, "digest"),
		.content_type = content_type_of(j),
		.size_bytes = (uint64_t)MAX_OF(size, 0),
		.chunks = (uint64_t)MAX_OF(chunks, 0),
		.deleted = json_is_true(json_object_get(j, "deleted")),
		.link = json_is_object(json_object_get(json_object_get(j, "options"), "link")),
	};
	bool ok = json_is_object(j) && *i.name && size >= 0 && chunks >= 0 &&
			  (size == 0 || chunks > 0) && (i.link || nuid_ok(i.nuid));

	json_decref(j);
	if (!ok) {
		object_info_release(&i);
		return err_set(e, ERR_PROTOCOL, "its record in the bucket is none");
	}
	*ret = i;
	return 0;
}

void object_info_write(const struct object_info *i, struct buf *out)
{
	char now[32];
	json_t *j;
	char *text;

	time_format(i->stored_wall_ns, now);
	j = json_pack("{s:s, s:{s:i}, s:s, s:s, s:I, s:s, s:I}", "name", i->name, "options",
				  "max_chunk_size", (int)OBJECT_CHUNK_BYTES, "bucket", i->bucket, "nuid", i->nuid,
				  "size", (json_int_t)i->size_bytes, "mtime", now, "chunks", (json_int_t)i->chunks);
	if (i->digest && *i->digest)
		json_object_set_new(j, "digest", json_string(i->digest));
	if (i->content_type)
		json_object_set_new(j, "headers", json_pack("{s:[s]}", "Content-Type", i->content_type));
	if (i->deleted)
		json_object_set_new(j, "deleted", json_true());
	text = json_dumps(j, JSON_COMPACT);
	buf_add_str(out, text ? text : "{}"); /* a name that is no UTF-8 was refused by object_put */
	free(text);
	json_decref(j);
}
