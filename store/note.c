/*
 * Events that become rows as they are: one JSON text each, which
 * millrace.put_notes takes apart. It stands alone because these are few and
 * have nothing to be merged: no row type, no oid, and a field more is one in
 * the SQL alone.
 *
 * It goes well: the record is checked, and noted under what tells it from all
 * others, so that a second delivery is the same row. It fails: an event
 * without id or action is refused with a sentence; what only PostgreSQL finds
 * (a count beyond its numbers) is set aside by the writer.
 */
#include "store/note.h"

#include "common/codec.h"
#include "store/records.h"

static void add(struct merge *m, const char *kind, const char *subject, const char *key,
				const ProtobufCMessage *event, int64_t at_wall_ns)
{
	CLEANUP(buf_release) struct buf json = {0};
	buf_printf(&json, "{\"kind\":\"%s\",\"event\":", kind);
	size_t from = json.len;
	codec_to_json_text(event, 0, &json);
	size_t len = json.len - from;
	buf_add(&json, "}", 1);
	merge_note(m, &(struct merge_note){
					  .key = arena_strdup(&m->arena, key),
					  .subject = subject,
					  .event = arena_memdup0(&m->arena, json.data + from, len),
					  .json = arena_memdup0(&m->arena, json.data, json.len),
					  .at_wall_ns = at_wall_ns,
				  });
}

static int check(const char *id, const char *action, struct err *e)
{
	if (id[0] == '\0' || strlen(id) > NAME_MAX_BYTES || action[0] == '\0') {
		return err_set(e, ERR_INVALID, "an event has an id of at most %u bytes and an action",
					   NAME_MAX_BYTES);
	}
	return 0;
}

int note_scale(struct merge *m, Millrace__ScaleEvent *x, int64_t stored_wall_ns, struct err *e)
{
	if (check(x->id, x->action, e) < 0) {
		return e->code;
	}
	x->at = x->at != 0 ? x->at : stored_wall_ns;
	CLEANUP(free_ptr) char *key = xasprintf("scale/%lld/%s", (long long)x->at, x->id);
	add(m, "scale", "events.scale", key, &x->base, x->at);
	return 0;
}

int note_heal(struct merge *m, Millrace__HealEvent *x, int64_t stored_wall_ns, struct err *e)
{
	if (check(x->id, x->action, e) < 0) {
		return e->code;
	}
	x->at = x->at != 0 ? x->at : stored_wall_ns;
	CLEANUP(free_ptr) char *key = xasprintf("heal/%lld/%s", (long long)x->at, x->id);
	add(m, "heal", "events.heal", key, &x->base, x->at);
	return 0;
}

void note_agents(struct merge *m, const Millrace__NodeStatus *n)
{
	if (n->agents_max == 0 && n->n_agents == 0) {
		return;
	}
	bool over = n->state == MILLRACE__NODE_STATE__NODE_STATE_STOPPED;
	Millrace__NodeStatus told = MILLRACE__NODE_STATUS__INIT;
	told.name = n->name;
	told.pool = n->pool;
	told.heartbeat_at = n->heartbeat_at;
	told.agents = n->agents;
	told.n_agents = over ? 0 : n->n_agents;
	CLEANUP(free_ptr) char *key = xasprintf("agents/%s", n->name);
	add(m, "agents", "events.node", key, &told.base, n->heartbeat_at);
}
