/*
 * The order of a look. It stands alone as the thin middle: what is ill is
 * decided in heal_check, what is to be done in heal_judge, how in
 * heal_actions, and told on events.heal.
 *
 *	each second ──▶ ask broker, database ──▶ check ──▶ judge ──▶ permitted? ──▶ act ──▶ event
 *	each interval ─▶ measure, observe nodes ──▶ (the same)         └─▶ denied ─────────▶ event
 *
 * Goes well: nothing is ill, and nothing is said. Fails: an act fails; that is
 * an event too, and after its cooldown it is tried again. While the broker is
 * silent nothing is judged that was heard through it: nodes that nobody can
 * hear are not ill, and get a while after it is back to be heard again.
 */
#include "scaler/heal.h"

#include <stdio.h>
#include <utlist.h>

#include "common/clock.h"
#include "common/codec.h"
#include "common/log.h"
#include "common/metrics.h"
#include "scaler/heal_event.h"
#include "scaler/outbox.h"
#include "scaler/heal_judge.h"
#include "scaler/heal_observe.h"
#include "scaler/heal_probe.h"
#include "scaler/heal_words.h"

#define TICK_MS 1000
#define HEARD_AGAIN_MS 15000 /* nodes put their status every 2 s */
#define MEASURE_MS 2000      /* longest wait of a manual run for a disk that does not answer */
#define MEASURE_STEP_MS 10
#define FINDINGS_MAX 1024u
#define RUNS_MAX 16u
#define OF_SERVICES (HEAL_BIT(HEAL_BROKER) | HEAL_BIT(HEAL_DATABASE))
#define OF_HOSTS (HEAL_BIT(HEAL_CPU) | HEAL_BIT(HEAL_MEMORY) | HEAL_BIT(HEAL_DISK))
#define OF_NODES (HEAL_ALL_KINDS & ~(OF_SERVICES | OF_HOSTS))

/* A manual run. */
struct run {
	struct heal *heal;
	char by[128];
	unsigned kinds;
	unsigned open; /* acts that have not ended, and the run itself while it looks */
	Millrace__HealEvent **events;
	size_t n;
	int64_t begin_mono_ms;
	heal_on_run_done on_done;
	void *data;
	struct timeout soon;
	struct run *prev, *next;
};

/* An act under way. */
struct deed {
	struct heal *heal;
	struct heal_finding finding;
	enum heal_action action;
	struct run *run; /* or NULL: by itself */
	struct deed *prev, *next;
};

struct heal {
	const struct heal_config *config;
	struct bus *bus;
	struct heal_hooks hooks;
	char name[128];
	struct heal_permissions may;
	struct heal_limits limits;
	char **disks;
	struct heal_probe *probe;
	struct heal_observer *observer;
	struct heal_judge judge;
	struct heal_actions *actions;
	struct outbox *outbox;
	uv_timer_t *timer;
	uint64_t epoch, number;
	bool leading, led_last, initialized, stopped;
	int64_t lost_mono_ms;    /* when it ceased to lead */
	int64_t unheard_mono_ms; /* when the broker was silent last */
	int64_t next_look_mono_ms;
	struct heal_finding found[FINDINGS_MAX]; /* at the last look: services first */
	size_t nservices, nfound;
	int64_t found_wall_ns;
	struct deed *deeds;
	struct run *runs;
	unsigned nruns;
	struct metric *ill;
};

/* ---- events ---- */

static struct heal_told told(struct heal *h, const struct heal_finding *f, enum heal_action a,
							 const struct run *run)
{
	return (struct heal_told){
		.epoch = h->epoch,
		.number = h->number++,
		.at_wall_ns = clock_wall_ns(),
		.scaler = h->name,
		.by = run ? run->by : NULL,
		.host = heal_probe_host(h->probe)->name,
		.finding = f,
		.action = a,
	};
}

static void journal_event(struct heal *h, Millrace__HealEvent *e)
{
	Millrace__HealEventBatch batch = MILLRACE__HEAL_EVENT_BATCH__INIT;
	CLEANUP(buf_release) struct buf packed = {0};
	CLEANUP(free_ptr) char *id = xasprintf("heal/%s", e->id);

	batch.n_events = 1;
	batch.events = &e;
	codec_pack(&batch.base, &packed);
	outbox_add(h->outbox, id, &packed);
}

/* Takes e. */
static void tell(struct heal *h, struct run *run, Millrace__HealEvent *e)
{
	CLEANUP(buf_release) struct buf labels = {0};

	buf_printf(&labels, "action=\"%s\",result=\"%s\"", e->action, e->result);
	metric_add(metric_counter("millrace_scaler_heal_actions_total",
							  "Acts of healing by their result.", labels.data),
			   1);
	log_info("healing", LOG_S("check", e->check), LOG_S("level", e->level), LOG_S("host", e->host),
			 LOG_S("subject", e->subject), LOG_S("action", e->action), LOG_S("result", e->result),
			 LOG_S("reason", e->reason));
	journal_event(h, e);
	if (run) {
		run->events = xreallocarray(run->events, run->n + 1, sizeof(*run->events));
		run->events[run->n++] = e;
	} else {
		codec_free(&e->base);
	}
}

/* ---- manual runs ---- */

static void free_run(struct run *r)
{
	timeout_stop(&r->soon);
	for (size_t i = 0; i < r->n; i++)
		codec_free(&r->events[i]->base);
	free(r->events);
	DL_DELETE(r->heal->runs,
			  r); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	r->heal->nruns--;
	free(r);
}

static void on_run_over(struct timeout *t)
{
	struct run *r = container_of(t, struct run, soon);
	Millrace__HealDone done = MILLRACE__HEAL_DONE__INIT;
	struct heal *h = r->heal;
	char reason[96];

	snprintf(reason, sizeof(reason), "%zu %s after a look at once", r->n,
			 r->n == 1 ? "act" : "acts");
	struct heal_told own = told(h, NULL, HEAL_NONE, r);
	tell(h, r, heal_event_make(&own, "done", reason, clock_mono_ms() - r->begin_mono_ms));
	done.n_events = r->n;
	done.events = r->events;
	if (r->on_done)
		r->on_done(r->data, &done);
	free_run(r);
}

static void leave_run(struct run *r)
{
	if (r && --r->open == 0)
		timeout_start(&r->soon, 0, on_run_over);
}

/* ---- acts ---- */

static void on_done(void *data, bool ok, const char *reason, int64_t took_ms)
{
	struct deed *d = data;
	struct heal *h = d->heal;
	struct heal_told t = told(h, &d->finding, d->action, d->run);

	tell(h, d->run, heal_event_make(&t, ok ? "done" : "failed", reason, took_ms));
	leave_run(d->run);
	DL_DELETE(h->deeds, d); /* NOLINT(clang-analyzer-core.NullDereference): it is in the list */
	free(d);
}

static const struct deed *underway(const struct heal *h, const struct heal_finding *f,
								   enum heal_action a)
{
	for (const struct deed *d = h->deeds; d; d = d->next) {
		if (d->action == a && d->finding.kind == f->kind && str_eq(d->finding.host, f->host) &&
			str_eq(d->finding.subject, f->subject))
			return d;
	}
	return NULL;
}

static void begin(struct heal *h, struct run *run, const struct heal_finding *f, enum heal_action a)
{
	CLEANUP(buf_release) struct buf json = {0};
	struct deed *d = xcalloc(1, sizeof(*d));

	*d = (struct deed){.heal = h, .finding = *f, .action = a, .run = run};
	DL_APPEND(h->deeds, d);
	if (run)
		run->open++;
	if (a == HEAL_ALERT) {
		struct heal_told t = told(h, f, a, run);
		Millrace__HealEvent *e = heal_event_make(&t, "", f->reason, 0);
		codec_to_json_text(&e->base, 0, &json);
		codec_free(&e->base);
	}
	heal_actions_run(h->actions, a, f, json.data, on_done, d);
}

struct look {
	struct heal *heal;
	struct run *run;
};

static void on_verdict(void *data, const struct heal_finding *f, enum heal_action a)
{
	const struct look *l = data;
	struct heal *h = l->heal;
	char reason[320];

	if (a == HEAL_NONE) {
		struct heal_told t = told(h, f, a, l->run);
		tell(h, l->run, heal_event_make(&t, "none", f->reason, 0));
	} else if (!(h->may.actions & HEAL_BIT(a))) {
		struct heal_told t = told(h, f, a, l->run);
		snprintf(reason, sizeof(reason), "heal.permissions does not allow it: %s", f->reason);
		tell(h, l->run, heal_event_make(&t, "denied", reason, 0));
	} else if (underway(h, f, a)) {
		struct heal_told t = told(h, f, a, l->run);
		if (l->run) /* by itself it is not worth a word */
			tell(h, l->run, heal_event_make(&t, "none", "it is under way already", 0));
	} else {
		begin(h, l->run, f, a);
	}
}

/* ---- looking ---- */

static struct heal_view view(struct heal *h)
{
	struct heal_view v = {
		.broker = heal_probe_broker(h->probe),
		.database = heal_probe_database(h->probe),
	};

	heal_observe(h->observer, h->hooks.roster, heal_probe_host(h->probe), clock_mono_ms(), &v);
	return v;
}

/* What may be judged now: see above. */
static unsigned heard_of(const struct heal *h)
{
	bool heard =
		roster_known(h->hooks.roster) && clock_mono_ms() - h->unheard_mono_ms >= HEARD_AGAIN_MS;

	return OF_SERVICES | OF_HOSTS | (heard ? OF_NODES : 0);
}

static size_t ill_of(const struct heal *h)
{
	size_t n = 0;

	for (size_t i = 0; i < h->nfound; i++)
		n += h->found[i].level != HEAL_OK;
	return n;
}

/* Looks at services each time, at the rest where it is due; all of it into found. */
static unsigned look(struct heal *h, bool due)
{
	struct heal_view v = {.broker = heal_probe_broker(h->probe),
						  .database = heal_probe_database(h->probe)};
	struct heal_finding services[2];
	size_t n = heal_check(&v, &h->limits, OF_SERVICES, services, ARRAY_LEN(services));
	unsigned kinds = OF_SERVICES;

	if (due || h->nservices != n) {
		kinds = heard_of(h);
		v = view(h);
		h->nfound =
			n + heal_check(&v, &h->limits, kinds & ~OF_SERVICES, h->found + n, FINDINGS_MAX - n);
	}
	memcpy(h->found, services, n * sizeof(services[0]));
	h->nservices = n;
	h->found_wall_ns = clock_wall_ns();
	metric_set(h->ill, (double)ill_of(h));
	return kinds;
}

static void judge(struct heal *h, unsigned kinds, struct run *run)
{
	struct look l = {h, run};
	size_t n = kinds & ~OF_SERVICES ? h->nfound : h->nservices;

	heal_judge_look(&h->judge, kinds, h->found, n, clock_mono_ms(), run != NULL, on_verdict, &l);
}

/* The lease went with the broker, and nobody can have taken it since. */
static bool may_restart_broker(struct heal *h)
{
	struct heal_service b = heal_probe_broker(h->probe);

	if (h->leading || !h->led_last)
		return false;
	/* It was heard since: whoever leads now leads. */
	if (b.answers && (double)(clock_mono_ms() - h->lost_mono_ms) / 1000.0 > b.silent_s)
		h->led_last = false;
	return h->led_last && !b.answers;
}

static void on_tick(uv_timer_t *t)
{
	struct heal *h = t->data;
	int64_t now_ms = clock_mono_ms();
	bool due = now_ms >= h->next_look_mono_ms;
	unsigned kinds;

	heal_probe_ask(h->probe);
	if (!heal_probe_broker(h->probe).answers) {
		h->unheard_mono_ms = now_ms;
		/* For all who ask the roster: nodes that nobody can hear are not lost. */
		roster_excuse(h->hooks.roster, now_ms);
	}
	if (due) {
		heal_probe_measure(h->probe);
		h->next_look_mono_ms = now_ms + h->config->interval_ns / NS_PER_MS;
	}
	kinds = look(h, due);
	h->initialized |= due && roster_known(h->hooks.roster);
	if (h->leading)
		judge(h, kinds, NULL);
	else if (may_restart_broker(h))
		judge(h, HEAL_BIT(HEAL_BROKER), NULL);
	else
		heal_judge_release(&h->judge);
}

/* ---- the owner's side ---- */

/* Their service closes: acts go on, and are told in the history alone. */
static void forget_askers(struct heal *h)
{
	struct run *r;

	DL_FOREACH (h->runs, r) {
		heal_on_run_done asker = TAKE(r->on_done);
		if (asker)
			asker(r->data, NULL);
	}
}

void heal_lead(struct heal *h, bool leading, uint64_t epoch)
{
	if (!leading)
		forget_askers(h);
	if (h->leading && !leading) {
		h->led_last = true;
		h->lost_mono_ms = clock_mono_ms();
	}
	h->leading = leading;
	if (leading) {
		h->epoch = epoch;
		h->led_last = false;
	}
}

bool heal_leads(const struct heal *h)
{
	return h->leading;
}

/* As soon as the disks were looked at: a run shall see what is now. */
static void on_run_begin(struct timeout *t)
{
	struct run *r = container_of(t, struct run, soon);
	struct heal *h = r->heal;

	if (heal_probe_measuring(h->probe) && clock_mono_ms() - r->begin_mono_ms < MEASURE_MS) {
		timeout_start(t, MEASURE_STEP_MS, on_run_begin);
		return;
	}
	unsigned kinds = look(h, true);
	judge(h, kinds & r->kinds, r);
	leave_run(r);
}

int heal_run(struct heal *h, const char *check, const char *by, heal_on_run_done done, void *data,
			 struct err *e)
{
	bool all = !check || !*check || str_eq(check, "all");
	enum heal_kind kind = all ? HEAL_KINDS : heal_kind_of(check);
	struct run *r;

	if (!all && kind == HEAL_KINDS)
		return err_set(
			e, ERR_INVALID,
			"there is no check '%.40s'; it is cpu, memory, disk, heartbeat, broker, database, "
			"node, agent or errors",
			check);
	if (!h->leading)
		return err_set(e, ERR_CONFLICT, "this scaler does not lead; ask again in a moment");
	if (h->nruns >= RUNS_MAX)
		return err_set(e, ERR_FULL, "%u such runs are under way", RUNS_MAX);
	r = xcalloc(1, sizeof(*r));
	r->heal = h;
	snprintf(r->by, sizeof(r->by), "%s", by ? by : "");
	r->begin_mono_ms = clock_mono_ms();
	r->on_done = done;
	r->data = data;
	r->open = 1;
	timeout_init(&r->soon, bus_timeouts(h->bus));
	DL_APPEND(h->runs, r);
	h->nruns++;
	r->kinds = all ? HEAL_ALL_KINDS : HEAL_BIT(kind);
	heal_probe_measure(h->probe);
	timeout_start(&r->soon, 0, on_run_begin);
	return 0;
}

Millrace__HealStatus *heal_status(const struct heal *h)
{
	Millrace__HealStatus *s = xmalloc(sizeof(*s));

	millrace__heal_status__init(s);
	s->initialized = h->initialized;
	s->checks = xcalloc(h->nfound + 1, sizeof(*s->checks));
	for (size_t i = 0; i < h->nfound; i++) {
		const struct heal_finding *f = &h->found[i];
		Millrace__HealCheck *c = xmalloc(sizeof(*c));
		millrace__heal_check__init(c);
		c->check = xstrdup(heal_kind_name(f->kind));
		c->host = xstrdup(f->host);
		c->subject = xstrdup(f->subject);
		c->level = xstrdup(heal_level_name(f->level));
		c->value = f->value;
		c->limit = f->limit;
		c->at = h->found_wall_ns;
		s->checks[s->n_checks++] = c;
	}
	s->permissions = xcalloc(HEAL_ACTIONS + 1, sizeof(*s->permissions));
	for (unsigned a = HEAL_ALERT; a < HEAL_ACTIONS; a++) {
		if (h->may.actions & HEAL_BIT(a))
			s->permissions[s->n_permissions++] = xstrdup(heal_action_name((enum heal_action)a));
	}
	if (h->may.drop_page_cache)
		s->permissions[s->n_permissions++] = xstrdup("drop_page_cache");
	return s;
}

size_t heal_waiting(const struct heal *h)
{
	return outbox_waiting(h->outbox);
}

static void set_limits(struct heal *h)
{
	const struct heal_config *c = h->config;

	h->limits = (struct heal_limits){
		.cpu = (double)c->cpu,
		.memory = (double)c->memory,
		.disk = (double)c->disk,
		.heartbeat_s = (double)c->heartbeat_ns / 1e9,
		.away_s = (double)c->away_ns / 1e9,
		.failure_rate = (double)c->failure_rate,
		.unhealthy = (double)c->unhealthy,
		.tasks = (uint64_t)c->tasks,
		.restarts = (unsigned)c->restarts,
		.can = heal_actions_can(h->actions),
	};
	h->judge.looks = (unsigned)c->looks;
	h->judge.cooldown_ms = c->cooldown_ns / NS_PER_MS;
}

int heal_new(const struct heal_config *c, struct bus *bus, const struct heal_hooks *hooks,
			 const char *name, struct heal **ret, struct err *e)
{
	struct heal *h = xcalloc(1, sizeof(*h));

	h->config = c;
	h->bus = bus;
	h->hooks = *hooks;
	snprintf(h->name, sizeof(h->name), "%s", name);
	if (heal_permissions_parse(c->permissions, &h->may, e) < 0 ||
		heal_actions_new(c, h->may.drop_page_cache, bus, hooks, &h->actions, e) < 0) {
		free(h);
		return e->code;
	}
	h->number = (uint64_t)(clock_wall_ns() / NS_PER_MS); /* grows over starts, too */
	h->unheard_mono_ms =
		clock_mono_ms() - HEARD_AGAIN_MS; /* the roster tells how old its words are */
	h->disks = heal_list(c->disks);
	h->probe = heal_probe_new(bus, h->disks);
	h->observer = heal_observer_new(c->window_ns / NS_PER_MS);
	h->outbox = outbox_new(bus, "events.heal", "heal");
	h->ill = metric_gauge("millrace_scaler_heal_ill", "Health checks that are not ok.", NULL);
	set_limits(h);
	h->timer = xcalloc(1, sizeof(*h->timer));
	uv_timer_init(bus_loop(bus), h->timer);
	h->timer->data = h;
	uv_timer_start(h->timer, on_tick, TICK_MS, TICK_MS);
	*ret = h;
	return 0;
}

static void on_closed(uv_handle_t *handle)
{
	free(handle);
}

void heal_stop(struct heal *h)
{
	struct run *r;

	if (!h || h->stopped)
		return;
	h->stopped = true;
	forget_askers(h);
	uv_close((uv_handle_t *)h->timer, on_closed);
	DL_FOREACH (h->runs, r)
		timeout_stop(&r->soon);
	heal_probe_stop(h->probe);
	heal_actions_stop(h->actions);
	outbox_stop(h->outbox);
}

void heal_free(struct heal **ph)
{
	struct heal *h = TAKE(*ph);
	struct run *r, *rt;
	struct deed *d, *dt;

	if (!h)
		return;
	heal_actions_free(&h->actions);
	DL_FOREACH_SAFE (h->deeds, d, dt)
		free(d);
	DL_FOREACH_SAFE (h->runs, r, rt)
		free_run(r);
	heal_probe_free(&h->probe);
	heal_observer_free(&h->observer);
	outbox_free(&h->outbox);
	heal_judge_release(&h->judge);
	heal_words_free(h->disks);
	free(h);
}
