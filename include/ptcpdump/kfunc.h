/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/*
 * Kernel functions that programs call by a number that is no helper's (enum bpf_func_id, linux/bpf.h, has some 220).
 * src/capture/kfunc_link.c replaces it where the kernel has the function; elsewhere the call must be dead code. It has to stand
 * in the program itself: functions that are not inlined are appended to it too late. With libbpf's own way, an extern
 * __ksym, nothing of the object could be loaded on a kernel without BTF.
 */
#ifndef PTCPDUMP_KFUNC_H
#define PTCPDUMP_KFUNC_H

enum {
	KFUNC_PREEMPT_DISABLE = 0x7f000000, /* void bpf_preempt_disable(void), Linux 6.10 */
	KFUNC_PREEMPT_ENABLE,		    /* void bpf_preempt_enable(void), likewise */
	KFUNC_DYNPTR_FROM_SKB, /* int bpf_dynptr_from_skb(struct __sk_buff *, u64, struct bpf_dynptr *), 6.4 */
	KFUNC_END
};

#endif
