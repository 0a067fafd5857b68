/* SPDX-License-Identifier: BSD-3-Clause */
/* The bytes of a file, decompressed if need be (gzip, zstd, lz4; told by content), through a window that grows only as
 * far as one record needs. */
#ifndef READER_STREAM_H
#define READER_STREAM_H

#include <stdbool.h>
#include <signal.h>
#include <stddef.h>
#include <stdint.h>

struct stream {
	const uint8_t *p, *end; /* the window: bytes not consumed yet */
	uint64_t offset;	/* of end, in decompressed bytes from the start of the file */
	int error; /* 0, or why nothing more comes: -errno; -EBADMSG broken compressed data; -EAGAIN: for now */
	const char *reason; /* of -EBADMSG */
	struct stream_source *source;
};

/* Opens a file, or takes standard input for "-": a descriptor, or -errno, logged. */
int stream_input(const char *path);
/* The same, and a named pipe need not have a writer yet. */
int stream_input_at_once(const char *path);
/* Reads nothing as yet. Closes fd in the end, but for standard input. Errors are logged with its path; -errno. */
int stream_open(struct stream *s, const char *path, int fd);
/* First of all: whether it is compressed. Likewise; -EAGAIN: its first bytes have not come yet, to be called again. */
int stream_look(struct stream *s, const char *path);
/* From now on: what a pipe does not have yet is -EAGAIN. */
void stream_set_impatient(struct stream *s);
/* It is no regular file, which is always ready. */
bool stream_waits(const struct stream *s);
/* Of an impatient one: takes in what has come, to a window of no more than max bytes. What the window holds may move. -ENOSPC:
 * there is no room. */
int stream_read_ahead(struct stream *s, size_t max);
/* Whether more may come. */
bool stream_goes_on(struct stream *s);
/* Makes the window at least n bytes long. Returns its length: less than n at the end of the file or at an error. */
size_t stream_fill(struct stream *s, size_t n);
/* Once *flag is set, a read that a signal interrupts ends the stream with -EINTR. */
void stream_set_interrupt(struct stream *s, const volatile sig_atomic_t *flag);
/* Called while there is no input: returns when fd is readable, a signal has come, or before. False: the stream ends with -EINTR. */
void stream_set_wait(struct stream *s, bool (*wait)(void *arg, int fd), void *arg);
bool stream_is_packed(const struct stream *s);
void stream_close(struct stream *s);

static inline size_t stream_want(struct stream *s, size_t n)
{
	const size_t have = (size_t)(s->end - s->p);

	return have >= n ? have : stream_fill(s, n);
}

/* Offset of the first byte of the window. */
static inline uint64_t stream_offset(const struct stream *s)
{
	return s->offset - (uint64_t)(s->end - s->p);
}

#endif
