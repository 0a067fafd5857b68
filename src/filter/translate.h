/* SPDX-License-Identifier: BSD-3-Clause */
/* Classic BPF to the body of one eBPF function. */
#ifndef FILTER_TRANSLATE_H
#define FILTER_TRANSLATE_H

#include "filter/filter.h"

struct bpf_insn;

enum filter_flavour {
	/* int f(struct __sk_buff *skb, u32 egress) */
	FLAVOUR_DIRECT, /* direct packet access, bpf_skb_load_bytes() beyond the linear part: tc, cgroup_skb */
	/* bpf_skb_load_bytes() only: socket filters have no direct access, and nobody who has to align what he loads */
	FLAVOUR_LOAD_BYTES,
	/* int f(u64 start, u32 linear, u32 len, u64 vlan, u64 meta), as bpf/filter.bpf.h explains */
	FLAVOUR_MEMORY, /* bpf_probe_read_kernel(): tracing */
	FLAVOURS,
};

struct filter_body {
	struct bpf_insn *insns;
	uint32_t n;
};

/* 0; -E2BIG jumps would be too far, -EOPNOTSUPP metadata or process terms, which we do not serve, -ENOMEM, -EINVAL. */
int filter_translate(const struct filter_code *code, enum filter_flavour flavour, struct filter_body *ret);
void filter_body_done(struct filter_body *body);

#endif
