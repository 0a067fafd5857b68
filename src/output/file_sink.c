/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output/file.h"

enum { SINK_BUFFER = 256 * 1024 };

/* A file that -Z gave away already (this process may have changed to that user since) needs no chown. */
static int give_away(int fd, const struct stat *st, const struct file_config *config)
{
	if (!config->set_owner || (st->st_uid == config->uid && st->st_gid == config->gid))
		return 0;
	return fchown(fd, config->uid, config->gid) ? -errno : 0;
}

static int open_path(struct sink *s, const char *path, const struct file_config *config, struct stat *st)
{
	s->keep_open = strcmp(path, "-") == 0;
	if (s->keep_open)
		s->fd = STDOUT_FILENO;
	else
		s->fd = open(path, O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY, 0666);
	if (s->fd < 0 || fstat(s->fd, st))
		return -errno;
	if (S_ISREG(st->st_mode) && config->is_input && config->is_input(config->arg, st))
		return -EDEADLK;
	if (S_ISREG(st->st_mode) && !s->keep_open && ftruncate(s->fd, 0))
		return -errno;
	return s->keep_open || !S_ISREG(st->st_mode) ? 0 : give_away(s->fd, st, config);
}

int sink_open(struct sink *s, const char *path, const struct file_config *config)
{
	struct stat st;
	int ret = open_path(s, path, config, &st);

	if (!ret && !s->buf) {
		s->cap = SINK_BUFFER;
		s->buf = malloc(s->cap);
		if (!s->buf)
			ret = -ENOMEM;
	}
	if (ret) {
		if (s->fd >= 0 && !s->keep_open)
			close(s->fd);
		s->fd = -1;
		return ret;
	}
	s->len = 0;
	s->flushed = 0;
	s->start = 0;
	s->regular = S_ISREG(st.st_mode);
	/* Standard output may stand in the middle of a file, or append to one. */
	if (s->regular && s->keep_open) {
		const off_t at = fcntl(s->fd, F_GETFL) & O_APPEND ? st.st_size : lseek(s->fd, 0, SEEK_CUR);

		s->start = at > 0 ? (uint64_t)at : 0;
	}
	return 0;
}

/* Writes up to n bytes; *done is how many arrived. */
static int write_all(int fd, const uint8_t *p, size_t n, size_t *done)
{
	for (*done = 0; *done < n;) {
		const ssize_t got = write(fd, p + *done, n - *done);

		if (got > 0) {
			*done += (size_t)got;
		} else if (got == 0) {
			return -EIO;
		} else if (errno == EAGAIN) {
			struct pollfd pfd = { .fd = fd, .events = POLLOUT };

			poll(&pfd, 1, -1);
		} else if (errno != EINTR) {
			return -errno;
		}
	}
	return 0;
}

int sink_flush(struct sink *s)
{
	size_t done, whole;
	int ret;

	if (s->fd < 0 || s->len == 0)
		return 0;
	ret = write_all(s->fd, s->buf, s->len, &done);
	if (!ret) {
		s->flushed += s->len;
		s->len = 0;
		return 0;
	}
	/* A record that was begun would make the whole file look damaged. */
	whole = s->whole(s->buf, done, s->flushed == 0);
	s->flushed += whole;
	s->len = 0;
	if (s->regular && ftruncate(s->fd, (off_t)(s->start + s->flushed)))
		return ret;
	return ret;
}

int sink_reserve(struct sink *s, size_t n, uint8_t **ret)
{
	int err;

	if (s->fd < 0)
		return -EBADF;
	if (s->cap - s->len < n) {
		err = sink_flush(s);
		if (err)
			return err;
	}
	if (s->cap < n) {
		uint8_t *p = realloc(s->buf, n);

		if (!p)
			return -ENOMEM;
		s->buf = p;
		s->cap = n;
	}
	*ret = s->buf + s->len;
	return 0;
}

int sink_put(struct sink *s, const void *p, size_t n)
{
	uint8_t *at;
	const int ret = sink_reserve(s, n, &at);

	if (ret)
		return ret;
	memcpy(at, p, n);
	sink_commit(s, n);
	return 0;
}

int sink_close(struct sink *s)
{
	int ret = sink_flush(s);

	if (s->fd >= 0 && !s->keep_open && close(s->fd) && !ret && errno != EINTR)
		ret = -errno;
	s->fd = -1;
	return ret;
}

void sink_done(struct sink *s)
{
	if (s->fd >= 0 && !s->keep_open)
		close(s->fd);
	s->fd = -1;
	free(s->buf);
	s->buf = NULL;
}
