/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/log.h"

#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <string.h>
#include <unistd.h>

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
	char text[2048] = "ptcpdump: ";
	const size_t prefix = strlen(text);
	size_t len;
	va_list ap;
	int n;

	if (!log_shows(level))
		return;
	va_start(ap, fmt);
	n = vsnprintf(text + prefix, sizeof(text) - prefix - 1, fmt, ap);
	va_end(ap);
	if (n < 0)
		return;
	len = strlen(text);
	/* Names from files, sockets and processes end up here: they must not move the cursor. */
	for (size_t i = prefix; i < len; i++) {
		const unsigned char c = (unsigned char)text[i], next = (unsigned char)text[i + 1];

		if (c < 0x20 || c == 0x7f) {
			text[i] = '?';
		} else if (c == 0xc2 && next >= 0x80 && next < 0xa0) {
			/* C1 (U+0080 to U+009F), a second set of terminal controls */
			text[i] = text[i + 1] = '?';
		}
	}
	text[len++] = '\n';
	/* One write if it may be, so that lines of several processes do not mix. */
	for (size_t done = 0; done < len;) {
		const ssize_t written = write(STDERR_FILENO, text + done, len - done);

		if (written < 0 && errno != EINTR)
			return;
		done += written > 0 ? (size_t)written : 0;
	}
}
