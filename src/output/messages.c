/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/messages.h"

#include <errno.h>
#include <fcntl.h>
#include <string.h>
#include <unistd.h>

#include "util/escape.h"

enum { KEPT_MAX = 64 * 1024, PIECE = 4096 };

int messages_begin(struct messages *m)
{
	int ends[2];

	if (!isatty(STDERR_FILENO))
		return 0;
	if (pipe2(ends, O_CLOEXEC | O_NONBLOCK))
		return -errno;
	m->saved = fcntl(STDERR_FILENO, F_DUPFD_CLOEXEC, STDERR_FILENO + 1);
	/* Not close-on-exec: it is the standard error of programs, too. */
	if (m->saved < 0 || dup3(ends[1], STDERR_FILENO, 0) < 0) {
		const int err = -errno;

		close(ends[0]);
		close(ends[1]);
		if (m->saved >= 0)
			close(m->saved);
		m->saved = -1;
		return err;
	}
	close(ends[1]);
	m->fd = ends[0];
	return 0;
}

bool messages_read(struct messages *m)
{
	char piece[PIECE];
	bool some = false;
	ssize_t n;

	while (m->fd >= 0 && (n = read(m->fd, piece, sizeof(piece))) > 0) {
		const size_t room = KEPT_MAX - m->kept.len, take = (size_t)n < room ? (size_t)n : room;

		buf_put(&m->kept, piece, take);
		m->lost += (size_t)n - take;
		some = true;
	}
	return some;
}

void messages_last(const struct messages *m, struct buf *b)
{
	size_t end = m->kept.len, start;

	while (end && m->kept.p[end - 1] == '\n')
		end--;
	for (start = end; start && m->kept.p[start - 1] != '\n';)
		start--;
	if (end > start)
		escape_put(b, (struct str){ m->kept.p + start, (uint32_t)(end - start) }, IN_MESSAGE);
}

void messages_end(struct messages *m)
{
	size_t done;

	if (m->saved < 0)
		return;
	messages_read(m);
	dup3(m->saved, STDERR_FILENO, 0);
	close(m->saved);
	close(m->fd);
	m->saved = m->fd = -1;
	if (m->lost)
		buf_printf(&m->kept, "ptcpdump: messages of %zu bytes more are left out\n", m->lost);
	buf_flush(&m->kept, STDERR_FILENO, NULL, &done);
	buf_done(&m->kept);
	m->lost = 0;
}
