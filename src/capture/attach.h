/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Attaching programs to tc: tcx links (Linux 6.6), which end with their file descriptor, else cls_bpf filters on a
 * clsact qdisc. What others attached is neither changed nor removed.
 */
#ifndef CAPTURE_ATTACH_H
#define CAPTURE_ATTACH_H

#include <stdbool.h>
#include <stdint.h>

enum attach_mode { ATTACH_AUTO, ATTACH_TCX, ATTACH_CLSACT };

/* One program on one side of one device. All zero: nothing attached. */
struct attachment {
	bool active;
	bool ingress;
	int link_fd; /* tcx; -1: a cls_bpf filter: */
	uint32_t ifindex, handle, priority;
	bool own_qdisc; /* we made the clsact qdisc: it goes with our last filter, unless others use it then */
};

/* Whether this kernel has tcx; prog_fd: any program for tc. */
bool attach_has_tcx(int prog_fd);
/* In the calling thread's network namespace. *mode: ATTACH_AUTO becomes what works. Returns 0 or -errno. */
int attach_program(struct attachment *a, enum attach_mode *mode, uint32_t ifindex, bool ingress, int prog_fd);
/*
 * Without tcx a killed process leaves its filters behind: removes those from the device whose process, by their
 * map ptcp_control, is dead for sure, and returns how many.
 */
unsigned attach_clean(uint32_t ifindex);
/* Likewise in the device's namespace; gone: the device does not exist any more. */
void attach_undo(struct attachment *a, bool gone);

#endif
