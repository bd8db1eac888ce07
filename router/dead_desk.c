/*
 * The requests on api.dead.*, and the plain answers: a page of letters, one
 * letter whole. It stands alone as the place that bounds them: so many at
 * once, so long each, so many letters in memory. It goes well: the request is
 * read, DEAD is walked or asked, one answer. It fails: a request without
 * sense is 400, an absent letter 404, too many at once or no broker 503.
 *
 * One letter by its task's id: the store's row knows where it lies; where no
 * store answers, or knows nothing, DEAD is walked for it.
 */
#include "router/dead_desk.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "router/claims.h"

#define JOBS_MAX 16
#define LIST_DEFAULT 50u
#define LIST_MAX 1000u
#define REPLY_ROOM_BYTES 4096u /* of max_payload, for headers */

struct dead_desk {
	struct router *router;
	struct dead_job *jobs;
	unsigned njobs;
};

/* ---- jobs ---- */

void *dead_job_open(struct router *r, struct service_request *req, size_t size,
					void (*release)(struct dead_job *j))
{
	struct dead_desk *d = r->dead_desk;
	const struct bus_msg *m = service_message(req);
	const char *type = bus_msg_header(m, "Content-Type");
	struct letter_select select;
	struct err e;

	if (d->njobs >= JOBS_MAX) {
		service_fail(req, 503, "too many requests about dead letters are under way; try again");
		return NULL;
	}
	if (letter_select_read(type, bus_msg_data(m), bus_msg_len(m), &select, &e)) {
		service_fail(req, 400, "%s", e.text);
		return NULL;
	}
	struct dead_job *j = xcalloc(1, size);
	j->desk = d;
	j->router = r;
	j->req = req;
	j->protobuf = type && strcasestr(type, "protobuf");
	j->select = select;
	j->began_mono_ms = clock_mono_ms();
	j->release = release;
	DL_APPEND(d->jobs, j);
	d->njobs++;
	return j;
}

static void job_free(struct dead_job *j)
{
	DL_DELETE(j->desk->jobs, j);
	j->desk->njobs--;
	if (j->release)
		j->release(j);
	keep_release(&j->kept);
	free(j);
}

int64_t dead_job_left_ms(const struct dead_job *j)
{
	return j->began_mono_ms + DEAD_BUDGET_MS - clock_mono_ms();
}

static void encode(const struct dead_job *j, const ProtobufCMessage *record, struct buf *out)
{
	buf_reset(out);
	if (j->protobuf)
		codec_pack(record, out);
	else
		codec_to_json_text(record, CODEC_ALL, out);
}

static void reply_text(struct dead_job *j, const struct buf *b)
{
	service_reply(j->req, j->protobuf ? CONTENT_PROTOBUF : CONTENT_JSON, b->data, b->len);
	job_free(j);
}

void dead_job_reply(struct dead_job *j, const ProtobufCMessage *record)
{
	CLEANUP(buf_release) struct buf out = {0};

	encode(j, record, &out);
	reply_text(j, &out);
}

void dead_job_fail(struct dead_job *j, const struct err *e)
{
	int code = e->code == ERR_INVALID     ? 400
			   : e->code == ERR_NOT_FOUND ? 404
			   : e->code == ERR_TIMEOUT   ? 504
			   : e->code == ERR_FAILED    ? 500
										  : 503;

	service_fail(j->req, code, "%s", e->text);
	job_free(j);
}

static size_t room(const struct dead_job *j)
{
	return bus_max_payload(j->router->bus) - REPLY_ROOM_BYTES;
}

/* ---- one letter ---- */

static bool on_one(void *data, const struct letter *l, const struct letter_message *m UNUSED)
{
	struct dead_job *j = data;

	j->select.seq = l->seq;
	return false;
}

static void on_one_end(void *data, uint64_t next_seq UNUSED, const struct err *e)
{
	struct dead_job *j = data;
	struct err none;

	if (!e && !j->select.seq) {
		err_set(&none, ERR_NOT_FOUND,
				"there is no dead letter of task %s: it may have been replayed or discarded, or it "
				"never died",
				j->select.id);
		e = &none;
	}
	j->located(j, j->select.seq, e);
}

static void walk_for_one(struct dead_job *j)
{
	struct dead_scan_events ev = {.on_letter = on_one, .on_end = on_one_end, .data = j};
	struct err e;

	if (dead_scan_start(j->router, &j->select, dead_job_left_ms(j), &ev, &j->scan, &e))
		j->located(j, 0, &e);
}

static void on_looked(void *data, struct bus_msg **m UNUSED, const struct letter_message *lm UNUSED,
					  const struct letter *l, const struct err *e)
{
	struct dead_job *j = data;

	if (!e && str_eq(l->id, j->select.id))
		j->located(j, l->seq, NULL);
	else
		walk_for_one(j);
}

static void on_hint(void *data, uint64_t seq)
{
	struct dead_job *j = data;
	struct err e;

	if (!seq || dead_fetch(j->router, seq, &j->call, on_looked, j, &e))
		walk_for_one(j);
}

/* ERR_FULL and the like of the bus: told later, as everything is. */
void dead_job_locate(struct dead_job *j,
					 void (*located)(struct dead_job *j, uint64_t seq, const struct err *e))
{
	struct err e;

	j->located = located;
	if (j->select.seq)
		located(j, j->select.seq, NULL);
	else if (dead_hint(j->router, j->select.id, &j->call, on_hint, j, &e))
		walk_for_one(j);
}

/* ---- api.dead.get ---- */

static void on_whole(void *data, struct bus_msg **m, const struct letter_message *lm,
					 const struct letter *l, const struct err *e)
{
	struct dead_job *j = data;
	Millrace__DeadLetter record;
	CLEANUP(buf_release) struct buf out = {0};

	if (e) {
		dead_job_fail(j, e);
		return;
	}
	letter_record(l, &j->kept, &record);
	letter_record_headers(lm, &j->kept, &record);
	record.body.data = (uint8_t *)(uintptr_t)bus_msg_data(*m);
	record.body.len = bus_msg_len(*m);
	encode(j, &record.base, &out);
	if (out.len > room(j)) { /* as JSON a megabyte of binary is more; body_bytes tells its size */
		record.body.len = 0;
		encode(j, &record.base, &out);
	}
	if (out.len > room(j)) {
		record.n_headers = 0;
		encode(j, &record.base, &out);
	}
	reply_text(j, &out);
}

static void on_located(struct dead_job *j, uint64_t seq, const struct err *e)
{
	struct err why;

	if (!e && dead_fetch(j->router, seq, &j->call, on_whole, j, &why))
		e = &why;
	if (e)
		dead_job_fail(j, e);
}

void dead_on_get(void *data, struct service_request *req)
{
	struct dead_job *j = dead_job_open(data, req, sizeof(*j), NULL);
	struct err e;

	if (!j)
		return;
	if (letter_select_one(&j->select)) {
		dead_job_locate(j, on_located);
		return;
	}
	err_set(&e, ERR_INVALID, "id: which letter? Give the task's id, or seq:<n>");
	dead_job_fail(j, &e);
}

/* ---- api.dead.list ---- */

struct listing {
	struct dead_job job;
	Millrace__DeadLetter *letters, **list;
	size_t n, limit;
};

static void release_listing(struct dead_job *j)
{
	struct listing *x = (struct listing *)j;

	free(x->letters);
	free(x->list);
}

static bool on_listed(void *data, const struct letter *l, const struct letter_message *m UNUSED)
{
	struct listing *x = data;

	x->list[x->n] = &x->letters[x->n];
	letter_record(l, &x->job.kept, &x->letters[x->n++]);
	return x->n < x->limit;
}

static void on_listed_end(void *data, uint64_t next_seq, const struct err *e)
{
	struct listing *x = data;
	Millrace__DeadPage page = MILLRACE__DEAD_PAGE__INIT;
	CLEANUP(buf_release) struct buf out = {0};
	char cursor[24] = "";

	if (e) {
		dead_job_fail(&x->job, e);
		return;
	}
	page.letters = x->list;
	page.n_letters = x->n;
	for (;;) {
		if (next_seq)
			snprintf(cursor, sizeof(cursor), "%llu", (unsigned long long)next_seq);
		page.next_cursor = cursor;
		encode(&x->job, &page.base, &out);
		if (out.len <= room(&x->job) || page.n_letters <= 1)
			break;
		page.n_letters /= 2;
		next_seq = page.letters[page.n_letters]->seq;
	}
	reply_text(&x->job, &out);
}

void dead_on_list(void *data, struct service_request *req)
{
	struct listing *x = dead_job_open(data, req, sizeof(*x), release_listing);
	struct dead_scan_events ev = {.on_letter = on_listed, .on_end = on_listed_end, .data = x};
	struct err e;

	if (!x)
		return;
	struct letter_select *s = &x->job.select;
	x->limit = s->limit ? s->limit : LIST_DEFAULT;
	if (x->limit > LIST_MAX) {
		err_set(&e, ERR_INVALID, "limit: at most %u", LIST_MAX);
		dead_job_fail(&x->job, &e);
		return;
	}
	x->letters = xcalloc(x->limit, sizeof(*x->letters));
	x->list = xcalloc(x->limit, sizeof(Millrace__DeadLetter *));
	if (dead_scan_start(x->job.router, s, DEAD_BUDGET_MS, &ev, &x->job.scan, &e))
		dead_job_fail(&x->job, &e);
}

/* ---- begin and end ---- */

struct dead_desk *dead_desk_new(struct router *r)
{
	struct dead_desk *d = xcalloc(1, sizeof(*d));

	d->router = r;
	return d;
}

void dead_desk_stop(struct dead_desk *d)
{
	struct dead_job *j;

	if (!d)
		return;
	DL_FOREACH (d->jobs, j)
		dead_scan_stop(&j->scan);
}

/* The requests were answered by service_close. */
void dead_desk_free(struct dead_desk **pd)
{
	struct dead_desk *d = TAKE(*pd);

	if (!d)
		return;
	while (d->jobs)
		job_free(d->jobs);
	free(d);
}
