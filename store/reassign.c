/*
 * api.task.reassign: a task that waits or runs is to run on another node. It
 * stands alone as the order that changes no row: a marker says where the task
 * may run, and everybody who meets the task heeds it.
 *
 * It goes well: the marker stands; a node that runs the task and may not ends
 * it and hands it back unspent, one that is given it hands it back unrun, and
 * the router sends it on with a raised epoch and headers that say where. It
 * fails: no such task or node 404, a task that has ended 409, no other node
 * named and none it runs on 400.
 */
#include <inttypes.h>
#include <stdio.h>

#include "common/codec.h"
#include "common/log.h"
#include "control.pb-c.h"
#include "store/control_internal.h"
#include "common/request.h"

struct reassign {
	struct order order;
	struct marker m;
	Millrace__State state;
	char by[CONTROL_BY_MAX + 1];
};

static void free_reassign(struct order *o)
{
	free(container_of(o, struct reassign, order));
}

static void on_put(void *data, uint64_t revision, const struct err *e)
{
	struct reassign *x = data;
	(void)revision;
	if (e != NULL) {
		struct err why = *e;
		err_wrap(&why, "put a marker into bucket " MARKERS_BUCKET);
		order_refuse(&x->order, &why);
		return;
	}
	log_info("reassign", LOG_S("task", x->m.id), LOG_S("node", x->m.node),
			 LOG_S("not_node", x->m.not_node), LOG_S("by", x->by));
	Millrace__TaskReassigned answer = MILLRACE__TASK_REASSIGNED__INIT;
	answer.id = x->m.id;
	answer.state = x->state;
	answer.node = x->m.node;
	answer.not_node = x->m.not_node;
	order_answer(&x->order, &answer.base);
}

static void refuse(struct reassign *x, int code, const char *words)
{
	service_fail(TAKE(x->order.r), code, "%s", words);
	order_end(&x->order);
}

static void on_row(void *data, const struct pg_rows *rows, size_t n, const struct err *e)
{
	struct reassign *x = data;
	char key[MARKER_KEY_MAX + 1], words[200];
	CLEANUP(buf_release) struct buf value = {0};
	struct err why;
	(void)n;
	if (e != NULL) {
		order_refuse(&x->order, e);
		return;
	}
	if (pg_nrows(rows[0]) == 0) {
		refuse(x, 404, "no such task is stored");
		return;
	}
	x->state = (Millrace__State)pg_get_int(rows[0], 0, 0);
	const char *runs_on = pg_get(rows[0], 0, 1, NULL);
	if (x->state >= MILLRACE__STATE__STATE_COMPLETED) {
		snprintf(words, sizeof(words), "the task has ended: it is %s", pg_get(rows[0], 0, 4, NULL));
		refuse(x, 409, words);
		return;
	}
	if (x->m.node[0] != '\0' && pg_get_int(rows[0], 0, 3) == 0) {
		snprintf(words, sizeof(words), "node: there is no live node %s", x->m.node);
		refuse(x, 404, words);
		return;
	}
	if (x->m.node[0] == '\0' && x->m.not_node[0] == '\0') {
		if (x->state != MILLRACE__STATE__STATE_RUNNING || !token_ok(runs_on, strlen(runs_on))) {
			refuse(x, 400, "it runs nowhere yet: give node or not_node");
			return;
		}
		snprintf(x->m.not_node, sizeof(x->m.not_node), "%s", runs_on);
	}
	x->m.epoch = (uint32_t)((uint64_t)pg_get_int(rows[0], 0, 2) >> 32);
	marker_key(&x->m, key);
	marker_value(&x->m, x->by, &value);
	if (kv_put(x->order.control->bus, MARKERS_BUCKET, key, value.data, value.len, KV_ANY_REVISION,
			   on_put, x, &why) < 0) {
		order_refuse(&x->order, &why);
	}
}

static int begin(struct reassign *x, const Millrace__TaskReassign *q, struct err *e)
{
	if (task_id_check(q->id, e) < 0 ||
		(q->node[0] != '\0' && token_check("node", q->node, e) < 0) ||
		(q->not_node[0] != '\0' && token_check("not_node", q->not_node, e) < 0)) {
		return e->code;
	}
	if (q->node[0] != '\0' && q->not_node[0] != '\0') {
		return err_set(e, ERR_INVALID, "node and not_node exclude each other");
	}
	if (cancels_count(x->order.control->cancels) >= CANCELS_MAX) {
		return err_set(e, ERR_FULL, "%u markers are under way, which is the most; wait",
					   CANCELS_MAX);
	}
	x->m.kind = MARKER_MOVE;
	snprintf(x->m.id, sizeof(x->m.id), "%s", q->id);
	snprintf(x->m.node, sizeof(x->m.node), "%s", q->node);
	snprintf(x->m.not_node, sizeof(x->m.not_node), "%s", q->not_node);
	if (utf8_ok(q->by, strlen(q->by))) {
		snprintf(x->by, sizeof(x->by), "%.*s", CONTROL_BY_MAX, q->by);
	}
	struct pg_param p[] = {PG_ARG(x->m.id), PG_ARG(x->m.node)};
	return pg_query(x->order.control->pg,
					"SELECT state, node, epoch, (SELECT count(*) FROM millrace.nodes WHERE name = "
					"$2::text AND state < 3 AND heartbeat_at > now() - interval '90 seconds'), "
					"millrace.state_name(state) FROM millrace.tasks WHERE id = $1::text",
					p, ARRAY_LEN(p), CONTROL_QUERY_MS, on_row, x, e);
}

void control_reassign(struct control *c, struct service_request *r)
{
	struct reassign *x = xcalloc(1, sizeof(*x));
	ProtobufCMessage *q = NULL;
	struct err e;
	order_begin(c, &x->order, r, free_reassign);
	int rc = request_read(service_message(r), &millrace__task_reassign__descriptor, &q, &e);
	if (rc == 0) {
		rc = begin(x, (const Millrace__TaskReassign *)q, &e);
	}
	codec_free(q);
	if (rc < 0) {
		order_refuse(&x->order, &e);
	}
}
