/* Records of healing. They stand alone as the one place that knows how a record's strings are owned. */
#include "scaler/heal_event.h"

#include "common/codec.h"

Millrace__HealEvent *heal_event_make(const struct heal_told *t, const char *result,
									 const char *reason, int64_t took_ms)
{
	const struct heal_finding *f = t->finding;
	Millrace__HealEvent *e = xmalloc(sizeof(*e));

	millrace__heal_event__init(e);
	e->id = xasprintf("%llu.%llu", (unsigned long long)t->epoch, (unsigned long long)t->number);
	e->at = t->at_wall_ns;
	e->epoch = t->epoch;
	e->scaler = xstrdup(t->scaler);
	e->host = xstrdup(f && f->host[0] ? f->host : t->host);
	e->check = xstrdup(f ? heal_kind_name(f->kind) : "manual");
	e->level = xstrdup(heal_level_name(f ? f->level : HEAL_OK));
	e->subject = xstrdup(f ? f->subject : "");
	e->value = f ? f->value : 0;
	e->limit = f ? f->limit : 0;
	e->action = xstrdup(heal_action_name(t->action));
	e->result = xstrdup(result);
	e->reason = xstrdup(reason);
	e->took_ms = took_ms;
	e->by = xstrdup(t->by ? t->by : "");
	return e;
}

Millrace__HealEvent *heal_event_copy(const Millrace__HealEvent *e)
{
	CLEANUP(buf_release) struct buf packed = {0};
	ProtobufCMessage *copy = NULL;
	struct err why;

	codec_pack(&e->base, &packed);
	if (codec_unpack(&millrace__heal_event__descriptor, packed.data, packed.len, &copy, &why) < 0)
		abort(); /* it was packed a moment ago */
	return (Millrace__HealEvent *)copy;
}
