/* SPDX-License-Identifier: BSD-3-Clause */
/* Programs for kernels whose verifier wants the words of packets aligned: KERNEL_UNALIGNED. */
#ifndef CAPTURE_ALIGN_H
#define CAPTURE_ALIGN_H

struct ptcpdump;

/* Between open and load. Nothing, where the kernel takes any; else programs and filters read packets by helper. */
void align_programs(struct ptcpdump *skel);

#endif
