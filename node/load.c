/*
 * /proc, read every other second. It stands alone so that parsing can be
 * tested on text. Where /proc is not what it was, numbers stay zero and the
 * node works on.
 */
#include "node/load.h"

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <sys/statvfs.h>
#include <unistd.h>

bool load_parse_stat(const char *text, uint64_t *ret_busy, uint64_t *ret_total)
{
	/* user nice system idle iowait irq softirq steal; guests are in user already */
	uint64_t v[8] = {0}, total = 0;

	if (sscanf(text,
			   "cpu %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64 " %" SCNu64
			   " %" SCNu64 " %" SCNu64,
			   &v[0], &v[1], &v[2], &v[3], &v[4], &v[5], &v[6], &v[7]) < 4)
		return false;
	for (size_t i = 0; i < ARRAY_LEN(v); i++)
		total += v[i];
	*ret_busy = total - v[3] - v[4];
	*ret_total = total;
	return true;
}

static bool line_kib(const char *text, const char *key, uint64_t *ret)
{
	const char *at = strstr(text, key);

	return at && sscanf(at + strlen(key), " %" SCNu64, ret) == 1;
}

bool load_parse_meminfo(const char *text, double *ret_percent)
{
	uint64_t total, available;

	if (!line_kib(text, "MemTotal:", &total) || !line_kib(text, "MemAvailable:", &available))
		return false;
	if (!total || available > total)
		return false;
	*ret_percent = 100.0 * (double)(total - available) / (double)total;
	return true;
}

/* The beginning of a /proc file; those read here are made anew at each open. */
static bool read_start(const char *path, char *out, size_t len)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	ssize_t n;

	if (fd < 0)
		return false;
	n = read(fd, out, len - 1);
	close(fd);
	if (n <= 0)
		return false;
	out[n] = '\0';
	return true;
}

double load_disk_percent(uint64_t blocks, uint64_t free_blocks, uint64_t available)
{
	uint64_t used = blocks - MIN_OF(blocks, free_blocks);

	return used + available ? 100.0 * (double)used / (double)(used + available) : 0;
}

void load_look(struct load *l, const char *dir)
{
	char text[4096];
	uint64_t busy, total, pages;

	if (read_start("/proc/stat", text, sizeof(text)) && load_parse_stat(text, &busy, &total)) {
		if (l->total && total > l->total && busy >= l->busy)
			l->cpu_percent = 100.0 * (double)(busy - l->busy) / (double)(total - l->total);
		l->busy = busy;
		l->total = total;
	}
	double percent;
	if (read_start("/proc/meminfo", text, sizeof(text)) && load_parse_meminfo(text, &percent))
		l->memory_percent = percent;
	if (read_start("/proc/self/statm", text, sizeof(text)) &&
		sscanf(text, "%*u %" SCNu64, &pages) == 1)
		l->rss_bytes = pages * (uint64_t)sysconf(_SC_PAGESIZE);
	struct statvfs disk;
	if (!statvfs(dir, &disk))
		l->disk_percent = load_disk_percent(disk.f_blocks, disk.f_bfree, disk.f_bavail);
}
