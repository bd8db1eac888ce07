/*
 * Decisions about locks. They stand alone because a wrong one lets two in. A
 * lock is its holder's until nothing has been heard of it for its ttl: seen by the
 * asker's own monotonic clock, so that clocks that differ never shorten it
 * (a store that has just started waits the whole ttl). The put that follows
 * names the revision that was judged: who was faster, wins.
 */
#include "common/lock.h"

#include <stdio.h>
#include <string.h>

#include <jansson.h>

void lock_value_write(const struct lock_value *v, struct buf *out)
{
	json_t *j = json_pack("{s:s, s:I}", "owner", v->owner, "ttl_ms", (json_int_t)v->ttl_ms);
	if (v->token != 0) {
		json_object_set_new(j, "token", json_integer((json_int_t)v->token));
	}
	char *text = json_dumps(j, JSON_COMPACT);
	buf_reset(out);
	buf_add_str(out, text);
	free(text);
	json_decref(j);
}

int lock_value_read(const void *data, size_t len, struct lock_value *ret, struct err *e)
{
	json_t *j = json_loadb(data, len, 0, NULL);
	const char *owner = json_string_value(json_object_get(j, "owner"));
	json_int_t ttl_ms = json_integer_value(json_object_get(j, "ttl_ms"));
	json_int_t token = json_integer_value(json_object_get(j, "token"));
	bool ok = owner != NULL && strlen(owner) <= LOCK_OWNER_MAX && ttl_ms > 0 &&
			  ttl_ms <= LOCK_TTL_MAX_MS && token >= 0;
	if (ok) {
		*ret = (struct lock_value){.token = (uint64_t)token, .ttl_ms = ttl_ms};
		snprintf(ret->owner, sizeof(ret->owner), "%s", owner);
	}
	json_decref(j);
	return ok ? 0 : err_set(e, ERR_INVALID, "what lies there is no lock");
}

int lock_name_check(const char *name, struct err *e)
{
	size_t len = strlen(name);
	bool ok = len > 0 && len <= LOCK_NAME_MAX && strchr("./", name[0]) == NULL &&
			  strchr("./", name[len - 1]) == NULL;
	for (size_t i = 0; ok && i < len; i++) {
		bool plain = (name[i] >= 'a' && name[i] <= 'z') || (name[i] >= 'A' && name[i] <= 'Z') ||
					 (name[i] >= '0' && name[i] <= '9') || name[i] == '_' || name[i] == '-';
		ok = plain || ((name[i] == '.' || name[i] == '/') && strchr("./", name[i + 1]) == NULL);
	}
	return ok ? 0
			  : err_set(e, ERR_INVALID,
						"name: \"%.60s\" is none; 1 to %d letters, digits, _ and -, with single . "
						"and / inside",
						name, LOCK_NAME_MAX);
}

int lock_owner_check(const char *owner, struct err *e)
{
	size_t len = strlen(owner);
	bool ok = len > 0 && len <= LOCK_OWNER_MAX;
	for (size_t i = 0; i < len; i++) {
		ok = ok && (unsigned char)owner[i] >= 0x20 && (unsigned char)owner[i] < 0x7f;
	}
	return ok ? 0
			  : err_set(e, ERR_INVALID,
						"owner: say who asks, in 1 to %d printable characters; nobody else may say "
						"the same",
						LOCK_OWNER_MAX);
}

int lock_ttl_check(int64_t ttl_ms, int64_t otherwise_ms, int64_t *ret_ms, struct err *e)
{
	if (ttl_ms != 0 && (ttl_ms < LOCK_TTL_MIN_MS || ttl_ms > LOCK_TTL_MAX_MS)) {
		return err_set(e, ERR_INVALID, "ttl_ms: from %d to %d; who works for longer renews",
					   LOCK_TTL_MIN_MS, LOCK_TTL_MAX_MS);
	}
	*ret_ms = ttl_ms != 0 ? ttl_ms : otherwise_ms;
	return 0;
}

uint64_t lock_token(const struct lock_view *v)
{
	return v->value.token != 0 ? v->value.token : v->revision;
}

int64_t lock_left_ms(const struct lock_view *v, int64_t now_mono_ms)
{
	int64_t left = v->held ? v->value.ttl_ms - (now_mono_ms - v->seen_mono_ms) : 0;
	return left > 0 ? left : 0;
}

enum lock_verdict lock_judge(const struct lock_view *v, const char *owner, int64_t now_mono_ms)
{
	if (lock_left_ms(v, now_mono_ms) == 0) {
		return LOCK_TAKE;
	}
	return str_eq(v->value.owner, owner) ? LOCK_AGAIN : LOCK_BUSY;
}
