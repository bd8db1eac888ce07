/*
 * Reads /proc. A process's time holds that of children that ended and were
 * waited for; those that live are walked. Who ends in between is missed for
 * the moment of one look, not for the sum. What cannot be read counts nothing.
 */
#include "cli/bench_usage.h"

#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <unistd.h>

#define PROCESSES_MAX 8192

struct process {
	int pid, parent;
	double cpu_us; /* its own and of its ended children */
};

static bool read_process(int pid, struct process *ret)
{
	char path[64], text[1024];
	const char *p;
	unsigned long long t[4];
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/stat", pid);
	f = fopen(path, "re");
	if (!f)
		return false;
	p = fgets(text, sizeof(text), f) ? strrchr(text, ')') : NULL;
	fclose(f);
	if (!p || sscanf(p + 1, " %*c %d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu %llu %llu", &ret->parent,
	                 &t[0], &t[1], &t[2], &t[3]) != 5)
		return false;
	ret->pid = pid;
	ret->cpu_us = (double)(t[0] + t[1] + t[2] + t[3]) * 1e6 / (double)sysconf(_SC_CLK_TCK);
	return true;
}

static size_t read_all(struct process *list, size_t max)
{
	DIR *dir = opendir("/proc");
	const struct dirent *entry;
	size_t n = 0;

	while (dir && n < max && (entry = readdir(dir))) {
		int pid = (int)strtol(entry->d_name, NULL, 10);

		if (pid > 0 && read_process(pid, &list[n]))
			n++;
	}
	if (dir)
		closedir(dir);
	return n;
}

/* MiB of one process: "Rss:" or "Pss:" of its mappings' sum. */
static double memory_mib(int pid, const char *what)
{
	char path[64], line[256];
	long kib = 0;
	FILE *f;

	snprintf(path, sizeof(path), "/proc/%d/smaps_rollup", pid);
	f = fopen(path, "re");
	while (f && fgets(line, sizeof(line), f)) {
		if (strncmp(line, what, strlen(what)) == 0)
			kib = strtol(line + strlen(what), NULL, 10);
	}
	if (f)
		fclose(f);
	return (double)kib / 1024;
}

static void add_tree(const struct process *list, size_t n, int pid, const char *memory,
                     struct usage_one *u, unsigned depth)
{
	for (size_t i = 0; i < n; i++) {
		if (list[i].pid == pid) {
			u->cpu_us += list[i].cpu_us;
			u->rss_mib += memory_mib(pid, memory);
		} else if (list[i].parent == pid && depth < 8) {
			add_tree(list, n, list[i].pid, memory, u, depth + 1);
		}
	}
}

static struct usage_one *named(struct usage *u, const char *name)
{
	for (size_t i = 0; i < u->n; i++) {
		if (str_eq(u->one[i].name, name))
			return &u->one[i];
	}
	if (u->n == USAGE_MAX)
		return NULL;
	snprintf(u->one[u->n].name, sizeof(u->one[0].name), "%s", name);
	return &u->one[u->n++];
}

void usage_take(const json_t *components, struct usage *ret)
{
	CLEANUP(free_ptr) struct process *list = xcalloc(PROCESSES_MAX, sizeof(*list));
	size_t n = json_array_size(components) > 0 ? read_all(list, PROCESSES_MAX) : 0;
	const json_t *c;
	size_t i;

	*ret = (struct usage){0};
	json_array_foreach(components, i, c)
	{
		const char *name = json_string_value(json_object_get(c, "name"));
		int pid = (int)json_integer_value(json_object_get(c, "pid"));
		bool node = name && strncmp(name, "node-", 5) == 0;
		struct usage_one *u = name && pid > 0 ? named(ret, node ? "node" : name) : NULL;

		if (u)
			add_tree(list, n, pid, str_eq(name, "postgresql") ? "Pss:" : "Rss:", u, 0);
	}
}

static json_t *rounded(double v)
{
	return json_real(round(v * 10) / 10);
}

json_t *usage_cpu_json(const struct usage *before, const struct usage *after, double tasks)
{
	json_t *j = json_object();

	for (size_t i = 0; i < after->n && i < before->n; i++)
		json_object_set_new(j, after->one[i].name,
		                    rounded((after->one[i].cpu_us - before->one[i].cpu_us) / tasks));
	return j;
}

json_t *usage_rss_json(const struct usage *u)
{
	json_t *j = json_object();

	for (size_t i = 0; i < u->n; i++)
		json_object_set_new(j, u->one[i].name, rounded(u->one[i].rss_mib));
	return j;
}
