/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/stream.h"

#include <errno.h>
#include <fcntl.h>
#include <lz4frame.h>
#include <poll.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <zlib.h>
#include <zstd.h>

#include "util/log.h"

enum {
	WINDOW_MIN = 128 * 1024, /* stays in the second-level cache */
	INPUT_SIZE = 128 * 1024, /* compressed bytes */
	SKIPPABLE_MAX = 1 << 20,
};

struct stream_source {
	int fd;
	bool waits;				  /* no regular file, which is always ready */
	bool impatient;				  /* we do not wait for it */
	bool eof;				  /* of the descriptor */
	const volatile sig_atomic_t *interrupted; /* NULL: signals are of no interest */
	bool (*wait)(void *arg, int fd);
	void *wait_arg;
	uint8_t *buf;
	size_t cap;
	/* Compressed files only. Fills out with up to n bytes; 0 at the end; -errno. */
	ssize_t (*decode)(struct stream *s, uint8_t *out, size_t n);
	uint8_t *in;
	size_t in_pos, in_len;
	bool mid_frame; /* the end of the input here is too early */
	bool holds;	/* the decoder may have more output without more input */
	z_stream zlib;
	ZSTD_DStream *zstd;
	LZ4F_dctx *lz4;
};

static bool is_interrupted(const struct stream_source *src)
{
	return src->interrupted && *src->interrupted;
}

/* As wait_readable(), while somebody else has something to do as well. */
static int wait_with_others(const struct stream_source *src)
{
	struct pollfd pfd = { .fd = src->fd, .events = POLLIN };

	while (poll(&pfd, 1, 0) <= 0) {
		if (is_interrupted(src) || !src->wait(src->wait_arg, src->fd))
			return -EINTR;
	}
	return 0;
}

/* Until there is input, or a signal asks to end: one that comes between the test and the waiting is not missed. */
static int wait_readable(struct stream_source *src)
{
	struct pollfd pfd = { .fd = src->fd, .events = POLLIN };
	sigset_t end, before;
	int err = 0;

	if (src->wait)
		return wait_with_others(src);
	sigemptyset(&end);
	sigaddset(&end, SIGINT);
	sigaddset(&end, SIGTERM);
	sigaddset(&end, SIGHUP);
	sigprocmask(SIG_BLOCK, &end, &before);
	while (!err) {
		if (is_interrupted(src))
			err = -EINTR;
		else if (ppoll(&pfd, 1, NULL, &before) > 0)
			break;
		else if (errno != EINTR)
			err = -errno;
	}
	sigprocmask(SIG_SETMASK, &before, NULL);
	return err;
}

/* A pipe whose first writer has yet to come is at its end for read(2), and not readable for poll(2). */
static int look_readable(const struct stream_source *src)
{
	struct pollfd pfd = { .fd = src->fd, .events = POLLIN };

	return poll(&pfd, 1, 0) > 0 ? 0 : -EAGAIN;
}

static int before_reading(struct stream_source *src)
{
	if (!src->waits)
		return is_interrupted(src) ? -EINTR : 0;
	return src->impatient ? look_readable(src) : wait_readable(src);
}

static ssize_t read_fd(struct stream_source *src, void *p, size_t n)
{
	for (;;) {
		const int err = before_reading(src);
		const ssize_t got = err ? err : read(src->fd, p, n);

		if (err || got >= 0)
			return got;
		if (errno != EAGAIN && errno != EINTR)
			return -errno;
	}
}

static ssize_t broken(struct stream *s, const char *reason)
{
	s->reason = reason;
	return -EBADMSG;
}

/* More compressed input; 0 at the end of the file. */
static ssize_t refill_input(struct stream_source *src)
{
	ssize_t got;

	if (src->in_pos < src->in_len)
		return (ssize_t)(src->in_len - src->in_pos);
	got = read_fd(src, src->in, INPUT_SIZE);
	src->in_pos = 0;
	src->in_len = got > 0 ? (size_t)got : 0;
	return got;
}

/* Whether a decoder has to be asked though there is no input for now: once, since it may have nothing. */
static bool ask_without(struct stream_source *src, ssize_t in)
{
	const bool ret = in == -EAGAIN && src->holds;

	src->holds = false;
	return ret;
}

static ssize_t decode_gzip(struct stream *s, uint8_t *out, size_t n)
{
	struct stream_source *src = s->source;
	z_stream *z = &src->zlib;

	z->next_out = out;
	z->avail_out = (uInt)n;
	while (z->avail_out == n) {
		const ssize_t in = refill_input(src);
		int ret;

		if (in < 0 && !ask_without(src, in))
			return in;
		if (in == 0)
			return src->mid_frame ? broken(s, "the gzip data ends too early") : 0;
		/* What follows the last member (zeros, mostly) is padding, as gzip sees it. */
		if (!src->mid_frame && src->in[src->in_pos] != 0x1f)
			return 0;
		src->mid_frame = true;
		z->next_in = src->in + src->in_pos;
		z->avail_in = in > 0 ? (uInt)in : 0;
		ret = inflate(z, Z_NO_FLUSH);
		src->in_pos = src->in_len - z->avail_in;
		if (ret == Z_STREAM_END) {
			src->mid_frame = false;
			inflateReset(z);
		} else if (ret != Z_OK && ret != Z_BUF_ERROR) {
			return broken(s, "the gzip data is corrupt");
		}
	}
	return (ssize_t)(n - z->avail_out);
}

static ssize_t decode_zstd(struct stream *s, uint8_t *out, size_t n)
{
	struct stream_source *src = s->source;
	ZSTD_outBuffer o = { out, n, 0 };

	while (o.pos == 0) {
		const ssize_t in = refill_input(src);
		ZSTD_inBuffer i = { src->in, src->in_len, src->in_pos };
		size_t ret;

		if (in < 0 && !ask_without(src, in))
			return in;
		if (in == 0 && !src->mid_frame)
			return 0;
		ret = ZSTD_decompressStream(src->zstd, &o, &i);
		src->in_pos = i.pos;
		if (ZSTD_isError(ret))
			return broken(s, "the zstd data is corrupt");
		src->mid_frame = ret != 0;
		/* At the end of the input the decoder may still hold output; nothing more means a cut file. */
		if (in == 0 && o.pos == 0 && ret != 0)
			return broken(s, "the zstd data ends too early");
	}
	return (ssize_t)o.pos;
}

static ssize_t decode_lz4(struct stream *s, uint8_t *out, size_t n)
{
	struct stream_source *src = s->source;
	size_t produced = 0;

	while (produced == 0) {
		const ssize_t in = refill_input(src);
		size_t used = in > 0 ? (size_t)in : 0, ret;

		if (in < 0 && !ask_without(src, in))
			return in;
		if (in == 0 && !src->mid_frame)
			return 0;
		produced = n;
		ret = LZ4F_decompress(src->lz4, out, &produced, src->in + src->in_pos, &used, NULL);
		src->in_pos += used;
		if (LZ4F_isError(ret))
			return broken(s, "the lz4 data is corrupt");
		src->mid_frame = ret != 0;
		if (in == 0 && produced == 0 && ret != 0)
			return broken(s, "the lz4 data ends too early");
	}
	return (ssize_t)produced;
}

static int start_gzip(struct stream_source *src)
{
	return inflateInit2(&src->zlib, 15 + 16) == Z_OK ? 0 : -ENOMEM;
}

static int start_zstd(struct stream_source *src)
{
	src->zstd = ZSTD_createDStream();
	return src->zstd ? 0 : -ENOMEM;
}

static int start_lz4(struct stream_source *src)
{
	return LZ4F_isError(LZ4F_createDecompressionContext(&src->lz4, LZ4F_VERSION)) ? -ENOMEM : 0;
}

static const struct {
	uint8_t magic[6];
	unsigned n;
	int (*start)(struct stream_source *src); /* NULL: not supported */
	ssize_t (*decode)(struct stream *s, uint8_t *out, size_t n);
	const char *tool;
} compressions[] = {
	{ { 0x1f, 0x8b }, 2, start_gzip, decode_gzip, "gzip" },
	{ { 0x28, 0xb5, 0x2f, 0xfd }, 4, start_zstd, decode_zstd, "zstd" },
	{ { 0x04, 0x22, 0x4d, 0x18 }, 4, start_lz4, decode_lz4, "lz4" },
	{ { 0xfd, '7', 'z', 'X', 'Z', 0 }, 6, NULL, NULL, "xz" },
	{ { 'B', 'Z', 'h' }, 3, NULL, NULL, "bzip2" },
};

static uint32_t little32(const uint8_t *p)
{
	return p[0] | (uint32_t)p[1] << 8 | (uint32_t)p[2] << 16 | (uint32_t)p[3] << 24;
}

/* zstd and lz4 files may begin with frames that are to be skipped; pzstd's do. Offset of the first other one. */
static size_t skippable_frames(struct stream *s)
{
	size_t at = 0;

	while (at < SKIPPABLE_MAX && stream_want(s, at + 8) >= at + 8) {
		const uint32_t magic = little32(s->p + at), size = little32(s->p + at + 4);

		if ((magic & ~15U) != 0x184d2a50 || size > SKIPPABLE_MAX)
			break;
		at += 8 + (size_t)size;
	}
	return at;
}

int stream_look(struct stream *s, const char *path)
{
	struct stream_source *src = s->source;
	const size_t at = skippable_frames(s), want = stream_want(s, at + 6), have = want > at ? want - at : 0;

	if (s->error == -EAGAIN)
		return s->error;
	for (size_t i = 0; i < sizeof(compressions) / sizeof(compressions[0]); i++) {
		if (have < compressions[i].n || memcmp(s->p + at, compressions[i].magic, compressions[i].n) != 0)
			continue;
		if (!compressions[i].start) {
			log_error("%s: compressed with %s, which is not supported: try \"%s -dc FILE | ptcpdump -r -\"",
				  path, compressions[i].tool, compressions[i].tool);
			return -EINVAL;
		}
		src->in_len = (size_t)(s->end - s->p);
		src->in = malloc(src->in_len > INPUT_SIZE ? src->in_len : INPUT_SIZE);
		if (!src->in || compressions[i].start(src)) {
			log_error("%s: out of memory", path);
			return -ENOMEM;
		}
		memcpy(src->in, s->p, src->in_len);
		src->decode = compressions[i].decode;
		s->p = s->end = src->buf;
		s->offset = 0;
		s->error = 0;
		return 0;
	}
	return 0;
}

static int open_input(const char *path, int flags)
{
	const int fd = strcmp(path, "-") == 0 ? STDIN_FILENO : open(path, O_RDONLY | O_CLOEXEC | flags);
	struct stat st;
	int err = 0;

	if (fd < 0 || fstat(fd, &st)) {
		err = -errno;
		log_error("%s: %s%s", path, strerror(-err),
			  err == -EACCES ? ": make it readable for this user, or use sudo" : "");
	} else if (S_ISDIR(st.st_mode)) {
		log_error("%s: is a directory: -r wants a pcap or pcapng file, or \"-\" for standard input", path);
		err = -EISDIR;
	}
	if (!err)
		return fd;
	if (fd > STDIN_FILENO)
		close(fd);
	return err;
}

int stream_input(const char *path)
{
	return open_input(path, 0);
}

int stream_input_at_once(const char *path)
{
	struct stat st;

	return open_input(path, stat(path, &st) == 0 && S_ISFIFO(st.st_mode) ? O_NONBLOCK : 0);
}

int stream_open(struct stream *s, const char *path, int fd)
{
	struct stream_source *src = calloc(1, sizeof(*src));
	struct stat st;

	*s = (struct stream){ .source = src };
	if (!src) {
		if (fd != STDIN_FILENO)
			close(fd);
		goto nomem;
	}
	src->fd = fd;
	src->waits = fstat(fd, &st) || !S_ISREG(st.st_mode);
	posix_fadvise(fd, 0, 0, POSIX_FADV_SEQUENTIAL);
	src->cap = WINDOW_MIN;
	src->buf = malloc(src->cap);
	if (!src->buf)
		goto nomem;
	s->p = s->end = src->buf;
	return 0;
nomem:
	log_error("%s: out of memory", path);
	stream_close(s);
	return -ENOMEM;
}

/* Moves the window to the start of its buffer, which grows to hold n bytes. */
static int make_room(struct stream *s, size_t n)
{
	struct stream_source *src = s->source;
	const size_t have = (size_t)(s->end - s->p);

	if (n > src->cap) {
		size_t cap = src->cap;
		uint8_t *p;

		while (cap < n)
			cap *= 2;
		p = malloc(cap);
		if (!p)
			return -ENOMEM;
		memcpy(p, s->p, have);
		free(src->buf);
		src->buf = p;
		src->cap = cap;
	} else if (s->p != src->buf) {
		memmove(src->buf, s->p, have);
	}
	s->p = src->buf;
	s->end = src->buf + have;
	return 0;
}

/* What there is, to where the window has room. */
static void read_more(struct stream *s)
{
	struct stream_source *src = s->source;
	uint8_t *at = src->buf + (s->end - src->buf);
	const size_t room = (size_t)(src->buf + src->cap - s->end);
	const ssize_t got = src->decode ? src->decode(s, at, room) : read_fd(src, at, room);

	if (got < 0) {
		s->error = (int)got;
	} else if (got == 0) {
		src->eof = true;
	} else {
		s->end += got;
		s->offset += (uint64_t)got;
		src->holds = src->mid_frame && (size_t)got == room;
	}
}

bool stream_goes_on(struct stream *s)
{
	if (s->error == -EAGAIN)
		s->error = 0;
	return !s->error && !s->source->eof;
}

size_t stream_fill(struct stream *s, size_t n)
{
	if (stream_goes_on(s))
		s->error = make_room(s, n);
	while (!s->error && !s->source->eof && (size_t)(s->end - s->p) < n)
		read_more(s);
	return (size_t)(s->end - s->p);
}

int stream_read_ahead(struct stream *s, size_t max)
{
	const struct stream_source *src = s->source;
	const size_t have = (size_t)(s->end - s->p);

	if (!stream_goes_on(s))
		return 0;
	/* By halves: what is there is not moved for a few bytes each. */
	if (s->end == src->buf + src->cap) {
		if (have > src->cap / 2 && 2 * src->cap > max)
			return -ENOSPC;
		s->error = make_room(s, have > src->cap / 2 ? 2 * src->cap : have);
	}
	if (!s->error)
		read_more(s);
	return 0;
}

void stream_set_impatient(struct stream *s)
{
	s->source->impatient = true;
}

bool stream_waits(const struct stream *s)
{
	return s->source->waits;
}

void stream_set_interrupt(struct stream *s, const volatile sig_atomic_t *flag)
{
	s->source->interrupted = flag;
}

void stream_set_wait(struct stream *s, bool (*wait)(void *arg, int fd), void *arg)
{
	s->source->wait = wait;
	s->source->wait_arg = arg;
}

bool stream_is_packed(const struct stream *s)
{
	return s->source->decode;
}

void stream_close(struct stream *s)
{
	struct stream_source *src = s->source;

	if (!src)
		return;
	if (src->decode == decode_gzip)
		inflateEnd(&src->zlib);
	ZSTD_freeDStream(src->zstd);
	LZ4F_freeDecompressionContext(src->lz4);
	if (src->fd != STDIN_FILENO)
		close(src->fd);
	free(src->in);
	free(src->buf);
	free(src);
	*s = (struct stream){ 0 };
}
