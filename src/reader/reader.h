/* SPDX-License-Identifier: BSD-3-Clause */
/* pcap and pcapng files (plain, gzip, zstd, lz4; standard input too) as packets, told apart by content. */
#ifndef READER_H
#define READER_H

#include <signal.h>
#include <stdint.h>

#include "block.h"
#include "packet.h"

struct reader;

/* What is told of the packets of a pcapng file; each takes its time. */
enum reader_detail {
	READER_EVERYTHING,
	READER_OPTIONS, /* neither annotation nor direction */
	READER_BARE,	/* nor options */
};

struct reader_handler {
	void *arg;
	int (*iface)(void *arg, const struct iface *iface);
	int (*packet)(void *arg, const struct packet *packet);	   /* > 0: stop, quietly; < 0: stop with this error */
	int (*block)(void *arg, const struct pcapng_block *block); /* may be NULL */
	enum reader_detail detail;
};

/* Only opens, and reads nothing: a descriptor, or -errno, logged. path "-": standard input. */
int reader_input(const char *path);
/* The same, and a named pipe need not have a writer yet. */
int reader_input_at_once(const char *path);
/* Errors are logged with the name of fd, its path; -errno. fd is the reader's from now on. */
int reader_open_input(struct reader **ret, const char *path, int fd);
/* Both. */
int reader_open(struct reader **ret, const char *path);
/* As reader_open_input(), for reader_step(): reads nothing as yet. */
int reader_begin(struct reader **ret, const char *path, int fd);
/* What tcpdump's "reading from file" line tells. */
int reader_dlt(const struct reader *r); /* of the (first) interface, -1 none yet */
uint32_t reader_snaplen(const struct reader *r);
/* The byte order of the (current section of the) file is not the host's. */
bool reader_swapped(const struct reader *r);
bool reader_is_pcapng(const struct reader *r);
/* It may hold any number of packets, however small the file is. */
bool reader_is_packed(const struct reader *r);
/* Delivers everything. 0 at the end of the file or when stopped; a broken file: everything whole first, then a logged
 * error with the byte offset, and -EBADMSG. */
int reader_run(struct reader *r, const struct reader_handler *handler);

enum { READER_END, READER_MORE };

/*
 * Delivers one packet, block or interface, or its last part of a header: READER_MORE. READER_END and errors as of reader_run(), but
 * that -EAGAIN means that the next one has not come yet. All that was delivered stays valid until the next step. handler must
 * be the same each time, and return 0.
 */
int reader_step(struct reader *r, const struct reader_handler *handler);
/* With reader_step(): takes in what has come meanwhile, of up to max bytes. What was delivered by the last step becomes invalid,
 * but for annotations. READER_MORE; READER_END: nothing more comes; -ENOSPC: there is no room for now. */
int reader_read_ahead(struct reader *r, size_t max);
/* That nothing at all comes is no damage: whoever was to write it has failed, and says so. */
void reader_may_be_empty(struct reader *r);
/* Its header has been read. */
bool reader_is_open(const struct reader *r);
/* It is no regular file: it may have to be waited for. */
bool reader_is_live(const struct reader *r);
/* Annotations get serials from this on. To be called first of all. */
void reader_set_serials(struct reader *r, uint64_t first);
/* Gives back what reading needed; the interfaces stay until reader_free(). */
void reader_close(struct reader *r);
/* Once a signal's handler has set *flag, a reader that waits for input ends as when stopped. */
void reader_set_interrupt(struct reader *r, const volatile sig_atomic_t *flag);
/* Called while there is no input: returns when fd is readable, a signal has come, or before. False: it ends as when stopped. */
void reader_set_wait(struct reader *r, bool (*wait)(void *arg, int fd), void *arg);
void reader_free(struct reader *r);

#endif
