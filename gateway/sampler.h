/*
 * What the page shows, asked of the components while somebody looks. Each question is under way once at a time, and asked
 * the less often the longer its answer takes.
 */
#pragma once

#include "common/rates.h"
#include "gateway/ask.h"

enum sample {
	SAMPLE_LANES,       /* api.lane.list */
	SAMPLE_SCHEDULED,   /* api.lane.scheduled */
	SAMPLE_NODES,       /* api.node.list */
	SAMPLE_POOLS,       /* api.pool.list */
	SAMPLE_SCALER,      /* api.scaler.status */
	SAMPLE_DECISIONS,   /* api.scaler.history, the newest */
	SAMPLE_STATS,       /* api.task.stats */
	SAMPLE_PING,        /* api.store.ping */
	SAMPLE_HEAL,        /* api.heal.status */
	SAMPLE_PERFORMANCE, /* api.node.performance, where it is wanted */
	SAMPLE_DEAD,        /* the stream DEAD: {"messages"} */
	SAMPLE_METRICS,     /* ctl.metrics of everybody: sampler_rates */
	SAMPLES,
};
#define SAMPLER_DECISIONS 20
#define SAMPLER_BEAT_MS 250

struct sampler_events {
	/* An answer came, or none did. */
	void (*on_sample)(void *data, enum sample which);
	/* Every SAMPLER_BEAT_MS while it samples. */
	void (*on_beat)(void *data);
	void *data;
};

struct sampler;
struct sampler *sampler_new(struct gateway *g, const struct sampler_events *ev);
/* Samples for so long from now. */
void sampler_want(struct sampler *s, int64_t for_ms);
/* And api.node.performance. */
void sampler_want_performance(struct sampler *s, int64_t for_ms);
/* Everything was answered (or was not, in time) since it began to sample. */
bool sampler_settled(const struct sampler *s);
/* The last good answer, borrowed; NULL: the last one was none. */
const json_t *sampler_json(const struct sampler *s, enum sample which);
/* 200; or why there was no good one. 0: not asked yet. */
unsigned sampler_status(const struct sampler *s, enum sample which);
const char *sampler_why(const struct sampler *s, enum sample which);
/* NULL before the first look. */
const struct rates *sampler_rates(const struct sampler *s);
/* The broker came or went: asks at once. */
void sampler_broker(struct sampler *s);
/* Before the bus closes; then no more callbacks. */
void sampler_stop(struct sampler *s);
/* After it has closed. NULL is fine. */
void sampler_free(struct sampler **s);
