/* SPDX-License-Identifier: BSD-3-Clause */
/* How packets are seen: one table, one way for each that src/capture/capture.c calls through. */
#ifndef CAPTURE_BACKEND_H
#define CAPTURE_BACKEND_H

#include <stdbool.h>
#include <stdint.h>

struct capture;
struct event_packet;
struct link;

/* To be called again for the same link, when others that are urgent have had their turn. */
#define LINK_UNFINISHED 1

struct backend {
	const char *name;
	const char *help;	      /* what it is for, in one line */
	const char *(*missing)(void); /* why it cannot be used here; NULL: it can */
	bool programs;		      /* packets come from our eBPF programs into BPF ring buffers */
	bool flows;		      /* they find owners by ptcp_flows; user space asks for the rest */
	bool raw_ip;		      /* packets of all devices start at the IP header */
	bool bpf_optional;	      /* works without CAP_BPF */
	bool packet_sockets;	      /* takes CAP_NET_RAW */

	/* Finds and opens the wanted interfaces, and compiles the filter; errors are logged. */
	int (*open)(struct capture *c);
	/* Packets are being queued from here on. */
	int (*attach)(struct capture *c);
	/* Of those with programs: one more device, in its namespace; NULL: they see all anyway. 0, LINK_UNFINISHED or -errno */
	int (*attach_link)(struct capture *c, struct link *link);
	/* For backends without programs: moves packets into the rings; 0 or a negative errno. */
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

extern const struct backend backends[];
extern const unsigned backends_count;

/* NULL: no such backend. name NULL: the first. */
const struct backend *backend_find(const char *name);

/* links.c */
int tc_attach_link(struct capture *c, struct link *link);

/* backend_tap.c: packet sockets, tracepoints */
int sockets_attach(struct capture *c);
int socket_attach_link(struct capture *c, struct link *link);
int cgroup_attach(struct capture *c);
int tracepoints_attach(struct capture *c);
void taps_close(struct capture *c);

/* backend_pcap.c */
int pcap_backend_open(struct capture *c);
int pcap_backend_attach(struct capture *c);
int pcap_backend_collect(struct capture *c);
int pcap_backend_finish(struct capture *c, struct event_packet *e, bool force, int64_t *ns);
void pcap_backend_stop(struct capture *c);
bool pcap_backend_wait(struct capture *c);
void pcap_backend_count(const struct capture *c);
void pcap_backend_close(struct capture *c);

#endif
