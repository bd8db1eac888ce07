/*
 * Asking and measuring. It stands alone as the edge between health and the
 * world: everything behind it is figures.
 *
 * The broker answers when JetStream does ($JS.API.INFO): a server that hangs
 * keeps its connection. The database is asked through a store, by a question
 * that only touches the database; where no store answers, nothing is known of
 * it, and while the broker is away its silence does not count.
 */
#include "scaler/heal_probe.h"

#include <stdio.h>
#include <unistd.h>

#include "common/clock.h"
#include "common/jetstream.h"

#define ASK_MS 3000

struct service_state {
	struct bus_call *call;
	bool known, answers;
	int64_t heard_mono_ms; /* answered last; before the first time, when we began to ask */
};

struct disk_look {
	struct heal_probe *of; /* NULL: nobody waits for it any more */
	uv_fs_t req;
	const char *path;
};

struct heal_probe {
	struct bus *bus;
	char *const *disks;
	struct service_state broker, database;
	struct heal_host host;
	uint64_t busy, total; /* processor time at the last look, ms */
	struct disk_look *looking;
	size_t disk; /* the one that is looked at */
	double fullest;
	char fullest_path[256];
	bool stopped;
};

/* ---- broker and database ---- */

static void heard(struct service_state *s, bool answers)
{
	s->known = true;
	s->answers = answers;
	if (answers)
		s->heard_mono_ms = clock_mono_ms();
}

static void on_info(void *data, struct bus_msg **m, const struct err *e)
{
	struct heal_probe *p = data;

	(void)m;
	p->broker.call = NULL;
	heard(&p->broker, e == NULL);
}

static void on_pong(void *data, struct bus_msg **m, const struct err *e)
{
	struct heal_probe *p = data;

	p->database.call = NULL;
	if (!e)
		heard(&p->database, bus_msg_header(*m, "Nats-Service-Error-Code") == NULL);
	else if (p->broker.answers)
		p->database.known = false; /* no store */
}

static void ask(struct heal_probe *p, struct service_state *s, const char *subject,
				bus_on_reply on_reply)
{
	struct err e;

	if (s->call || p->stopped)
		return;
	if (bus_request(p->bus, &(struct bus_out){.subject = subject, .wants_nobody = true}, ASK_MS,
					on_reply, p, &s->call, &e) < 0)
		s->call = NULL;
}

void heal_probe_ask(struct heal_probe *p)
{
	if (!bus_is_up(p->bus)) {
		heard(&p->broker, false);
		bus_call_cancel(&p->broker.call);
	} else {
		ask(p, &p->broker, "$JS.API.INFO", on_info);
	}
	if (p->broker.answers) {
		ask(p, &p->database, "api.store.ping", on_pong);
	} else { /* whatever it does, nobody could tell us */
		bus_call_cancel(&p->database.call);
		p->database.heard_mono_ms = clock_mono_ms();
	}
}

static struct heal_service told(const struct service_state *s)
{
	return (struct heal_service){
		.known = s->known,
		.answers = s->answers,
		.silent_s = (double)(clock_mono_ms() - s->heard_mono_ms) / 1000.0,
	};
}

struct heal_service heal_probe_broker(const struct heal_probe *p)
{
	return told(&p->broker);
}

struct heal_service heal_probe_database(const struct heal_probe *p)
{
	return told(&p->database);
}

/* ---- this host ---- */

static void measure_cpu(struct heal_probe *p)
{
	uv_cpu_info_t *cpu = NULL;
	uint64_t busy = 0, total = 0;
	int n = 0;

	if (uv_cpu_info(&cpu, &n) < 0)
		return;
	for (int i = 0; i < n; i++) {
		uint64_t b = cpu[i].cpu_times.user + cpu[i].cpu_times.nice + cpu[i].cpu_times.sys +
					 cpu[i].cpu_times.irq;
		busy += b;
		total += b + cpu[i].cpu_times.idle;
	}
	uv_free_cpu_info(cpu, n);
	if (p->total > 0 && total > p->total && busy >= p->busy)
		p->host.cpu = 100.0 * (double)(busy - p->busy) / (double)(total - p->total);
	p->busy = busy;
	p->total = total;
}

static void look_at_disk(struct heal_probe *p);

static void on_disk(uv_fs_t *r)
{
	struct disk_look *d = container_of(r, struct disk_look, req);
	struct heal_probe *p = d->of;
	const uv_statfs_t *s = r->ptr;

	if (p && r->result == 0 && s->f_blocks > 0) {
		/* As df counts: what only root may use is neither used nor free. */
		uint64_t used = s->f_blocks - s->f_bfree, usable = used + s->f_bavail;
		double percent = usable > 0 ? 100.0 * (double)used / (double)usable : 0;
		if (percent > p->fullest) {
			p->fullest = percent;
			snprintf(p->fullest_path, sizeof(p->fullest_path), "%s", d->path);
		}
	}
	uv_fs_req_cleanup(r);
	free(d);
	if (!p)
		return;
	p->looking = NULL;
	p->disk++;
	look_at_disk(p);
}

static void look_at_disk(struct heal_probe *p)
{
	struct disk_look *d;

	if (p->stopped)
		return;
	if (!p->disks[p->disk]) {
		p->host.disk = p->fullest;
		memcpy(p->host.disk_path, p->fullest_path, sizeof(p->host.disk_path));
		return;
	}
	d = xcalloc(1, sizeof(*d));
	d->of = p;
	d->path = p->disks[p->disk];
	p->looking = d;
	if (uv_fs_statfs(bus_loop(p->bus), &d->req, d->path, on_disk) < 0) {
		p->looking = NULL;
		free(d);
	}
}

void heal_probe_measure(struct heal_probe *p)
{
	uint64_t all = uv_get_total_memory(), available = uv_get_free_memory(); /* MemAvailable */

	measure_cpu(p);
	if (all > 0 && available <= all)
		p->host.memory = 100.0 * (double)(all - available) / (double)all;
	if (p->looking)
		return;
	p->disk = 0;
	p->fullest = -1;
	p->fullest_path[0] = '\0';
	look_at_disk(p);
}

bool heal_probe_measuring(const struct heal_probe *p)
{
	return p->looking != NULL;
}

const struct heal_host *heal_probe_host(const struct heal_probe *p)
{
	return &p->host;
}

/* ---- life ---- */

struct heal_probe *heal_probe_new(struct bus *bus, char *const *disks)
{
	struct heal_probe *p = xcalloc(1, sizeof(*p));

	p->bus = bus;
	p->disks = disks;
	p->broker.heard_mono_ms = p->database.heard_mono_ms = clock_mono_ms();
	/* Until they were asked nothing speaks against them. */
	p->broker.known = p->broker.answers = p->database.known = p->database.answers = true;
	p->host.cpu = p->host.memory = p->host.disk = -1;
	p->host.local = true;
	if (gethostname(p->host.name, sizeof(p->host.name) - 1))
		p->host.name[0] = '\0';
	return p;
}

void heal_probe_stop(struct heal_probe *p)
{
	if (!p)
		return;
	p->stopped = true;
	bus_call_cancel(&p->broker.call);
	bus_call_cancel(&p->database.call);
	if (p->looking)
		p->looking->of = NULL;
	p->looking = NULL;
}

void heal_probe_free(struct heal_probe **pp)
{
	free(TAKE(*pp));
}
