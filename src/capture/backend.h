/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * How packets are seen: one table, a row for each way, with all that the rest of the program asks of it. Nothing else
 * is decided by a backend's name.
 */
#ifndef CAPTURE_BACKEND_H
#define CAPTURE_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

#include "capture/kernel.h"

struct capture;
struct event_flow;
struct event_packet;
struct link;
struct netns;
struct ptcpdump;

/* To be called again for the same link, when others that are urgent have had their turn. */
#define LINK_UNFINISHED 1

struct backend {
	const char *name;
	const char *help;	      /* what it is for, in one line */
	const char *(*missing)(void); /* why it cannot be used here; NULL: it can */
	const char *instead;	      /* serves what device() says is not seen; NULL: nothing is beyond this one */
	bool programs;		      /* packets come from our eBPF programs into BPF ring buffers */
	bool counts;		      /* they can count packets instead, where nothing interrupts them */
	bool flows;		      /* they find owners by ptcp_flows; user space asks for the rest */
	bool raw_ip;		      /* packets of all devices start at the IP header */
	bool bpf_optional;	      /* works without CAP_BPF */
	bool packet_sockets;	      /* takes CAP_NET_RAW */
	bool opens_proc;	      /* looks into /proc/PID/fd for owners as long as it runs */

	/*
	 * Whether its programs see devices of a type (ARPHRD_*), and if their packets start at an IP header instead of
	 * an Ethernet header. NULL: it takes every device.
	 */
	bool (*device)(uint16_t arphrd, bool *l3);
	/* Finds and opens the wanted interfaces, and compiles the filter; errors are logged. */
	int (*open)(struct capture *c);
	/* Of those with programs: switches its own on, between open and load of the skeleton, and sets what they need. */
	int (*prepare)(struct capture *c, struct ptcpdump *skel);
	/* Packets are being queued from here on. */
	int (*attach)(struct capture *c);
	/* Of those with programs: one more device, in its namespace; NULL: they see all anyway. 0, LINK_UNFINISHED or -errno */
	int (*attach_link)(struct capture *c, struct link *link);
	/* For backends without programs: a device goes on under another name; counts what was under the old one. */
	void (*renamed)(struct capture *c, struct link *from, struct link *to);
	/* For the same: it is told that a device is up, perhaps not for the first time. */
	void (*up)(struct capture *c, struct link *link);
	/* For the same, which look at packets later: whose a flow was up to now. NULL: that is of no use here. */
	void (*flow_was)(struct capture *c, const struct event_flow *e);
	/* For the same: a namespace has ended, its devices are closed. */
	void (*forget)(struct capture *c, struct netns *ns);
	/* For the same: moves packets into the rings; 0 or a negative errno. */
	int (*collect)(struct capture *c);
	/* For the same: the last look at a packet before it is delivered. CAPTURE_WAIT: its owner may become known. */
	int (*finish)(struct capture *c, struct event_packet *e, bool force, int64_t *ns);
	/* Nothing new is queued. */
	void (*stop)(struct capture *c);
	/* After stop(): waits for a moment if something is still to come; false: that was all. NULL: nothing can be. */
	bool (*wait)(struct capture *c);
	/* Brings received and dropped of all interfaces up to date. */
	void (*count)(const struct capture *c);
	void (*close)(struct capture *c);
};

/* NULL: no such backend. */
const struct backend *backend_find(const char *name);
/* Taken where none is asked for and nothing is beyond it. */
const struct backend *backend_default(void);
/* The name of one that does without CAP_BPF. */
const char *backend_without_bpf(void);

/* backend_tc.c */
const char *tc_missing(void);
int tc_open(struct capture *c);
int tc_prepare(struct capture *c, struct ptcpdump *skel);
int tc_attach(struct capture *c);
int tc_attach_link(struct capture *c, struct link *link);
void tc_close(struct capture *c);

/* backend_tap.c: packet sockets, tracepoints, cgroups */
/* Why programs of a type cannot be used, or not be attached; refused: what to say when the kernel takes none for a reason that is not known. */
const char *programs_missing(enum kernel_feature type, enum kernel_feature attach, const char *refused);
/* Devices whose packets start at an Ethernet or an IP header. */
bool ether_or_ip_device(uint16_t arphrd, bool *l3);
int taps_open(struct capture *c);
const char *sockets_missing(void);
int sockets_prepare(struct capture *c, struct ptcpdump *skel);
int sockets_attach(struct capture *c);
int socket_attach_link(struct capture *c, struct link *link);
const char *cgroup_missing(void);
int cgroup_prepare(struct capture *c, struct ptcpdump *skel);
int cgroup_attach(struct capture *c);
const char *tracepoints_missing(void);
int tracepoints_open(struct capture *c);
int tracepoints_prepare(struct capture *c, struct ptcpdump *skel);
int tracepoints_attach(struct capture *c);
void taps_close(struct capture *c);

/* backend_pcap.c */
const char *pcap_backend_missing(void);
int pcap_backend_open(struct capture *c);
int pcap_backend_attach(struct capture *c);
void pcap_backend_renamed(struct capture *c, struct link *from, struct link *to);
void pcap_backend_up(struct capture *c, struct link *link);
void pcap_backend_flow_was(struct capture *c, const struct event_flow *e);
void pcap_backend_forget(struct capture *c, struct netns *ns);
int pcap_backend_collect(struct capture *c);
int pcap_backend_finish(struct capture *c, struct event_packet *e, bool force, int64_t *ns);
void pcap_backend_stop(struct capture *c);
bool pcap_backend_wait(struct capture *c);
void pcap_backend_count(const struct capture *c);
void pcap_backend_close(struct capture *c);

#endif
