/*
 * What a simulated pool waits for: a queue of times, and a heap of the ends
 * of what runs.
 */
#pragma once

#include "common/base.h"

struct sim_queue {
	double *items;
	size_t first, len, size;
};
size_t sim_queue_len(const struct sim_queue *q);
double sim_queue_first(const struct sim_queue *q);
void sim_queue_push(struct sim_queue *q, double at_s);
double sim_queue_pop(struct sim_queue *q);
void sim_queue_release(struct sim_queue *q);

struct sim_end {
	double at_s, service_s;
	unsigned node;
};
struct sim_heap {
	struct sim_end *items;
	size_t len, size;
};
size_t sim_heap_len(const struct sim_heap *h);
struct sim_end sim_heap_first(const struct sim_heap *h);
void sim_heap_push(struct sim_heap *h, struct sim_end end);
struct sim_end sim_heap_pop(struct sim_heap *h);
void sim_heap_release(struct sim_heap *h);
