/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What SEC("tp_btf/NAME") and SEC("iter/NAME") attach to. To find its number, libbpf reads and indexes all of the kernel's
 * BTF, which takes 7 ms; here it is one of the types that kernel_btf_subset() comes past anyway.
 */
#ifndef CAPTURE_TRACE_TARGET_H
#define CAPTURE_TRACE_TARGET_H

#include <stdbool.h>

#include "capture/kernel_btf.h"

enum { TRACE_TARGETS_MAX = 8 };

enum trace_kind { TRACE_TRACEPOINT, TRACE_ITERATOR, TRACE_KINDS };

struct trace_targets {
	size_t n;
	struct kernel_btf_type types[TRACE_TARGETS_MAX];
	int handlers[TRACE_KINDS]; /* ids, 0 none */
};

/* -E2BIG */
int trace_targets_add(struct trace_targets *t, enum trace_kind kind, const char *name);
/*
 * From now on, such programs are loaded with the numbers of types. Not if one has none: then libbpf looks for it. Before the
 * object is opened; t stays where it is until it is done, which is after the object is closed. -errno
 */
int trace_targets_use(struct trace_targets *t);
void trace_targets_done(struct trace_targets *t);

#endif
