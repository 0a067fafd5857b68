/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <fcntl.h>
#include <linux/magic.h>
#include <stdlib.h>
#include <string.h>
#include <sys/vfs.h>
#include <unistd.h>

#include "output/file.h"
#include "util/fd.h"
#include "util/log.h"

/*
 * Page caches take an aligned power of two as one piece of memory. Larger ones are no cheaper, until from 2 MB on they are ten
 * times as expensive.
 */
enum { PIECE = 256 * 1024, SINK_BUFFER = PIECE + 128 * 1024, AHEAD = 4 * 1024 * 1024 };

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

/*
 * Root is refused what the user has that it becomes: one's file of the last time in /tmp (fs.protected_regular of proc(5)),
 * or what is on a server that maps root to nobody. With no more than that user's rights, then.
 */
static int open_as_user(const struct sink_place *place, const struct file_config *config, bool *made)
{
	struct folder folder = *place->folder;

	if (!config->set_owner || !config->uid || folder.uid || geteuid() != 0)
		return -EACCES;
	folder.uid = config->uid;
	return folder_file(&folder, place->name, O_NOCTTY, 0666, place->first, made);
}

static int open_path(struct sink *s, const struct sink_place *place, const struct file_config *config, struct stat *st)
{
	bool made = false;
	int fd = STDOUT_FILENO;

	s->keep_open = strcmp(place->name, "-") == 0;
	if (!s->keep_open)
		fd = folder_file(place->folder, place->name, O_NOCTTY, 0666, place->first, &made);
	if (fd == -EACCES)
		fd = open_as_user(place, config, &made);
	s->fd = fd;
	s->existed = fd >= 0 && !made;
	if (fd < 0)
		return fd;
	if (fstat(fd, st))
		return -errno;
	if (S_ISREG(st->st_mode) && config->is_input && config->is_input(config->arg, st))
		return -EDEADLK;
	/* What was cut, ext4 writes to the disk when it is closed, while we wait. */
	if (S_ISREG(st->st_mode) && !s->keep_open && !made && ftruncate(fd, 0))
		return -errno;
	if (made)
		give_away(fd, place->name, st, config);
	return 0;
}

/* Where it pays: ext4 looks for room for each block that is written, unless it was asked for many of them before. */
static bool allocates_by_block(int fd)
{
	struct statfs fs;

	return fstatfs(fd, &fs) == 0 && fs.f_type == EXT4_SUPER_MAGIC;
}

static uint64_t position(const struct sink *s)
{
	return s->start + s->flushed;
}

/* buf holds records from now on, the file all before. */
static void begin_records(struct sink *s)
{
	s->len = s->torn = s->last = 0;
	if (s->due != SIZE_MAX)
		s->due = PIECE - position(s) % PIECE;
}

static int fail(struct sink *s, int err)
{
	if (s->fd >= 0 && !s->keep_open)
		close(s->fd);
	s->fd = -1;
	return err;
}

/* Its file is open. */
static int sink_begin(struct sink *s, const struct stat *st, const struct file_config *config)
{
	if (!s->buf) {
		s->cap = SINK_BUFFER;
		s->buf = malloc(s->cap);
	}
	if (!s->buf)
		return fail(s, -ENOMEM);
	s->packets = 0;
	s->unsure = false;
	s->flushed = 0;
	s->start = 0;
	s->allocated = 0;
	s->regular = S_ISREG(st->st_mode);
	s->interrupted = config->interrupted;
	s->due = s->regular && !s->keep_open && config->in_turns ? 0 : SIZE_MAX;
	s->ahead = s->due != SIZE_MAX && allocates_by_block(s->fd);
	/* Standard output may stand in the middle of a file, or append to one. */
	if (s->regular && s->keep_open) {
		const off_t at = fcntl(s->fd, F_GETFL) & O_APPEND ? st->st_size : lseek(s->fd, 0, SEEK_CUR);

		s->start = at > 0 ? (uint64_t)at : 0;
	}
	begin_records(s);
	return 0;
}

int sink_open(struct sink *s, const struct sink_place *place, const struct file_config *config)
{
	struct stat st;
	const int ret = open_path(s, place, config, &st);

	return ret ? fail(s, ret) : sink_begin(s, &st, config);
}

int sink_take(struct sink *s, int fd, const struct file_config *config)
{
	struct stat st;

	s->fd = fd;
	s->keep_open = false;
	return fstat(fd, &st) ? fail(s, -errno) : sink_begin(s, &st, config);
}

int sink_give(struct sink *s)
{
	const int fd = s->fd;

	s->fd = -1;
	return fd;
}

/* The next n bytes of buf. When they cannot be written, nothing is left in it. */
static int put_bytes(struct sink *s, size_t n)
{
	size_t done, whole;
	uint64_t held;
	const int ret = fd_write(s->fd, s->buf + s->torn, n, s->interrupted, &done);

	if (!ret) {
		s->flushed += n;
		return 0;
	}
	/* A record that was begun would make the whole file look damaged. */
	s->whole(s->buf, s->len, s->flushed == s->torn, &held);
	s->packets -= held;
	whole = s->whole(s->buf, s->torn + done, s->flushed == s->torn, &held);
	s->packets += held;
	s->flushed = s->flushed - s->torn + whole;
	begin_records(s);
	if (s->regular && ftruncate(s->fd, (off_t)position(s)))
		return ret;
	return ret;
}

int sink_flush(struct sink *s)
{
	int ret;

	if (s->fd < 0 || s->len == s->torn)
		return 0;
	ret = put_bytes(s, s->len - s->torn);
	if (!ret)
		begin_records(s);
	return ret;
}

/* What was asked for and is not used. A file that others cut or write to meanwhile is left to them. */
static int give_back(struct sink *s)
{
	struct stat st;

	s->allocated = 0;
	if (fstat(s->fd, &st) || (uint64_t)st.st_size != position(s))
		return 0;
	return ftruncate(s->fd, st.st_size) ? -errno : 0;
}

/* The size of the file stays. Whoever has no more room learns it when it is used up. */
static void ask_for_space(struct sink *s, size_t n)
{
	const uint64_t end = position(s) + n, from = s->allocated > position(s) ? s->allocated : position(s);

	if (!s->ahead || end <= s->allocated)
		return;
	s->ahead = fallocate(s->fd, FALLOC_FL_KEEP_SIZE, (off_t)from, (off_t)(end + AHEAD - from)) == 0;
	if (s->ahead)
		s->allocated = end + AHEAD;
	else
		give_back(s); /* ext4 keeps what it got before there was no more */
}

/* As many whole pieces as there are. The newest record, which they end in, stays. */
static int put_pieces(struct sink *s)
{
	const uint64_t end = position(s) + s->len - s->torn;
	const size_t n = (size_t)(end / PIECE * PIECE - position(s));
	int ret;

	ask_for_space(s, n);
	ret = put_bytes(s, n);
	if (ret)
		return ret;
	s->torn += n - s->last;
	s->len -= s->last;
	memmove(s->buf, s->buf + s->last, s->len);
	s->last = 0;
	s->due = s->torn + PIECE;
	return 0;
}

int sink_make_room(struct sink *s, size_t n)
{
	int err = 0;

	if (s->fd < 0)
		return -EBADF;
	if (s->len >= s->due)
		err = put_pieces(s);
	if (!err && s->cap - s->len < n)
		err = sink_flush(s);
	if (err)
		return err;
	if (s->cap < n) {
		uint8_t *p = realloc(s->buf, n);

		if (!p)
			return -ENOMEM;
		s->buf = p;
		s->cap = n;
	}
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

	if (s->fd >= 0 && s->allocated > position(s)) {
		const int err = give_back(s);

		ret = ret ? ret : err;
	}
	if (s->fd >= 0 && !s->keep_open && close(s->fd) && !ret && errno != EINTR) {
		ret = -errno;
		s->unsure = true;
	}
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
