/*
 * How busy this machine is, from /proc: processors and memory of the whole
 * machine, as balancing and scaling want to know, this process's memory, and
 * the disk that it works on.
 */
#pragma once

#include "common/base.h"

struct load {
	uint64_t busy, total;  /* processor ticks since boot, at the last look */
	double cpu_percent;    /* between the last two looks; 0 at the first */
	double memory_percent; /* what is not available */
	uint64_t rss_bytes;    /* this process */
	double disk_percent;   /* of the file system of dir: used, of what its user can have */
};

/* Reads /proc, and the file system of dir; what can't be read stays as it was. */
void load_look(struct load *l, const char *dir);

/* Pure, on the text of /proc/stat and /proc/meminfo; false where it isn't that. */
bool load_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total);
bool load_parse_meminfo(const char *text, double *ret_percent);
/* As df tells it: blocks reserved for the superuser are neither used nor to be had. Of nothing: 0. */
double load_disk_percent(uint64_t blocks, uint64_t free_blocks, uint64_t available);
