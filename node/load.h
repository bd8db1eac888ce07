/*
 * How busy this machine is, from /proc: processors and memory of the whole
 * machine, as balancing and scaling want to know, and this process's memory.
 */
#pragma once

#include "common/base.h"

struct load {
	uint64_t busy, total;  /* processor ticks since boot, at the last look */
	double cpu_percent;    /* between the last two looks; 0 at the first */
	double memory_percent; /* what is not available */
	uint64_t rss_bytes;    /* this process */
};

/* Reads /proc; what can't be read stays as it was. */
void load_look(struct load *l);

/* Pure, on the text of /proc/stat and /proc/meminfo; false where it isn't that. */
bool load_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total);
bool load_parse_meminfo(const char *text, double *ret_percent);
