/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic pcap: one link type, no names, no annotations. */
#include <errno.h>
#include <inttypes.h>
#include <pcap/dlt.h>
#include <stdlib.h>
#include <string.h>

#include "util/linktype.h"
#include "format/pcapng.h"
#include "output/file.h"
#include "util/log.h"

struct pcap_file_header {
	uint32_t magic;
	uint16_t major, minor;
	uint32_t thiszone, sigfigs, snaplen, network;
};
_Static_assert(sizeof(struct pcap_file_header) == 24, "pcap file header");

struct pcap_record {
	uint32_t sec, frac, caplen, len;
};
_Static_assert(sizeof(struct pcap_record) == 16, "pcap record header");

/* The header has four bits for it, in units of 16 bits. */
enum { FCS_LEN_MAX = 30 };

struct pcap_state {
	bool header;		   /* this file has its header */
	int dlt;		   /* with it: of the file */
	const struct iface *first; /* decides the link type; NULL none yet */
	const struct iface *seen;  /* the first of a file, which decides when there is no packet */
	bool mixed;		   /* live interfaces differ: files that begin now are cooked, as tcpdump's of -i any */
	uint64_t left_out;	   /* packets */
	struct buf cooked;
};

static size_t pcap_whole(const uint8_t *p, size_t len, bool at_start, uint64_t *packets)
{
	size_t at = 0;

	*packets = 0;
	if (at_start) {
		if (len < sizeof(struct pcap_file_header))
			return 0;
		at = sizeof(struct pcap_file_header);
	}
	while (len - at >= sizeof(struct pcap_record)) {
		const size_t size = sizeof(struct pcap_record) + get32(p + at + 8, false);

		if (size > len - at)
			break;
		at += size;
		++*packets;
	}
	return at;
}

static int pcap_begin(struct file_output *o)
{
	struct pcap_state *st = o->state;

	if (!st) {
		st = calloc(1, sizeof(*st));
		if (!st)
			return -ENOMEM;
		o->state = st;
	}
	st->header = false;
	return 0;
}

static uint32_t header_snaplen(const struct file_output *o, const struct iface *iface, int dlt)
{
	if (o->config.snaplen)
		return o->config.snaplen;
	/* The other interfaces of a pcapng file may have longer packets. */
	return iface && iface->snaplen && !iface->options ? iface->snaplen : linktype_max_snaplen(dlt);
}

static int pcap_headers(struct file_output *o)
{
	struct pcap_state *st = o->state;
	const struct iface *first = st->first ? st->first : st->seen;
	struct pcap_file_header h = { .magic = o->config.nano ? 0xa1b23c4d : 0xa1b2c3d4, .major = 2, .minor = 4 };

	if (st->header)
		return 0;
	st->header = true;
	st->first = first;
	st->dlt = st->mixed ? DLT_LINUX_SLL2 : first ? file_dlt(o, first) : o->config.dlt;
	h.snaplen = header_snaplen(o, first, st->dlt);
	h.network = linktype_from_dlt(st->dlt);
	/* Length of the frame check sequence in 16-bit units, and that it is known. */
	if (!st->mixed && first && first->fcs_len && first->fcs_len <= FCS_LEN_MAX)
		h.network |= (uint32_t)(first->fcs_len / 2) << 28 | 0x04000000;
	return sink_put(&o->sink, &h, sizeof(h));
}

static int other_link_type(const struct file_output *o, const struct iface *iface)
{
	const struct pcap_state *st = o->state;

	log_error("%s: a pcap file holds one link type, but interface \"%s\" has another than \"%s\": name the file "
		  "*.pcapng, or choose %s%s",
		  o->name, iface->name, st->first->name,
		  iface->from_file ? "packets of one with an expression" : "interfaces with -i",
		  file_ethernet_helps(iface, st->first) ? ", or use --add-ethernet-header" : "");
	return -ENOTRECOVERABLE;
}

/* Better no capture than one that ends in the middle: a live interface that cannot be written is refused at the start.
 * One that is in a file may never have a packet that is to be written. */
static int pcap_iface(struct file_output *o, const struct iface *iface)
{
	struct pcap_state *st = o->state;

	if (!st->seen)
		st->seen = iface;
	if (!st->first && !iface->from_file)
		st->first = iface;
	if (!st->first || file_dlt(o, st->first) == file_dlt(o, iface) || iface->from_file)
		return 0;
	if (file_can_cook(iface->dlt) && file_can_cook(st->first->dlt))
		st->mixed = true;
	else if (!st->header)
		return other_link_type(o, iface);
	return 0;
}

/* A capture goes on without a device that came too late for this file. */
static int leave_out(const struct file_output *o, const struct packet *p)
{
	struct pcap_state *st = o->state;

	if (p->iface->from_file)
		return other_link_type(o, p->iface);
	if (!st->left_out++)
		log_warn("%s: packets of \"%s\" are left out: a pcap file holds one link type, and it came after the "
			 "file was begun: name the file *.pcapng, start anew%s",
			 o->name, p->iface->name,
			 file_ethernet_helps(p->iface, st->first) ? ", or use --add-ethernet-header" : "");
	return 0;
}

static int pcap_packet(struct file_output *o, const struct packet *p)
{
	struct pcap_state *st = o->state;
	struct pcap_record h;
	struct packet cooked;
	uint8_t *at;
	int ret = 0;

	if (!st->first)
		st->first = p->iface;
	if (!st->header)
		ret = pcap_headers(o);
	if (ret)
		return ret;
	if (st->dlt == DLT_LINUX_SLL2 && file_can_cook(p->iface->dlt)) {
		cooked = file_cook(&st->cooked, p);
		p = &cooked;
	} else if (st->dlt != file_dlt(o, p->iface)) {
		return leave_out(o, p);
	}
	h = (struct pcap_record){
		.sec = (uint32_t)p->sec,
		.frac = (uint32_t)(o->config.nano ? p->nsec : p->nsec / 1000),
		.caplen = p->caplen,
		.len = p->len,
	};
	ret = sink_reserve(&o->sink, sizeof(h) + p->caplen, &at);
	if (ret)
		return ret;
	memcpy(at, &h, sizeof(h));
	if (p->caplen)
		memcpy(at + sizeof(h), p->data, p->caplen);
	sink_commit_packet(&o->sink, sizeof(h) + p->caplen);
	return 0;
}

static int pcap_end(struct file_output *o)
{
	struct pcap_state *st = o->state;

	if (st->left_out)
		log_warn("%s: %" PRIu64 " packet%s left out, of another link type", o->name, st->left_out,
			 st->left_out == 1 ? "" : "s");
	st->left_out = 0;
	return pcap_headers(o);
}

static void pcap_free(struct file_output *o)
{
	struct pcap_state *st = o->state;

	buf_done(&st->cooked);
	free(st);
}

const struct file_format file_format_pcap = {
	.name = "pcap",
	.begin = pcap_begin,
	.iface = pcap_iface,
	.packet = pcap_packet,
	.headers = pcap_headers,
	.end = pcap_end,
	.free = pcap_free,
	.whole = pcap_whole,
};
