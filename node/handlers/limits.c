/*
 * The limits of a child process: their names, defaults and the form in
 * which they travel to the launcher. Pure; applying them is exec_child.c's.
 */
#include "node/handlers/limits.h"

#include <inttypes.h>
#include <stdio.h>

#include "common/clock.h"
#include "common/section.h"

#define DAY_NS (86400 * NS_PER_S)
#define TIB (INT64_C(1) << 40)

static const struct config_key keys[] = {
	{"cpu", CONFIG_DURATION, offsetof(struct limits, cpu_ns), "1h", "CPU time of each process", NULL, 0,
     365 * DAY_NS},
	{"memory", CONFIG_SIZE, offsetof(struct limits, memory_bytes), "4GiB", "address space of each process",
     NULL, 0, 64 * TIB},
	{"file_size", CONFIG_SIZE, offsetof(struct limits, file_bytes), "1GiB", "largest file", NULL, 0,
     64 * TIB},
	{"core", CONFIG_SIZE, offsetof(struct limits, core_bytes), "0", "largest core dump", NULL, 0, 64 * TIB},
	{"files", CONFIG_INT, offsetof(struct limits, files), "1024", "open files of each process", NULL, 0,
     1048576},
	{"user_processes", CONFIG_INT, offsetof(struct limits, user_processes), "0", "processes of the user",
     NULL, 0, 4194304},
	{"processes", CONFIG_INT, offsetof(struct limits, processes), "256", "processes of one child", NULL, 0,
     65536},
	{"grace", CONFIG_DURATION, offsetof(struct limits, grace_ns), "5s", "from TERM to KILL", NULL, 0,
     3600 * NS_PER_S},
	{"output", CONFIG_SIZE, offsetof(struct limits, output_bytes), "1MiB", "longest result", NULL, 1,
     1 << 30},
	{0},
};

int limits_read(const struct doc *map, struct limits *ret, struct err *e)
{
	int rc = section_read(doc_get(map, "limits"), keys, NULL, ret, e);
	return rc < 0 ? err_wrap(e, "limits") : 0;
}

void limits_to_words(const struct limits *l, char ***words)
{
	for (const struct config_key *k = keys; k->name; k++) {
		int64_t v = *(const int64_t *)(const void *)((const char *)l + k->offset);
		strings_add(words, xasprintf("%s=%" PRId64, k->name, v));
	}
}

bool limits_from_word(const char *word, struct limits *l)
{
	for (const struct config_key *k = keys; k->name; k++) {
		size_t n = strlen(k->name);
		if (strncmp(word, k->name, n) == 0 && word[n] == '=') {
			char *end;
			*(int64_t *)(void *)((char *)l + k->offset) = strtoll(word + n + 1, &end, 10);
			return *end == '\0' && end != word + n + 1;
		}
	}
	return false;
}
