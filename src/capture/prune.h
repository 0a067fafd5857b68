/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Cuts from a program what settings rule out, before the kernel sees it. The verifier comes to the same result, but first looks
 * at all instructions some times, and then takes out each piece by moving all that follows: 5 ms, for the programs of a capture.
 */
#ifndef CAPTURE_PRUNE_H
#define CAPTURE_PRUNE_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

struct bpf_insn;

/* A map whose contents do not change any more. */
struct prune_settings {
	int map_fd;
	const void *data;
	size_t size;
};

/* What is told of instructions: records that begin with the number of one. */
struct prune_info {
	void *records; /* is changed */
	uint32_t n, size;
};

/*
 * insns: n of a program as it is loaded, with all its functions. Returns how many are left, which may be all; or -ENOMEM. functions
 * and lines lose those of what is cut; of each instruction that is left, lines has at most one.
 */
long prune(struct bpf_insn *insns, size_t n, const struct prune_settings *settings, struct prune_info *functions,
	   struct prune_info *lines);

#endif
