/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * The packet filter as seen by our programs: call a stub, user space replaces its body by the translated expression
 * when the object is loaded (src/filter/inject.c). An unreplaced stub matches every packet.
 *
 * Only programs in the sections below are looked at. They are libbpf's usual types under another name, because
 * libbpf lets nobody else hook into the loading of its own section names. None attaches by itself: use the
 * program's fd.
 *
 *	SEC(FILTER_SEC_TC)	BPF_PROG_TYPE_SCHED_CLS, for tcx links as well as cls_bpf
 *	SEC(FILTER_SEC_INGRESS)	BPF_PROG_TYPE_CGROUP_SKB, attach type BPF_CGROUP_INET_INGRESS
 *	SEC(FILTER_SEC_EGRESS)	BPF_PROG_TYPE_CGROUP_SKB, attach type BPF_CGROUP_INET_EGRESS
 *	SEC(FILTER_SEC_SOCKET)	BPF_PROG_TYPE_SOCKET_FILTER
 *	SEC(FILTER_SEC_TP_BTF)	BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP; bpf_program__set_attach_target() before load,
 *				bpf_program__attach_trace() after
 *
 * The section name may go on after a slash (SEC(FILTER_SEC_TC "/ingress")). A program may call several stubs, and each
 * of them from several places. Of the 512 bytes of stack that a program shares with what it calls, most filters take
 * 16, the worst ones 176, the memory stubs 288.
 */
#ifndef FILTER_BPF_H
#define FILTER_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>

#define FILTER_SEC_TC "ptcp/tc"
#define FILTER_SEC_INGRESS "ptcp/cgroup_ingress"
#define FILTER_SEC_EGRESS "ptcp/cgroup_egress"
#define FILTER_SEC_SOCKET "ptcp/socket"
#define FILTER_SEC_TP_BTF "ptcp/tp_btf"

/*
 * Global, so that the verifier checks each once and on its own (5.6 and newer; libbpf makes them static for older
 * kernels), weak, so that several objects that include this file can be linked. The asm hides the result from clang,
 * which else would inline "return 1".
 */
#define FILTER_STUB(name)                                                                                              \
	__attribute__((weak, noinline)) int name(struct __sk_buff *skb, __u32 egress)                                  \
	{                                                                                                              \
		int match = 1;                                                                                         \
                                                                                                                       \
		asm volatile("" : "+r"(match) : "r"(skb), "r"(egress));                                                \
		return match;                                                                                          \
	}

/* Packet that starts at skb->data with an Ethernet header (l2) or an IP header (l3). egress tells a packet that is
 * being sent, for "outbound": skb->pkt_type says so only at taps. Non-zero: matches. */
FILTER_STUB(pcap_filter_l2)
FILTER_STUB(pcap_filter_l3)

/* The same for what is left of an expression where it is known of some of its process terms that they are not true. */
FILTER_STUB(pcap_rest_l2)
FILTER_STUB(pcap_rest_l3)

#define FILTER_MEM_STUB(name)                                                                                          \
	__attribute__((weak, noinline)) int name(__u64 start, __u32 linear, __u32 len, __u64 vlan, __u64 meta)         \
	{                                                                                                              \
		int match = 1;                                                                                         \
                                                                                                                       \
		asm volatile("" : "+r"(match) : "r"(start), "r"(linear), "r"(len), "r"(vlan), "r"(meta));              \
		return match;                                                                                          \
	}

/*
 * The same for tracing programs, which see the packet as kernel memory:
 *   start	address of the first header, a number to the verifier: read it with bpf_probe_read_kernel() (BPF_CORE_READ),
 *		since 6.17 does not take a pointer that was loaded directly for one
 *   linear	bytes there (skb->tail - start); loads beyond reject, though the packet may go on in fragments
 *   len	bytes on the wire, what "len" and "greater" compare
 *   vlan	FILTER_VLAN() of the tag in skb metadata, 0 none
 *   meta	FILTER_META(): PACKET_OUTGOING for a packet that is being sent
 */
FILTER_MEM_STUB(pcap_filter_mem_l2)
FILTER_MEM_STUB(pcap_filter_mem_l3)
FILTER_MEM_STUB(pcap_rest_mem_l2)
FILTER_MEM_STUB(pcap_rest_mem_l3)

#define FILTER_VLAN(tci, proto) ((__u64)(proto) << 32 | 1 << 16 | (__u16)(tci)) /* proto in host order */
#define FILTER_META(pkt_type, ifindex) ((__u64)(__u32)(ifindex) << 32 | (__u8)(pkt_type))

#endif
