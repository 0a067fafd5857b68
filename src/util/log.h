/* SPDX-License-Identifier: BSD-3-Clause */
/* Messages for the user on stderr, one line each: "ptcpdump: text". Control characters are escaped. */
#ifndef UTIL_LOG_H
#define UTIL_LOG_H

#include <stdbool.h>

enum log_level { LOG_ERROR, LOG_WARN, LOG_INFO, LOG_DEBUG };

/* Messages above this level are not shown; the default is LOG_WARN. */
void log_set_level(enum log_level level);
bool log_shows(enum log_level level);
/* "debug", "info", "warn", "error"; returns 0, or -EINVAL and leaves the level as it was. */
int log_parse_level(const char *name, enum log_level *ret);
void log_msg(enum log_level level, const char *fmt, ...) __attribute__((format(printf, 2, 3)));

/* The end of a text of many lines, as a verifier's log is: there it tells what was wrong. A message for each line. */
void log_end(enum log_level level, const char *text);

#define log_error(...) log_msg(LOG_ERROR, __VA_ARGS__)
#define log_warn(...) log_msg(LOG_WARN, __VA_ARGS__)
#define log_info(...) log_msg(LOG_INFO, __VA_ARGS__)
#define log_debug(...) log_msg(LOG_DEBUG, __VA_ARGS__)

#endif
