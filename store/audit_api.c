/*
 * Questions about the audit. Apart from audit.c, because any store answers
 * them, from the row in millrace.audit, whichever of them made the pass.
 * Before the first pass the answer is an audit with pass 0.
 */
#include "store/audit_api.h"

#include <utlist.h>

#include "common/codec.h"
#include "proto/audit.pb-c.h"
#include "common/request.h"

#define QUERY_TIMEOUT_MS 10000

struct audit_question {
	struct audit_api *api;
	struct service_request *request;
	bool protobuf;
	struct audit_question *prev, *next;
};

static struct audit_question *open_question(struct audit_api *api, struct service_request *r)
{
	struct audit_question *x = xcalloc(1, sizeof(*x));
	*x = (struct audit_question){api, r, request_protobuf(service_message(r))};
	DL_APPEND(api->open, x);
	return x;
}

static void close_question(struct audit_question *x)
{
	DL_DELETE(x->api->open, x);
	free(x);
}

static void refuse(struct audit_question *x, const struct err *e)
{
	request_refuse(x->request, e);
	close_question(x);
}

static void on_report(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit_question *x = data;
	ProtobufCMessage *record = NULL;
	struct err why;
	size_t len;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	const char *text = pg_get(rows[0], 0, 0, &len);
	if (codec_from_json_text(&millrace__audit__descriptor, len > 0 ? text : "{}", len > 0 ? len : 2,
							 CODEC_LENIENT, &record, &why) < 0) {
		refuse(x, &why);
		return;
	}
	Millrace__Audit *a = (Millrace__Audit *)record;
	a->pass = (uint64_t)pg_get_int(rows[0], 0, 1);
	a->repaired_total = (uint64_t)pg_get_int(rows[0], 0, 2);
	request_answer_as(x->request, x->protobuf, &a->base);
	codec_free(record);
	close_question(x);
}

static void on_get(void *data, struct service_request *r)
{
	struct audit_api *api = data;
	struct audit_question *x = open_question(api, r);
	struct err e;
	if (pg_query(api->pg, "SELECT report, pass, repaired FROM millrace.audit", NULL, 0,
				 QUERY_TIMEOUT_MS, on_report, x, &e) < 0) {
		refuse(x, &e);
	}
}

static void on_wanted(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct audit_question *x = data;
	(void)n;
	if (e != NULL) {
		refuse(x, e);
		return;
	}
	Millrace__AuditWanted w = MILLRACE__AUDIT_WANTED__INIT;
	w.pass = (uint64_t)pg_get_int(rows[0], 0, 0);
	request_answer_as(x->request, x->protobuf, &w.base);
	close_question(x);
}

static void on_run(void *data, struct service_request *r)
{
	struct audit_api *api = data;
	struct audit_question *x = open_question(api, r);
	ProtobufCMessage *record = NULL;
	struct err e;
	int rc = request_read(service_message(r), &millrace__audit_run__descriptor, &record, &e);
	if (rc == 0) {
		struct pg_param p = PG_ARG(((Millrace__AuditRun *)record)->repair ? "t" : "f");
		rc = pg_query(api->pg, "SELECT millrace.audit_want($1::bool)", &p, 1, QUERY_TIMEOUT_MS,
					  on_wanted, x, &e);
	}
	if (rc < 0) {
		refuse(x, &e);
	}
	codec_free(record);
}

void audit_api_endpoints(struct audit_api *api, struct service_endpoint ret[AUDIT_ENDPOINTS])
{
	ret[0] = (struct service_endpoint){"audit-get", "api.audit.get", NULL, on_get, api};
	ret[1] = (struct service_endpoint){"audit-run", "api.audit.run", NULL, on_run, api};
}

void audit_api_release(struct audit_api *api)
{
	while (api->open != NULL) {
		close_question(api->open);
	}
}
