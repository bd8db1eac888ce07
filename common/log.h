/*
 * Key=value lines on stderr (or JSON lines). Values are quoted where they
 * must be, so a line can always be split again. Never a payload, never a
 * secret. Libraries log at debug only; one failure is one line, written by
 * whoever decides what happens next.
 *
 *	log_warn("broker away", LOG_S("url", url), LOG_I("retry_ms", 500));
 */
#pragma once

#include "common/base.h"

enum log_level { LOG_DEBUG, LOG_INFO, LOG_WARN, LOG_ERROR };

struct log_field {
	const char *key;
	const char *str; /* NULL: the number counts */
	int64_t num;
};

static inline const char *log_text(const char *s)
{
	return s ? s : "";
}

/* v may be NULL: shown as "". */
#define LOG_S(k, v) {.key = (k), .str = log_text(v)}
#define LOG_I(k, v) {.key = (k), .num = (int64_t)(v)}

/* name is the component's, shown on each line. Call once, before threads. */
void log_init(const char *name);
void log_set_level(enum log_level level);
void log_set_json(bool on);
/* "debug", "info", "warn", "error"; false for anything else. */
bool log_level_parse(const char *text, enum log_level *ret_level);
bool log_enabled(enum log_level level);

/* Safe from any thread; one write(2) a line; keeps errno. */
void log_emit(enum log_level level, const char *event, const struct log_field *fields, size_t n);

#define log_at(level, event, ...)                                                              \
	do {                                                                                       \
		if (log_enabled(level)) {                                                              \
			const struct log_field f_[] = {{0}, ##__VA_ARGS__};                                \
			log_emit((level), (event), f_ + 1, ARRAY_LEN(f_) - 1);                             \
		}                                                                                      \
	} while (0)
#define log_debug(event, ...) log_at(LOG_DEBUG, event, __VA_ARGS__)
#define log_info(event, ...) log_at(LOG_INFO, event, __VA_ARGS__)
#define log_warn(event, ...) log_at(LOG_WARN, event, __VA_ARGS__)
#define log_error(event, ...) log_at(LOG_ERROR, event, __VA_ARGS__)
