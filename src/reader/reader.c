/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/reader.h"

#include <errno.h>
#include <inttypes.h>
#include <limits.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <unistd.h>

#include "util/linktype.h"
#include "reader/option_memo.h"
#include "reader/process_blocks.h"
#include "reader/reader_int.h"
#include "util/log.h"

int reader_broken(const struct reader *r, uint64_t offset, const char *fmt, ...)
{
	char text[512];
	va_list ap;

	va_start(ap, fmt);
	vsnprintf(text, sizeof(text), fmt, ap);
	va_end(ap);
	log_error("%s: %s, at byte offset %" PRIu64, r->path, text, offset);
	return -EBADMSG;
}

int reader_truncated(const struct reader *r, uint64_t offset, const char *dump, size_t wanted, const char *what,
		     size_t got)
{
	const struct stream *s = &r->stream;

	if (s->error == -EINTR || s->error == -EAGAIN)
		return s->error;
	if (s->error && s->error != -EBADMSG) {
		log_error("%s: error reading dump file: %s, at byte offset %" PRIu64, r->path, strerror(-s->error),
			  stream_offset(s));
		return s->error;
	}
	if (got == 0 && s->error)
		return reader_broken(r, offset, "truncated %s: %s", dump, s->reason);
	return reader_broken(r, offset, "truncated %s; tried to read %zu %s, only got %zu%s%s", dump, wanted, what, got,
			     s->reason ? ": " : "", s->reason ? s->reason : "");
}

struct reader_iface *reader_add_iface(struct reader *r)
{
	struct reader_iface *ri;
	void *p;

	if (r->nifaces == PCAPNG_MAX_IFACES) {
		log_error("%s: more than %d interfaces in the file", r->path, PCAPNG_MAX_IFACES);
		return NULL;
	}
	ri = calloc(1, sizeof(*ri));
	/* Grown at powers of two. */
	if (ri && (r->nifaces & (r->nifaces - 1)) == 0) {
		p = realloc(r->ifaces, sizeof(*r->ifaces) * (r->nifaces ? 2 * r->nifaces : 1));
		if (!p) {
			free(ri);
			ri = NULL;
		} else {
			r->ifaces = p;
		}
	}
	if (!ri) {
		log_error("%s: out of memory", r->path);
		return NULL;
	}
	ri->pub.id = (uint32_t)r->nifaces;
	ri->pub.from_file = true;
	r->ifaces[r->nifaces++] = ri;
	return ri;
}

uint32_t reader_snaplen_or_max(int dlt, uint32_t snaplen)
{
	return snaplen == 0 || snaplen > INT_MAX ? linktype_max_snaplen(dlt) : snaplen;
}

static int open_format(struct reader *r)
{
	const size_t have = stream_want(&r->stream, 4);
	int ret = -EINVAL;

	if (have < 4)
		return reader_truncated(r, have, "dump file", 4, "file header bytes", have);
	/* It may be known by now. */
	if (!r->pcapng)
		ret = reader_open_pcap(r);
	if (ret == -EINVAL)
		ret = reader_open_pcapng(r);
	if (ret == -EINVAL) {
		log_error("%s: unknown file format: neither pcap nor pcapng", r->path);
		return -EBADMSG;
	}
	return ret;
}

int reader_input(const char *path)
{
	return stream_input(path);
}

int reader_input_at_once(const char *path)
{
	return stream_input_at_once(path);
}

int reader_open(struct reader **ret, const char *path)
{
	const int fd = reader_input(path);

	return fd < 0 ? fd : reader_open_input(ret, path, fd);
}

static int look(struct reader *r)
{
	int err = r->looked ? 0 : stream_look(&r->stream, r->path);

	r->looked = !err;
	if (!err)
		err = open_format(r);
	r->opened = !err;
	return err;
}

int reader_begin(struct reader **ret, const char *path, int fd)
{
	struct reader *r = calloc(1, sizeof(*r));
	int err = -ENOMEM;

	if (r) {
		r->path = strdup(strcmp(path, "-") == 0 ? "standard input" : path);
		r->options_told = option_memo_new();
		r->processes = process_blocks_new();
	}
	if (!r || !r->path || !r->options_told || !r->processes) {
		log_error("%s: out of memory", path);
		if (fd != STDIN_FILENO)
			close(fd);
		goto out;
	}
	r->first_dlt = -1;
	err = stream_open(&r->stream, path, fd);
out:
	if (err) {
		reader_free(r);
		return err;
	}
	*ret = r;
	return 0;
}

int reader_open_input(struct reader **ret, const char *path, int fd)
{
	struct reader *r;
	int err = reader_begin(&r, path, fd);

	if (err)
		return err;
	err = look(r);
	if (err)
		reader_free(r);
	else
		*ret = r;
	return err;
}

bool reader_is_open(const struct reader *r)
{
	return r->opened;
}

bool reader_is_live(const struct reader *r)
{
	return stream_waits(&r->stream);
}

void reader_set_serials(struct reader *r, uint64_t first)
{
	option_memo_set_serials(r->options_told, first);
}

int reader_read_ahead(struct reader *r, size_t max)
{
	const int ret = stream_read_ahead(&r->stream, max);

	return ret ? ret : stream_goes_on(&r->stream) ? READER_MORE : READER_END;
}

int reader_dlt(const struct reader *r)
{
	return r->first_dlt;
}

uint32_t reader_snaplen(const struct reader *r)
{
	return r->first_snaplen;
}

bool reader_swapped(const struct reader *r)
{
	return r->swapped;
}

bool reader_is_packed(const struct reader *r)
{
	return stream_is_packed(&r->stream);
}

bool reader_is_pcapng(const struct reader *r)
{
	return r->pcapng;
}

static int check_owners(const struct reader *r)
{
	if (!option_memo_failed(r->options_told))
		return 0;
	log_error("%s: out of memory: not all packets had their owners", r->path);
	return -ENOMEM;
}

int reader_run(struct reader *r, const struct reader_handler *handler)
{
	int ret;

	r->detail = handler->detail;
	ret = r->pcapng ? reader_run_pcapng(r, handler) : reader_run_pcap(r, handler);
	if (ret >= 0)
		return check_owners(r);
	return ret == -EINTR ? 0 : ret;
}

void reader_may_be_empty(struct reader *r)
{
	r->may_be_empty = true;
}

int reader_step(struct reader *r, const struct reader_handler *handler)
{
	int ret;

	if (!r->opened) {
		stream_set_impatient(&r->stream);
		if (r->may_be_empty && stream_want(&r->stream, 1) == 0 && !r->stream.error)
			return READER_END;
		ret = look(r);
		return ret ? ret : READER_MORE;
	}
	r->detail = handler->detail;
	ret = r->pcapng ? reader_step_pcapng(r, handler) : reader_step_pcap(r, handler);
	return ret == READER_END ? check_owners(r) : ret;
}

void reader_set_wait(struct reader *r, bool (*wait)(void *arg, int fd), void *arg)
{
	stream_set_wait(&r->stream, wait, arg);
}

void reader_set_interrupt(struct reader *r, const volatile sig_atomic_t *flag)
{
	stream_set_interrupt(&r->stream, flag);
}

void reader_close(struct reader *r)
{
	stream_close(&r->stream);
	option_memo_free(r->options_told);
	process_blocks_free(r->processes);
	r->processes = NULL;
	r->options_told = NULL;
	buf_done(&r->scratch);
	buf_done(&r->options);
}

void reader_free(struct reader *r)
{
	if (!r)
		return;
	reader_close(r);
	for (size_t i = 0; i < r->nifaces; i++) {
		pcapng_iface_done(&r->ifaces[i]->pub);
		free(r->ifaces[i]);
	}
	free(r->ifaces);
	free(r->path);
	free(r);
}
