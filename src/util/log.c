/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/escape.h"

enum { END_MAX = 4096 }; /* bytes */

static enum log_level max_level = LOG_WARN;

void log_set_level(enum log_level level)
{
	max_level = level;
}

bool log_shows(enum log_level level)
{
	return level <= max_level;
}

int log_parse_level(const char *name, enum log_level *ret)
{
	static const char *const names[] = {
		[LOG_ERROR] = "error", [LOG_WARN] = "warn", [LOG_INFO] = "info", [LOG_DEBUG] = "debug"
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		if (strcmp(name, names[i]) == 0) {
			*ret = (enum log_level)i;
			return 0;
		}
	}
	return -EINVAL;
}

void log_msg(enum log_level level, const char *fmt, ...)
{
	static const char prefix[] = "ptcpdump: ";
	/* Room for all of it escaped: where memory is lacking, that is said, too. */
	char text[2048], line[sizeof(prefix) + sizeof(text) * 4];
	struct buf b = { .p = line, .cap = sizeof(line) };
	va_list ap;

	if (!log_shows(level))
		return;
	va_start(ap, fmt);
	if (vsnprintf(text, sizeof(text), fmt, ap) < 0)
		text[0] = '\0';
	va_end(ap);
	buf_puts(&b, prefix);
	/* Names from files, sockets and processes end up here. */
	escape_put(&b, str_of(text), IN_MESSAGE);
	buf_putc(&b, '\n');
	/* One write if it may be, so that lines of several processes do not mix. */
	for (size_t done = 0; done < b.len;) {
		const ssize_t written = write(STDERR_FILENO, b.p + done, b.len - done);

		if (written < 0 && errno != EINTR)
			return;
		done += written > 0 ? (size_t)written : 0;
	}
}

void log_end(enum log_level level, const char *text)
{
	const size_t n = strlen(text);

	for (const char *line = n > END_MAX ? text + n - END_MAX : text; *line;) {
		const size_t len = strcspn(line, "\n");

		if (len)
			log_msg(level, "%.*s", (int)len, line);
		line += len + (line[len] == '\n');
	}
}
