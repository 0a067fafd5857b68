/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * One device through libpcap's own live capture. In a file of its own because pcap.h and libbpf's headers both define
 * struct bpf_insn.
 */
#ifndef CAPTURE_PCAP_LIVE_H
#define CAPTURE_PCAP_LIVE_H

#include <stdbool.h>
#include <stdint.h>

#include "packet.h"

struct filter_expr;
struct pcap_live;

struct pcap_live_config {
	const char *device;
	const struct filter_expr *filter; /* NULL or no text: everything; what may pass that needs owners */
	const char *tstamp_type;	  /* -j; NULL: the host's */
	const char *dlt_name;		  /* -y; NULL: the device's first */
	int dlt;			  /* of dlt_name */
	uint32_t snaplen;
	int buffer_bytes; /* 0: libpcap's default */
	bool promiscuous, monitor, immediate, no_optimize;
	bool again; /* the device was opened before: its warnings are known */
	/* Only packets of this direction, by the kernel's filter: it is known then which they have. DIR_NONE: all */
	enum direction direction;
	enum direction hidden_direction; /* the same by libpcap, where the kernel cannot */
};

struct pcap_live_packet {
	const uint8_t *data;
	uint32_t caplen, len;
	int64_t ns; /* since the epoch */
};

/*
 * Opens a device in the calling thread's network namespace; nothing is received until pcap_live_start(). Errors and
 * warnings are logged, in tcpdump's words. -EOPNOTSUPP, without a message: packets of one direction cannot be asked for
 * here (with direction only).
 */
int pcap_live_open(struct pcap_live **ret, const struct pcap_live_config *config);
int pcap_live_start(struct pcap_live *l);
/* Nothing new arrives; what is queued can still be read. */
void pcap_live_stop(struct pcap_live *l);
/* Readable when packets wait; -1: the device has none, ask every 10 ms. */
int pcap_live_fd(const struct pcap_live *l);
int pcap_live_dlt(const struct pcap_live *l);
/* Hands on at most max packets. Returns their number, -ENODEV when the device is gone, or -EIO (logged). */
int pcap_live_read(struct pcap_live *l, int max, void (*packet)(void *arg, const struct pcap_live_packet *p),
		   void *arg);
/* received: passed the filter, those dropped among them. */
void pcap_live_count(struct pcap_live *l, uint64_t *received, uint64_t *dropped);
/*
 * Whether packets were received that pcap_live_read() has not handed on yet. Also true for ever after some that libpcap
 * itself has left out, such as the outgoing half of what lo shows to the device "any".
 */
bool pcap_live_waits(struct pcap_live *l);
void pcap_live_close(struct pcap_live *l);

#endif
