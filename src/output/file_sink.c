/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "output/file.h"
#include "util/caps.h"
#include "util/fd.h"
#include "util/log.h"

enum { SINK_BUFFER = 256 * 1024 };

/* Only what did not exist before is given away: the name may be a link that somebody else put there. Some file systems
 * know no owners. */
static void give_away(int fd, const char *path, const struct stat *st, const struct file_config *config)
{
	/* Made after the drop, it has the right one already. */
	if (!config->set_owner || st->st_uid == config->uid)
		return;
	if (fchown(fd, config->uid, config->gid))
		log_info("%s: can't be given to uid %u: %s", path, config->uid, strerror(errno));
}

/* Where root could, also after root is given up. */
static int open_or_create(const char *path, bool *created)
{
	const int flags = O_WRONLY | O_CREAT | O_CLOEXEC | O_NOCTTY;
	const bool raised = caps_raise(CAP_DAC_OVERRIDE);
	int fd = open(path, flags | O_EXCL, 0666), err;

	*created = fd >= 0;
	if (fd < 0 && errno == EEXIST)
		fd = open(path, flags, 0666);
	err = errno;
	if (raised)
		caps_lower(CAP_DAC_OVERRIDE);
	errno = err;
	return fd;
}

static int open_path(struct sink *s, const char *path, const struct file_config *config, struct stat *st)
{
	bool created = false;

	s->keep_open = strcmp(path, "-") == 0;
	if (s->keep_open)
		s->fd = STDOUT_FILENO;
	else
		s->fd = open_or_create(path, &created);
	if (s->fd < 0 || fstat(s->fd, st))
		return -errno;
	if (S_ISREG(st->st_mode) && config->is_input && config->is_input(config->arg, st))
		return -EDEADLK;
	if (S_ISREG(st->st_mode) && !s->keep_open && ftruncate(s->fd, 0))
		return -errno;
	if (created)
		give_away(s->fd, path, st, config);
	return 0;
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
	s->interrupted = config->interrupted;
	/* Standard output may stand in the middle of a file, or append to one. */
	if (s->regular && s->keep_open) {
		const off_t at = fcntl(s->fd, F_GETFL) & O_APPEND ? st.st_size : lseek(s->fd, 0, SEEK_CUR);

		s->start = at > 0 ? (uint64_t)at : 0;
	}
	return 0;
}

int sink_flush(struct sink *s)
{
	size_t done, whole;
	int ret;

	if (s->fd < 0 || s->len == 0)
		return 0;
	ret = fd_write(s->fd, s->buf, s->len, s->interrupted, &done);
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
