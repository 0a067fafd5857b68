/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/align.h"

#include <bpf/libbpf.h>
#include <linux/bpf.h>

#include "capture/kernel.h"
#include "ptcpdump.skel.h"

void align_programs(struct ptcpdump *skel)
{
	struct bpf_program *prog;

	if (kernel_has(KERNEL_UNALIGNED))
		return;
	skel->rodata->packet_unaligned = 0;
	/* Filters go by the flag: filter_inject_set(). */
	bpf_object__for_each_program(prog, skel->obj)
	{
		bpf_program__set_flags(prog, bpf_program__flags(prog) | BPF_F_STRICT_ALIGNMENT);
	}
}
