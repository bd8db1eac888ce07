/*
 * Locks for whoever asks. It stands alone between the decisions (lock.h) and
 * the bucket:
 *
 *	acquire, renew, release:  the key's last word --> verdict --> put or delete, where that is still the last word
 *	                              ^                                   | somebody was faster
 *	                              +-----------------------------------+ (a few times)
 *
 * The token is the revision of a holding's first put: revisions of a bucket
 * only grow, so a later holder of any lock has a higher one, and whoever is
 * guarded by it (a database row, millrace.fence) can refuse the former. A watch notes when each
 * word of a lock was heard; it is memory only, as much as the bucket holds.
 * While the broker is away: 503; nothing is granted that is not in the bucket.
 */
#include "store/lock_api.h"

#include <inttypes.h>
#include <stdio.h>

#include <uthash.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/jetstream.h"
#include "proto/state.pb-c.h"
#include "common/request.h"
#include "common/lock.h"

#define BUCKET "leases"
#define PREFIX "lock."
#define TRIES 5
#define SWEEP_MS 60000
#define FORGET_MS (2 * LOCK_TTL_MAX_MS) /* the bucket has forgotten it too */
#define LIST_MAX 5000u

struct heard {
	char key[LOCK_NAME_MAX + sizeof(PREFIX)];
	struct lock_view view;
	UT_hash_handle hh;
};

enum wish { ACQUIRE, RENEW, RELEASE };

struct lock_question {
	struct lock_api *api;
	struct service_request *request;
	bool protobuf;
	enum wish wish;
	unsigned tries;
	char key[LOCK_NAME_MAX + sizeof(PREFIX)];
	char owner[LOCK_OWNER_MAX + 1];
	uint64_t token;
	int64_t ttl_ms; /* as asked; 0: as before */
	struct lock_value put;
	struct lock_question *prev, *next;
};

struct lock_api {
	struct bus *bus;
	struct kv_watch *watch;
	struct heard *heard;
	struct lock_question *open;
	struct timeout sweep;
};

/* ---- what was heard of each lock ---- */

static void forget(struct lock_api *api, struct heard *h)
{
	HASH_DEL(api->heard, h);
	free(h);
}

/* Notes a word of a key, and when; an old one keeps its time. Returns what is known. */
static struct lock_view hear(struct lock_api *api, const char *key, const struct kv_entry *entry)
{
	struct lock_view v = {.revision = entry->revision, .seen_mono_ms = clock_mono_ms()};
	struct heard *h;
	struct err e;
	HASH_FIND_STR(api->heard, key, h);
	v.held = !entry->deleted && lock_value_read(entry->value, entry->len, &v.value, &e) == 0;
	if (h != NULL && h->view.revision >= entry->revision) {
		return h->view.revision == entry->revision ? h->view : v;
	}
	if (!v.held) {
		if (h != NULL) {
			forget(api, h);
		}
		return v;
	}
	if (h == NULL) {
		h = xcalloc(1, sizeof(*h));
		snprintf(h->key, sizeof(h->key), "%s", key);
		HASH_ADD_STR(api->heard, key, h);
	}
	h->view = v;
	return v;
}

static void on_watched(void *data, const struct kv_entry *entry)
{
	struct lock_api *api = data;
	if (entry->key != NULL && strlen(entry->key) < sizeof(((struct heard *)0)->key)) {
		hear(api, entry->key, entry);
	}
}

static void on_sweep(struct timeout *t)
{
	struct lock_api *api = container_of(t, struct lock_api, sweep);
	int64_t now_ms = clock_mono_ms();
	struct heard *h, *tmp;
	HASH_ITER (hh, api->heard, h, tmp) {
		if (now_ms - h->view.seen_mono_ms > FORGET_MS) {
			forget(api, h);
		}
	}
	timeout_start(t, SWEEP_MS, on_sweep);
}

/* ---- acquire, renew, release ---- */

static void look(struct lock_question *x);

static void close_question(struct lock_question *x)
{
	DL_DELETE(x->api->open, x);
	free(x);
}

static void refuse(struct lock_question *x, const struct err *e)
{
	request_refuse(x->request, e);
	close_question(x);
}

static const char *name_of(const struct lock_question *x)
{
	return x->key + strlen(PREFIX);
}

static void describe(const char *name, const struct lock_value *v, uint64_t token, int64_t left_ms,
					 Millrace__Lock *ret)
{
	millrace__lock__init(ret);
	ret->name = (char *)(uintptr_t)name; /* packed only */
	ret->owner = (char *)(uintptr_t)v->owner;
	ret->token = token;
	ret->ttl_ms = v->ttl_ms;
	ret->left_ms = left_ms;
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct lock_question *x = data;
	Millrace__Lock l;
	if (e != NULL && e->code == ERR_CONFLICT && ++x->tries < TRIES) {
		look(x);
		return;
	}
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	if (x->wish == RELEASE) {
		describe(name_of(x), &x->put, x->token, 0, &l);
	} else {
		describe(name_of(x), &x->put, x->put.token != 0 ? x->put.token : revision, x->put.ttl_ms,
				 &l);
	}
	request_answer_as(x->request, x->protobuf, &l.base);
	close_question(x);
}

static void put(struct lock_question *x, const struct lock_view *v)
{
	CLEANUP(buf_release) struct buf value = {0};
	struct err e;
	lock_value_write(&x->put, &value);
	if (kv_put(x->api->bus, BUCKET, x->key, value.data, value.len, v->revision, on_put, x, &e) <
		0) {
		refuse(x, &e);
	}
}

static void acquire(struct lock_question *x, const struct lock_view *v)
{
	int64_t now_ms = clock_mono_ms();
	enum lock_verdict verdict = lock_judge(v, x->owner, now_ms);
	switch (verdict) {
	case LOCK_BUSY:
		service_fail(x->request, 409,
					 "lock %s: %s has it, for %" PRId64 " ms yet unless it is renewed", name_of(x),
					 v->value.owner, lock_left_ms(v, now_ms));
		close_question(x);
		return;
	case LOCK_TAKE:
	case LOCK_AGAIN:
		break;
	}
	x->put = (struct lock_value){.token = verdict == LOCK_AGAIN ? lock_token(v) : 0,
								 .ttl_ms = x->ttl_ms != 0 ? x->ttl_ms : LOCK_TTL_DEFAULT_MS};
	snprintf(x->put.owner, sizeof(x->put.owner), "%s", x->owner);
	put(x, v);
}

/* Of a holding that the asker names by its token; run out, but nobody's since, it is still that. */
static void go_on(struct lock_question *x, const struct lock_view *v)
{
	struct err e;
	if (!v->held) {
		service_fail(x->request, 404, "lock %s: nobody has it", name_of(x));
		close_question(x);
		return;
	}
	if (lock_token(v) != x->token) {
		service_fail(x->request, 409,
					 "lock %s: token %" PRIu64 " is of a former holding, %s has it with %" PRIu64,
					 name_of(x), x->token, v->value.owner, lock_token(v));
		close_question(x);
		return;
	}
	x->put = v->value;
	x->put.token = x->token;
	if (x->wish == RENEW) {
		x->put.ttl_ms = x->ttl_ms != 0 ? x->ttl_ms : v->value.ttl_ms;
		put(x, v);
	} else if (kv_delete_at(x->api->bus, BUCKET, x->key, v->revision, on_put, x, &e) < 0) {
		refuse(x, &e);
	}
}

static void on_last(void *data, const struct kv_entry *entry, const struct err *e)
{
	struct lock_question *x = data;
	struct lock_view v = {0};
	if (e != NULL && e->code != ERR_NOT_FOUND) {
		refuse(x, e);
		return;
	}
	if (entry != NULL) {
		v = hear(x->api, x->key, entry);
	}
	if (x->wish == ACQUIRE) {
		acquire(x, &v);
	} else {
		go_on(x, &v);
	}
}

static void look(struct lock_question *x)
{
	struct err e;
	if (kv_get_last(x->api->bus, BUCKET, x->key, on_last, x, &e) < 0) {
		refuse(x, &e);
	}
}

/* record's fields are what the three requests have in common; checks them and begins. */
static void begin(struct lock_api *api, struct service_request *r,
				  const struct lock_question *proto, const char *name, int64_t ttl_ms)
{
	struct lock_question *x = xcalloc(1, sizeof(*x));
	struct err e;
	*x = *proto;
	x->api = api;
	x->request = r;
	x->protobuf = request_protobuf(service_message(r));
	DL_APPEND(api->open, x);
	int rc = lock_name_check(name, &e);
	if (rc == 0 && x->wish == ACQUIRE) {
		rc = lock_owner_check(x->owner, &e);
	}
	if (rc == 0 && x->wish != ACQUIRE && x->token == 0) {
		rc = err_set(&e, ERR_INVALID, "token: which holding? acquire told its token");
	}
	if (rc == 0) {
		rc = lock_ttl_check(ttl_ms, 0, &x->ttl_ms, &e);
	}
	if (rc < 0) {
		refuse(x, &e);
		return;
	}
	snprintf(x->key, sizeof(x->key), PREFIX "%s", name);
	look(x);
}

static void on_acquire(void *data, struct service_request *r)
{
	ProtobufCMessage *record = NULL;
	struct lock_question x = {.wish = ACQUIRE};
	struct err e;
	if (request_read(service_message(r), &millrace__lock_acquire__descriptor, &record, &e) < 0) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__LockAcquire *a = (const Millrace__LockAcquire *)record;
	if (strlen(a->owner) > LOCK_OWNER_MAX) {
		service_fail(r, 400, "owner: at most %d characters", LOCK_OWNER_MAX);
	} else {
		snprintf(x.owner, sizeof(x.owner), "%s", a->owner);
		begin(data, r, &x, a->name, a->ttl_ms);
	}
	codec_free(record);
}

static void on_renew(void *data, struct service_request *r)
{
	ProtobufCMessage *record = NULL;
	struct err e;
	if (request_read(service_message(r), &millrace__lock_renew__descriptor, &record, &e) < 0) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__LockRenew *a = (const Millrace__LockRenew *)record;
	begin(data, r, &(struct lock_question){.wish = RENEW, .token = a->token}, a->name, a->ttl_ms);
	codec_free(record);
}

static void on_release(void *data, struct service_request *r)
{
	ProtobufCMessage *record = NULL;
	struct err e;
	if (request_read(service_message(r), &millrace__lock_release__descriptor, &record, &e) < 0) {
		request_refuse(r, &e);
		return;
	}
	const Millrace__LockRelease *a = (const Millrace__LockRelease *)record;
	begin(data, r, &(struct lock_question){.wish = RELEASE, .token = a->token}, a->name, 0);
	codec_free(record);
}

/* ---- list ---- */

static int by_key(const struct heard *a, const struct heard *b)
{
	return strcmp(a->key, b->key);
}

static void on_list(void *data, struct service_request *r)
{
	struct lock_api *api = data;
	ProtobufCMessage *record = NULL;
	struct err e;
	if (request_read(service_message(r), &millrace__lock_list__descriptor, &record, &e) < 0) {
		request_refuse(r, &e);
		return;
	}
	const char *prefix = ((Millrace__LockList *)record)->prefix;
	int64_t now_ms = clock_mono_ms();
	Millrace__LockPage page = MILLRACE__LOCK_PAGE__INIT;
	size_t all = MIN_OF((size_t)HASH_COUNT(api->heard), (size_t)LIST_MAX);
	CLEANUP(free_ptr) Millrace__Lock *locks = xcalloc(all + 1, sizeof(*locks));
	CLEANUP(free_ptr) Millrace__Lock **list = xcalloc(all + 1, sizeof(Millrace__Lock *));
	HASH_SORT(api->heard, by_key);
	page.locks = list;
	for (const struct heard *h = api->heard; h != NULL && page.n_locks < all; h = h->hh.next) {
		const char *name = h->key + strlen(PREFIX);
		int64_t left_ms = lock_left_ms(&h->view, now_ms);
		if (left_ms > 0 && strncmp(name, prefix, strlen(prefix)) == 0) {
			describe(name, &h->view.value, lock_token(&h->view), left_ms, &locks[page.n_locks]);
			list[page.n_locks] = &locks[page.n_locks];
			page.n_locks++;
		}
	}
	request_answer_as(r, request_protobuf(service_message(r)), &page.base);
	codec_free(record);
}

/* ---- owner's side ---- */

int lock_api_open(struct bus *bus, struct lock_api **ret, struct err *e)
{
	struct lock_api *api = xcalloc(1, sizeof(*api));
	int rc = kv_watch(bus, BUCKET, PREFIX ">", on_watched, api, &api->watch, e);
	if (rc < 0) {
		free(api);
		return rc;
	}
	api->bus = bus;
	timeout_init(&api->sweep, bus_timeouts(bus));
	timeout_start(&api->sweep, SWEEP_MS, on_sweep);
	*ret = api;
	return 0;
}

void lock_api_endpoints(struct lock_api *api, struct service_endpoint ret[LOCK_ENDPOINTS])
{
	ret[0] = (struct service_endpoint){"lock-acquire", "api.lock.acquire", NULL, on_acquire, api};
	ret[1] = (struct service_endpoint){"lock-renew", "api.lock.renew", NULL, on_renew, api};
	ret[2] = (struct service_endpoint){"lock-release", "api.lock.release", NULL, on_release, api};
	ret[3] = (struct service_endpoint){"lock-list", "api.lock.list", NULL, on_list, api};
}

void lock_api_close(struct lock_api **apip)
{
	struct lock_api *api = TAKE(*apip);
	struct heard *h, *tmp;
	if (api == NULL) {
		return;
	}
	kv_watch_stop(&api->watch);
	timeout_stop(&api->sweep);
	while (api->open != NULL) {
		close_question(api->open);
	}
	HASH_ITER (hh, api->heard, h, tmp) {
		forget(api, h);
	}
	free(api);
}
