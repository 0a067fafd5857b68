/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* The rings that records of packets go into. */
#ifndef RING_BPF_H
#define RING_BPF_H

#include "settings.bpf.h"
#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <ptcpdump/config.h>

/*
 * One ring per CPU, so that CPUs do not queue on one lock; with more CPUs than rings some share. An array of rings
 * would do, but filling a map of maps waits for an RCU grace period per entry, 14 ms each, and costs a lookup per
 * packet. User space sets the sizes, and leaves out those from ring_count on: their code is dead then.
 */
#define RINGS(X) X(0) X(1) X(2) X(3) X(4) X(5) X(6) X(7) X(8) X(9) X(10) X(11) X(12) X(13) X(14) X(15)

#define RING_DEFINE(n)                                                                                                 \
	struct {                                                                                                       \
		__uint(type, BPF_MAP_TYPE_RINGBUF);                                                                    \
		__uint(max_entries, 4096);                                                                             \
	} ptcp_ring##n __weak SEC(".maps");
RINGS(RING_DEFINE)

#define RING_ONE(n) +1
_Static_assert(RINGS(RING_ONE) == RINGS_MAX, "RINGS lists RINGS_MAX rings");

/* Puts the record into this CPU's ring. Returns the bytes that wait there now unless !ask, or a negative error. */
static __always_inline __s64 ring_output(__u32 slot, void *record, __u32 size, bool ask)
{
#define RING_OUTPUT(n)                                                                                                 \
	if (n >= ring_count)                                                                                           \
		return -1;                                                                                             \
	if (slot == n) {                                                                                               \
		long err = bpf_ringbuf_output(&ptcp_ring##n, record, size, BPF_RB_NO_WAKEUP);                          \
		return err || !ask ? err : (__s64)bpf_ringbuf_query(&ptcp_ring##n, BPF_RB_AVAIL_DATA);                 \
	}
	RINGS(RING_OUTPUT)
	return -1;
}

/* Bytes that wait in this CPU's ring. A function, so that the verifier looks at each ring once. */
static __noinline __u64 ring_used(__u32 slot)
{
	__u64 used = 0;

	/* The asm differs from ring to ring: else clang makes one call of all, and rings that do not exist are referred to. */
#define RING_USED(n)                                                                                                   \
	if (n >= ring_count)                                                                                           \
		return 0;                                                                                              \
	if (slot == n) {                                                                                               \
		used = bpf_ringbuf_query(&ptcp_ring##n, BPF_RB_AVAIL_DATA);                                            \
		asm volatile("" : "+r"(used) : "i"(n));                                                                \
		return used;                                                                                           \
	}
	RINGS(RING_USED)
	return used;
}

/* A ring that gets full wakes the reader some small packets later than it could: to ask takes 9 ns. */
static __always_inline bool ring_ask(__u32 caplen, __u64 nth)
{
	enum { SMALL = 1024, EVERY = 8 };

	return caplen > SMALL || nth % EVERY == 0;
}

#endif
