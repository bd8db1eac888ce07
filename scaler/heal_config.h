/* What can be configured about healing. */
#pragma once

#include "common/clock.h"
#include "common/config.h"

struct heal_config {
	int64_t interval_ns, away_ns, cooldown_ns, heartbeat_ns, window_ns, temp_age_ns, timeout_ns;
	int64_t looks, cpu, memory, disk, failure_rate, unhealthy, tasks, restarts, keep_logs;
	char *permissions;
	char *restart_broker, *restart_database, *alert_command;
	char *disks, *directories, *log_directories, *log;
};

/* clang-format off */
/* Keys heal.*; member is a struct heal_config of type. */
#define HEAL_CONFIG_KEYS(type, member)                                                               \
	{"heal.interval", CONFIG_DURATION, offsetof(type, member.interval_ns), "10s",                    \
	 "between two looks at hosts and nodes; broker and database are looked at each second", NULL, NS_PER_S, 3600 * NS_PER_S}, \
	{"heal.looks", CONFIG_INT, offsetof(type, member.looks), "3",                                    \
	 "looks in a row at which a check must be ill before it is acted on", NULL, 1, 1000},            \
	{"heal.cooldown", CONFIG_DURATION, offsetof(type, member.cooldown_ns), "5m",                     \
	 "before the same act is done again about the same thing", NULL, NS_PER_S, 86400 * NS_PER_S},    \
	{"heal.cpu", CONFIG_INT, offsetof(type, member.cpu), "90",                                       \
	 "percent of a host's processors above which is a warning", NULL, 1, 100},                       \
	{"heal.memory", CONFIG_INT, offsetof(type, member.memory), "85",                                 \
	 "percent of a host's memory above which is critical", NULL, 1, 100},                            \
	{"heal.disk", CONFIG_INT, offsetof(type, member.disk), "90",                                     \
	 "percent of a disk above which is critical", NULL, 1, 100},                                     \
	{"heal.heartbeat", CONFIG_DURATION, offsetof(type, member.heartbeat_ns), "60s",                  \
	 "silence of a node above which is critical; under 2m, for then it is forgotten", NULL, 10 * NS_PER_S, 120 * NS_PER_S}, \
	{"heal.away", CONFIG_DURATION, offsetof(type, member.away_ns), "15s",                            \
	 "silence of broker or database after which it is restarted, where a command is set", NULL, NS_PER_S, 86400 * NS_PER_S}, \
	{"heal.failure_rate", CONFIG_INT, offsetof(type, member.failure_rate), "20",                     \
	 "percent of all tasks that fail: from there on a warning", NULL, 1, 100},                       \
	{"heal.unhealthy", CONFIG_INT, offsetof(type, member.unhealthy), "50",                           \
	 "percent of a node's tasks that fail while the rest of its pool does well: it is "              \
	 "drained", NULL, 1, 100},                                                                       \
	{"heal.tasks", CONFIG_INT, offsetof(type, member.tasks), "20",                                   \
	 "so many tasks must have ended within the window, else a rate says nothing", NULL, 1, 1000000}, \
	{"heal.restarts", CONFIG_INT, offsetof(type, member.restarts), "5",                              \
	 "starts of one node within the window that are a warning; 0: none", NULL, 0, 100000},           \
	{"heal.window", CONFIG_DURATION, offsetof(type, member.window_ns), "5m",                         \
	 "over which failures and starts are counted", NULL, 10 * NS_PER_S, 86400 * NS_PER_S},           \
	{"heal.permissions", CONFIG_STRING, offsetof(type, member.permissions),                          \
	 "alert,clean_temp,clear_caches,remove_stale,quarantine,restart_node,restart_broker,"            \
	 "restart_database",                                                                             \
	 "acts that are allowed, comma-separated, or none; also drop_page_cache (as root, "              \
	 "with clear_caches)"},                                                                          \
	{"heal.restart_broker", CONFIG_STRING, offsetof(type, member.restart_broker), NULL,              \
	 "command that restarts the broker, no shell: an absolute path and its arguments, "              \
	 "separated by commas, or by blanks where there is no comma; nothing is quoted"},                \
	{"heal.restart_database", CONFIG_STRING, offsetof(type, member.restart_database), NULL,          \
	 "command that restarts PostgreSQL, in the same form"},                                          \
	{"heal.alert_command", CONFIG_STRING, offsetof(type, member.alert_command), NULL,                \
	 "command that is run for each alert, in the same form; the event is JSON on its stdin"},        \
	{"heal.command_timeout", CONFIG_DURATION, offsetof(type, member.timeout_ns), "60s",              \
	 "longest run of such a command; then it is ended", NULL, NS_PER_S, 3600 * NS_PER_S},            \
	{"heal.log", CONFIG_STRING, offsetof(type, member.log), NULL,                                    \
	 "file to which commands write; default the scaler's own stderr"},                               \
	{"heal.disks", CONFIG_STRING, offsetof(type, member.disks), "/",                                 \
	 "directories whose disks are watched on the scaler's host, comma-separated"},                   \
	{"heal.directories", CONFIG_STRING, offsetof(type, member.directories), NULL,                    \
	 "directories in which nodes leave temporary files, comma-separated; default $TMPDIR, "          \
	 "else /tmp"},                                                                                   \
	{"heal.temp_age", CONFIG_DURATION, offsetof(type, member.temp_age_ns), "1h",                     \
	 "how long a task's directory must be untouched, without a process in it, to be left "           \
	 "over", NULL, 60 * NS_PER_S, 365 * 86400 * NS_PER_S},                                           \
	{"heal.logs", CONFIG_STRING, offsetof(type, member.log_directories), NULL,                       \
	 "directories whose rotated logs may be removed, comma-separated; default none"},                \
	{"heal.keep_logs", CONFIG_INT, offsetof(type, member.keep_logs), "5",                            \
	 "rotated files of each log that are kept there", NULL, 0, 100000}
/* clang-format on */
