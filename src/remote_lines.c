/* SPDX-License-Identifier: BSD-3-Clause */
#include "remote_lines.h"

#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/buf.h"
#include "util/escape.h"

static void finish(struct remote_lines *l)
{
	static const char mark[] = "...";

	if (l->n && l->line[l->n - 1] == '\r')
		l->n--;
	if (l->cut)
		memcpy(&l->line[REMOTE_LINE_MAX - sizeof(mark) + 1], mark, sizeof(mark) - 1);
	l->line[l->n] = '\0';
	l->n = 0;
	l->cut = false;
}

bool remote_lines_put(struct remote_lines *l, char c)
{
	if (c == '\n') {
		finish(l);
		return true;
	}
	/* It would end the text early. */
	if (c == '\0')
		c = '?';
	if (l->n < REMOTE_LINE_MAX)
		l->line[l->n++] = c;
	else
		l->cut = true;
	return false;
}

bool remote_lines_end(struct remote_lines *l)
{
	const bool some = l->n > 0;

	finish(l);
	return some;
}

static void say(const char *host, const char *text)
{
	struct buf b = { 0 };
	size_t done;

	escape_put(&b, str_of(host), IN_NAMES);
	buf_puts(&b, ": ");
	escape_put(&b, str_of(text), IN_MESSAGE);
	buf_putc(&b, '\n');
	/* At once, so that those of several hosts do not mix; who has closed our standard error misses it. */
	buf_flush(&b, STDERR_FILENO, NULL, &done);
	buf_done(&b);
}

/* "N packet[s] WHAT" and nothing else. */
static bool counts(const char *line, const char *what, uint64_t *n)
{
	char *end;

	if (*line < '0' || *line > '9')
		return false;
	*n = strtoull(line, &end, 10);
	if (strncmp(end, " packet", 7) != 0)
		return false;
	end += 7;
	end += *end == 's';
	return *end == ' ' && strcmp(end + 1, what) == 0;
}

static bool take_count(struct remote_messages *m, const char *line)
{
	struct remote_counts *c = &m->counts;
	const struct {
		const char *what;
		uint64_t *n;
	} order[] = {
		{ "captured", &c->captured },
		{ "received by filter", &c->received },
		{ "dropped by kernel", &c->dropped },
	};
	uint64_t n;

	if (c->known >= sizeof(order) / sizeof(order[0]) || !counts(line, order[c->known].what, &n))
		return false;
	*order[c->known].n = n;
	c->known++;
	return true;
}

static void say_counts(const struct remote_messages *m)
{
	char text[160];

	snprintf(text, sizeof(text),
		 "%" PRIu64 " packet%s captured, %" PRIu64 " received by filter, %" PRIu64 " dropped by kernel",
		 m->counts.captured, m->counts.captured == 1 ? "" : "s", m->counts.received, m->counts.dropped);
	say(m->host, text);
}

static void take_line(struct remote_messages *m)
{
	static const char program[] = "ptcpdump: ";
	const char *line = m->lines.line;

	m->sudo |= strncmp(line, "sudo:", 5) == 0;
	if (take_count(m, line)) {
		if (m->counts.known == 3)
			say_counts(m);
		return;
	}
	if (*line == '\0' || m->said > REMOTE_LINES_SAID)
		return;
	if (m->said++ == REMOTE_LINES_SAID)
		line = "its other messages are left out";
	/* That it is the same program goes without saying. */
	say(m->host, strncmp(line, program, sizeof(program) - 1) == 0 ? line + sizeof(program) - 1 : line);
}

void remote_messages_put(struct remote_messages *m, const char *p, size_t n)
{
	for (size_t i = 0; i < n; i++) {
		if (remote_lines_put(&m->lines, p[i]))
			take_line(m);
	}
}

void remote_messages_end(struct remote_messages *m)
{
	if (remote_lines_end(&m->lines))
		take_line(m);
}
