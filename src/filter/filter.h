/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * pcap-filter(7) expressions: compiled by libpcap to classic BPF, run in user space on saved packets or
 * translated to eBPF and spliced into our programs. Semantics are those of libpcap's interpreter.
 */
#ifndef FILTER_H
#define FILTER_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>

struct sock_filter;
struct bpf_object;

/* A compiled expression. n == 0: no expression, everything matches. */
struct filter_code {
	struct sock_filter *insns;
	uint32_t n;
};

struct filter_compile_opts {
	int dlt;
	uint32_t snaplen;  /* 0: 262144 */
	uint32_t netmask;  /* network order, as pcap_compile; PCAP_NETMASK_UNKNOWN */
	bool no_optimize;  /* -O */
	bool live;	   /* compile as for a live AF_PACKET handle: VLAN metadata, inbound, ifindex */
};

#define FILTER_ERR_LEN 512

/* 0; -EINVAL with libpcap's message in err; -EOPNOTSUPP (message too) when the expression makes no sense for this
 * link type but may for another, such as arp on raw IP. */
int filter_compile(const char *expr, const struct filter_compile_opts *opts, struct filter_code *ret,
		   char err[FILTER_ERR_LEN]);
/* libpcap's verdict on one packet, with a bounded number of steps. */
bool filter_match(const struct filter_code *code, const uint8_t *data, uint32_t caplen, uint32_t len);
/* -d (1), -dd (2), -ddd (3): as tcpdump prints it. */
void filter_dump(const struct filter_code *code, int level, FILE *out);
void filter_done(struct filter_code *code);

/*
 * In the kernel. Programs call the global __noinline stubs of bpf/filter.bpf.h:
 *   pcap_filter_l2, pcap_filter_l3 (skb programs), pcap_filter_mem_l2, pcap_filter_mem_l3 (tracing programs).
 * filter_inject_register() once, before any object is opened, claims our section names; filter_inject_set()
 * between open and load says what replaces the stubs of an object. NULL code: the stub stays (matches all).
 * A code of one "ret #0" rejects all.
 */
int filter_inject_register(void);
int filter_inject_set(struct bpf_object *obj, const struct filter_code *l2, const struct filter_code *l3,
		      char err[FILTER_ERR_LEN]);

#endif
