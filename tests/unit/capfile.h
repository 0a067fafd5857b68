/* SPDX-License-Identifier: BSD-3-Clause */
/* Capture files built by hand in either byte order, and reading one back into a list. */
#ifndef CAPFILE_H
#define CAPFILE_H

#include <fcntl.h>
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "format/pcapng.h"
#include "reader/reader.h"
#include "util/buf.h"

/* A file under construction. big: not the host's byte order. */
struct capfile {
	struct buf b;
	bool big;
};

static inline void cf16(struct capfile *c, uint16_t v)
{
	v = c->big ? __builtin_bswap16(v) : v;
	buf_put(&c->b, &v, sizeof(v));
}

static inline void cf32(struct capfile *c, uint32_t v)
{
	v = c->big ? __builtin_bswap32(v) : v;
	buf_put(&c->b, &v, sizeof(v));
}

static inline void cf64(struct capfile *c, uint64_t v)
{
	v = c->big ? __builtin_bswap64(v) : v;
	buf_put(&c->b, &v, sizeof(v));
}

static inline void cf_bytes(struct capfile *c, const void *p, size_t n)
{
	buf_put(&c->b, p, n);
}

static inline void cf_pad(struct capfile *c)
{
	while (c->b.len % 4)
		buf_put(&c->b, "", 1);
}

static inline void cf_pcap_header(struct capfile *c, uint32_t magic, uint32_t snaplen, uint32_t network)
{
	cf32(c, magic);
	cf16(c, 2);
	cf16(c, 4);
	cf32(c, 0);
	cf32(c, 0);
	cf32(c, snaplen);
	cf32(c, network);
}

static inline void cf_pcap_record(struct capfile *c, uint32_t sec, uint32_t frac, uint32_t caplen, uint32_t len,
				  const void *data)
{
	cf32(c, sec);
	cf32(c, frac);
	cf32(c, caplen);
	cf32(c, len);
	cf_bytes(c, data, caplen);
}

static inline size_t cf_begin(struct capfile *c, uint32_t type)
{
	const size_t start = c->b.len;

	cf32(c, type);
	cf32(c, 0);
	return start;
}

static inline void cf_end(struct capfile *c, size_t start)
{
	uint32_t total;

	cf_pad(c);
	total = (uint32_t)(c->b.len - start) + 4;
	cf32(c, total);
	memcpy(c->b.p + start + 4, c->b.p + c->b.len - 4, 4);
}

static inline void cf_option(struct capfile *c, uint16_t code, const void *value, size_t n)
{
	cf16(c, code);
	cf16(c, (uint16_t)n);
	cf_bytes(c, value, n);
	cf_pad(c);
}

static inline void cf_option_str(struct capfile *c, uint16_t code, const char *s)
{
	cf_option(c, code, s, strlen(s));
}

static inline void cf_option64(struct capfile *c, uint16_t code, uint64_t v)
{
	cf16(c, code);
	cf16(c, 8);
	cf64(c, v);
}

static inline void cf_option32(struct capfile *c, uint16_t code, uint32_t v)
{
	cf16(c, code);
	cf16(c, 4);
	cf32(c, v);
}

static inline void cf_section(struct capfile *c, const char *comment)
{
	const size_t start = cf_begin(c, PCAPNG_SHB);

	cf32(c, PCAPNG_MAGIC);
	cf16(c, 1);
	cf16(c, 0);
	cf64(c, UINT64_MAX);
	if (comment) {
		cf_option_str(c, OPT_COMMENT, comment);
		cf32(c, 0);
	}
	cf_end(c, start);
}

/* tsresol 255: no option. */
static inline void cf_iface(struct capfile *c, uint16_t linktype, uint32_t snaplen, const char *name, uint8_t tsresol,
			    int64_t tsoffset)
{
	const size_t start = cf_begin(c, PCAPNG_IDB);

	cf16(c, linktype);
	cf16(c, 0);
	cf32(c, snaplen);
	if (name)
		cf_option_str(c, IF_NAME, name);
	if (tsresol != 255)
		cf_option(c, IF_TSRESOL, &tsresol, 1);
	if (tsoffset)
		cf_option64(c, IF_TSOFFSET, (uint64_t)tsoffset);
	cf32(c, 0);
	cf_end(c, start);
}

/* The block stays open for options: cf_end() it. */
static inline size_t cf_packet(struct capfile *c, uint32_t iface, uint64_t ts, uint32_t caplen, uint32_t len,
			       const void *data)
{
	const size_t start = cf_begin(c, PCAPNG_EPB);

	cf32(c, iface);
	cf32(c, (uint32_t)(ts >> 32));
	cf32(c, (uint32_t)ts);
	cf32(c, caplen);
	cf32(c, len);
	cf_bytes(c, data, caplen);
	cf_pad(c);
	return start;
}

static inline char *cf_temp_name(void)
{
	static char name[64];

	snprintf(name, sizeof(name), "%s/capfile.%d", access("/dev/shm", W_OK) ? "/tmp" : "/dev/shm", (int)getpid());
	return name;
}

static inline void cf_write(const char *path, const void *p, size_t n)
{
	const int fd = open(path, O_WRONLY | O_CREAT | O_TRUNC, 0600);

	if (fd < 0 || write(fd, p, n) != (ssize_t)n)
		abort();
	close(fd);
}

static inline struct buf cf_slurp(const char *path)
{
	const int fd = open(path, O_RDONLY);
	struct buf b = { 0 };
	ssize_t n = 0;

	while (fd >= 0 && (n = read(fd, buf_reserve(&b, 65536), 65536)) > 0)
		b.len += (size_t)n;
	if (fd < 0 || n < 0)
		abort();
	close(fd);
	return b;
}

/* What came out of a file, as text: one line per interface, block and packet. */
struct readout {
	struct buf text;
	unsigned ifaces, packets, blocks;
	uint64_t last_serial;
	char err[512]; /* what was logged */
	int open, run;
};

static inline int ro_iface(void *arg, const struct iface *iface)
{
	struct readout *ro = arg;

	buf_printf(&ro->text, "iface %u %s dlt %d snaplen %u\n", iface->id, iface->name, iface->dlt, iface->snaplen);
	ro->ifaces++;
	return 0;
}

static inline int ro_packet(void *arg, const struct packet *p)
{
	struct readout *ro = arg;
	volatile uint8_t sum = 0;

	for (uint32_t i = 0; i < p->caplen; i++)
		sum = (uint8_t)(sum + p->data[i]);
	for (size_t i = 0; i < p->options_len; i++)
		sum = (uint8_t)(sum + p->options[i]);
	buf_printf(&ro->text, "packet if %u %lld.%09llu %u/%u dir %d", p->iface->id, (long long)p->sec,
		   (unsigned long long)p->nsec, p->caplen, p->len, (int)p->dir);
	if (p->annot) {
		buf_printf(&ro->text, " pid %u args %.*s", p->annot->process.pid, (int)p->annot->process.args.n,
			   p->annot->process.args.p ? p->annot->process.args.p : "");
		ro->last_serial = p->annot->serial;
	}
	buf_put(&ro->text, "\n", 1);
	ro->packets++;
	return 0;
}

static inline int ro_block(void *arg, const struct pcapng_block *b)
{
	struct readout *ro = arg;

	if (b->type != PCAPNG_SHB)
		buf_printf(&ro->text, "block %x len %u%s\n", b->type, b->body_len, b->swapped ? " swapped" : "");
	ro->blocks++;
	return 0;
}

static inline struct reader_handler ro_handler(struct readout *ro)
{
	return (struct reader_handler){ .arg = ro, .iface = ro_iface, .packet = ro_packet, .block = ro_block };
}

/* Standard error goes to a file until cf_logged(). The descriptor that it had. */
static inline int cf_log(int *fd)
{
	const int saved = dup(2);

	*fd = open("/tmp", O_RDWR | O_TMPFILE, 0600);
	dup2(*fd, 2);
	return saved;
}

static inline void cf_logged(struct readout *ro, int saved, int fd)
{
	ssize_t n;

	dup2(saved, 2);
	close(saved);
	n = pread(fd, ro->err, sizeof(ro->err) - 1, 0);
	if (n > 0)
		ro->err[n] = '\0';
	close(fd);
}

/* Standard error goes to ro->err meanwhile. */
static inline struct readout cf_read(const char *path)
{
	struct readout ro = { 0 };
	const struct reader_handler handler = ro_handler(&ro);
	struct reader *r = NULL;
	int fd;
	const int saved = cf_log(&fd);

	ro.open = reader_open(&r, path);
	if (!ro.open)
		ro.run = reader_run(r, &handler);
	reader_free(r);
	cf_logged(&ro, saved, fd);
	buf_put(&ro.text, "", 1);
	return ro;
}

static inline struct readout cf_read_bytes(const void *p, size_t n)
{
	const char *path = cf_temp_name();
	struct readout ro;

	cf_write(path, p, n);
	ro = cf_read(path);
	unlink(path);
	return ro;
}

static inline void ro_done(struct readout *ro)
{
	buf_done(&ro->text);
}

#endif
