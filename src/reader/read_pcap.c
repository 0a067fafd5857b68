/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic pcap (draft-ietf-opsawg-pcap) and what libpcap accepts of its ancestors. */
#include <errno.h>
#include <limits.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "util/linktype.h"
#include "reader/pseudo_header.h"
#include "reader/reader_int.h"
#include "util/log.h"

enum {
	FILE_HEADER = 24,
	RECORD_HEADER = 16,
	/* Alexey Kuznetzov's: interface index, protocol and packet type follow. */
	KUZNETZOV_RECORD_HEADER = 24,
};

static const uint32_t magic_usec = 0xa1b2c3d4, magic_nsec = 0xa1b23c4d, magic_kuznetzov = 0xa1b2cd34;

static bool known_magic(uint32_t magic)
{
	return magic == magic_usec || magic == magic_nsec || magic == magic_kuznetzov;
}

/* 2.0 to 2.4, and 543.0 of DG/UX. Before 2.3 the two lengths of a record stood the other way round; some wrote 2.3 and
 * did not know. */
static int check_version(struct reader *r, unsigned major, unsigned minor)
{
	if (major < 2)
		return reader_broken(r, 4, "archaic pcap savefile format");
	if (!(major == 2 && minor <= 4) && !(major == 543 && minor == 0))
		return reader_broken(r, 4, "unsupported pcap savefile version %u.%u", major, minor);
	r->lengths = LENGTHS_NORMAL;
	if (major == 543 || minor < 3)
		r->lengths = LENGTHS_SWAPPED;
	else if (minor == 3)
		r->lengths = LENGTHS_MAYBE_SWAPPED;
	return 0;
}

static int add_iface(struct reader *r, uint32_t snaplen, uint32_t network, bool kuznetzov)
{
	struct reader_iface *ri;

	/* Upper bits: 28..31 FCS length in 16-bit units, 26 whether that is known; 16..25 reserved. */
	if (network & 0x03ff0000)
		return reader_broken(r, 20, "savefile linktype reserved field not zero (0x%08x)", network & 0x03ff0000);
	ri = reader_add_iface(r);
	if (!ri)
		return -ENOMEM;
	ri->pub.name = strdup("");
	if (!ri->pub.name)
		return -ENOMEM;
	ri->pub.dlt = linktype_to_dlt(network & 0xffff);
	if (network & 0x04000000)
		ri->pub.fcs_len = (uint8_t)(2 * (network >> 28));
	snaplen = reader_snaplen_or_max(ri->pub.dlt, snaplen);
	/* A cooked capture of that kind got a made-up Ethernet header on top of its snapshot length. */
	if (kuznetzov && ri->pub.dlt == DLT_EN10MB)
		snaplen = snaplen <= INT_MAX - 14 ? snaplen + 14 : INT_MAX;
	ri->pub.snaplen = snaplen;
	ri->cut = snaplen;
	r->first_dlt = ri->pub.dlt;
	r->first_snaplen = snaplen;
	return 0;
}

int reader_open_pcap(struct reader *r)
{
	struct stream *s = &r->stream;
	uint32_t magic = get32(s->p, false);
	size_t have;
	int ret;

	if (!known_magic(magic)) {
		magic = __builtin_bswap32(magic);
		r->swapped = true;
	}
	if (!known_magic(magic)) {
		r->swapped = false;
		return -EINVAL;
	}
	have = stream_want(s, FILE_HEADER);
	if (have < FILE_HEADER)
		return reader_truncated(r, have, "dump file", FILE_HEADER, "file header bytes", have);
	ret = check_version(r, get16(s->p + 4, r->swapped), get16(s->p + 6, r->swapped));
	if (!ret)
		ret = add_iface(r, get32(s->p + 16, r->swapped), get32(s->p + 20, r->swapped),
				magic == magic_kuznetzov);
	if (ret)
		return ret;
	r->nano = magic == magic_nsec;
	r->record_header = magic == magic_kuznetzov ? KUZNETZOV_RECORD_HEADER : RECORD_HEADER;
	s->p += FILE_HEADER;
	return 0;
}

static void read_header(const struct reader *r, const uint8_t *p, struct packet *pkt)
{
	uint32_t caplen = get32(p + 8, r->swapped), len = get32(p + 12, r->swapped);

	if (r->lengths != LENGTHS_NORMAL && (r->lengths == LENGTHS_SWAPPED || caplen > len)) {
		const uint32_t t = caplen;

		caplen = len;
		len = t;
	}
	pkt->sec = get32(p, r->swapped);
	/* libpcap takes the fraction for signed. */
	pkt->nsec = (int32_t)get32(p + 4, r->swapped);
	if (!r->nano)
		pkt->nsec *= 1000;
	pkt->caplen = caplen;
	pkt->len = len;
}

/* Makes one whole record the start of the window. 1; 0 at the end of the file; -errno, logged. */
static int next_record(struct reader *r, struct packet *pkt, uint32_t max_caplen)
{
	const struct reader_iface *ri = r->ifaces[0];
	struct stream *s = &r->stream;
	size_t have = stream_want(s, r->record_header);

	if (have < r->record_header) {
		if (have == 0 && !s->error)
			return 0;
		return reader_truncated(r, stream_offset(s), "dump file", r->record_header, "header bytes", have);
	}
	read_header(r, s->p, pkt);
	if (pkt->caplen > max_caplen) {
		if (pkt->caplen > ri->cut)
			return reader_broken(r, stream_offset(s),
					     "invalid packet capture length %u, bigger than snaplen of %u", pkt->caplen,
					     ri->cut);
		return reader_broken(r, stream_offset(s), "invalid packet capture length %u, bigger than maximum of %u",
				     pkt->caplen, max_caplen);
	}
	have = stream_want(s, (size_t)r->record_header + pkt->caplen);
	if (have < (size_t)r->record_header + pkt->caplen)
		return reader_truncated(r, stream_offset(s), "dump file", pkt->caplen, "captured bytes",
					have - r->record_header);
	return 1;
}

static int read_records(struct reader *r, const struct reader_handler *h)
{
	const struct reader_iface *ri = r->ifaces[0];
	const uint32_t max_caplen = linktype_max_snaplen(ri->pub.dlt);
	struct packet pkt = { .iface = &ri->pub };
	struct stream *s = &r->stream;
	int ret = 0;

	while (!ret) {
		size_t size;

		ret = next_record(r, &pkt, max_caplen);
		if (ret <= 0)
			return ret;
		size = r->record_header + pkt.caplen;
		pkt.data = s->p + r->record_header;
		if (pkt.caplen > ri->cut)
			pkt.caplen = ri->cut;
		if (r->swapped) /* the window is our own memory */
			pseudo_header_to_host(ri->pub.dlt, (uint8_t *)pkt.data, pkt.caplen);
		ret = h->packet(h->arg, &pkt);
		s->p += size;
	}
	return ret;
}

int reader_run_pcap(struct reader *r, const struct reader_handler *h)
{
	const int ret = h->iface ? h->iface(h->arg, &r->ifaces[0]->pub) : 0;

	return ret ? ret : read_records(r, h);
}

static int one_packet(void *arg, const struct packet *packet)
{
	const struct reader_handler *h = arg;
	const int ret = h->packet(h->arg, packet);

	return ret ? ret : READER_MORE;
}

int reader_step_pcap(struct reader *r, const struct reader_handler *h)
{
	const struct reader_handler one = { .arg = (void *)h, .packet = one_packet };
	int ret = 0;

	if (r->begun)
		return read_records(r, &one);
	r->begun = true;
	if (h->iface)
		ret = h->iface(h->arg, &r->ifaces[0]->pub);
	return ret ? ret : READER_MORE;
}
