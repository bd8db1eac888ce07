/* The files of migrations/, embedded at build time in the order of their numbers. */
#pragma once

#include <stddef.h>

struct migration {
	int version;      /* 1 for 001_schema.sql */
	const char *name; /* "001_schema.sql" */
	const char *sql;  /* NUL-terminated */
};

extern const struct migration migrations[];
extern const size_t migrations_count;
