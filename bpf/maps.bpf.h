/* SPDX-License-Identifier: BSD-3-Clause OR GPL-2.0-only */
/* Maps that several BPF files share: weak, so that "bpftool gen object" joins them into one. */
#ifndef MAPS_BPF_H
#define MAPS_BPF_H

#include "vmlinux.h"
#include <bpf/bpf_helpers.h>
#include <ptcpdump/config.h>
#include <ptcpdump/event.h>

#define LOST(cause) (-1 - (int)(cause)) /* enum drop_cause */

/* Carries no data: its wait queue wakes the reader. */
struct {
	__uint(type, BPF_MAP_TYPE_RINGBUF);
	__uint(max_entries, 4096);
} ptcp_wake_ring __weak SEC(".maps");

struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(map_flags, BPF_F_MMAPABLE);
	__uint(max_entries, 1);
	__type(key, __u32);
	__type(value, struct capture_control);
} ptcp_control __weak SEC(".maps");

/*
 * Where a record is put together: SCRATCH_SLOTS, or SCRATCH_SLOTS_NESTED, for each CPU that is present. A plain array, because
 * values of per-CPU arrays end at 32 kB. Where packets are seen at a device, tc and taps, bottom halves are off (on
 * PREEMPT_RT serialised per CPU), and what our programs send does not pass there before they return: no second packet
 * can come to the same CPU's record. cgroup_skb runs in the context of the task that sends, which can be interrupted.
 * User space sets max_entries and the value size: struct event_packet and the snapshot length.
 */
struct {
	__uint(type, BPF_MAP_TYPE_ARRAY);
	__uint(max_entries, 1);
	__uint(key_size, sizeof(__u32));
	__uint(value_size, sizeof(struct event_packet));
} ptcp_scratch __weak SEC(".maps");

static __always_inline struct capture_control *control_get(void)
{
	__u32 zero = 0;

	return bpf_map_lookup_elem(&ptcp_control, &zero);
}

static __always_inline struct event_packet *scratch_get(__u32 slot)
{
	return bpf_map_lookup_elem(&ptcp_scratch, &slot);
}

/*
 * To be called after a record went into a ring (with BPF_RB_NO_WAKEUP) that holds used bytes now. The commit of a record is a full barrier,
 * and the reader looks at the rings again after it set wake, so one of both sees the other.
 * bpf_ringbuf_output's own wake-up would have to be chosen before the commit: that can lose one.
 */
static __always_inline void reader_wake(struct capture_control *control, __u64 used)
{
	__u32 wake = *(volatile __u32 *)&control->wake;
	void *token;

	if (wake == WAKE_NONE)
		return;
	if (wake == WAKE_FILL && used < control->wake_fill)
		return;
	*(volatile __u32 *)&control->wake = WAKE_NONE;
	token = bpf_ringbuf_reserve(&ptcp_wake_ring, sizeof(__u64), 0);
	if (token)
		bpf_ringbuf_discard(token, BPF_RB_FORCE_WAKEUP);
	else
		*(volatile __u32 *)&control->wake = WAKE_ANY; /* the next packet tries again */
}

#endif
