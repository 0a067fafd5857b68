/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Sections of programs that are loaded in our way instead of libbpf's.
 *
 * SEC("tp_btf/NAME"), SEC("iter/NAME") and SEC("fentry/NAME"): to find the number of what they attach to, libbpf reads and indexes all of the
 * kernel's BTF, which takes 7 ms; here it is one of the types that kernel_btf_subset() comes past anyway.
 *
 * All others: what settings rule out is cut.
 *
 * Programs that are attached on demand: the kernel looks at them when they are needed, which takes 3 ms each and is seldom.
 * libbpf fits them to the kernel, and loads two instructions in their place.
 */
#ifndef CAPTURE_SECTIONS_H
#define CAPTURE_SECTIONS_H

#include <stdbool.h>

#include "capture/kernel_btf.h"

enum { SECTION_TARGETS_MAX = 8, SECTION_KINDS = 19, SECTION_LATER_MAX = 4 };

/* What is attached to, of what has a number. */
enum section_target { SECTION_TRACEPOINT, SECTION_ITERATOR, SECTION_FUNCTION };

struct bpf_program;
struct program_copy;
struct pruner;

struct sections {
	size_t n;
	struct kernel_btf_type types[SECTION_TARGETS_MAX];
	bool wait[SECTION_TARGETS_MAX];
	int handlers[SECTION_KINDS]; /* ids, 0 none */
	struct pruner *pruner;	     /* for what all of them have; NULL: none */
	struct program_copy *later[SECTION_LATER_MAX];
};

/* Something is attached to that this kernel has. wait: on demand. -E2BIG */
int sections_add(struct sections *s, enum section_target what, const char *name, bool wait);
/*
 * From now on, programs of these sections are loaded so; of those with a number not if one of them has none: then
 * libbpf looks for it. Before the object is opened; s stays where it is until it is done, which is after the object is
 * closed. -errno
 */
int sections_use(struct sections *s);
/* Puts it at the descriptor of prog, of an object that was loaded. 0, also when it is there; -errno: the kernel refuses it. */
int sections_load(struct sections *s, const struct bpf_program *prog);
void sections_done(struct sections *s);

#endif
