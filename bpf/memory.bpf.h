/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Packets in kernel memory, which S->head tells the place of: for tracepoints, which have no __sk_buff. */
#ifndef MEMORY_BPF_H
#define MEMORY_BPF_H

#include "parse.bpf.h"
#include "tunnel.bpf.h"

/* As parse_packet(). */
__weak __noinline int parse_memory(__u32 which, __u32 off, __u32 protocol, __u32 slot)
{
	return parse_at(NULL, which, off, protocol, slot);
}

__weak __noinline int tunnel_memory(__u32 off, __u32 protocol, __u32 slot)
{
	struct tunnel_load to = { .off = off };

	return tunnel_open(NULL, &to, protocol, slot) && parse_memory(FLOW_SRC, to.off, to.protocol, slot);
}

#endif
