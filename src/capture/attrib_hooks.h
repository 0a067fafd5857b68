/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of attribution programs, and what of it this kernel can take. Private to attrib*.c. */
#ifndef CAPTURE_ATTRIB_HOOKS_H
#define CAPTURE_ATTRIB_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

#include <linux/bpf.h>

#include "capture/kernel.h"

struct bpf_program;
struct ptcpdump;

enum hook_kind {
	HOOK_RAW_TP,
	HOOK_CGROUP,
	HOOK_TP_BTF,
	HOOK_FENTRY, /* of a function that tracepoints of newer kernels make needless */
	HOOK_KPROBE, /* likewise, where that is refused */
	HOOK_ITER,
	HOOK_FLOW,     /* of a cgroup too, for backends whose packets no program can tell the socket of */
	HOOK_RAW_FLOW, /* for the same, where a cgroup's cannot */
};

/* Attached when the programs ask for it, by the setting of this name: bpf/settings.bpf.h. */
enum hook_demand {
	DEMAND_NONE, /* at once */
	DEMAND_RECEIVERS,
	DEMAND_HEARERS,
	DEMAND_SENDERS,
};

struct hook {
	size_t program; /* where the skeleton has it: hook_program() */
	enum hook_kind kind;
	const char *target; /* what it attaches to, for messages */
	const char *btf;    /* type or function of the kernel's BTF without which it cannot load; NULL none */
	const char *lost;   /* what is lost without it */
	size_t instead;	    /* a program that makes this one needless where the kernel takes it; 0 none */
	enum hook_demand demand;
	bool shared; /* the program is that of a hook before, and attached here, too: */
	enum bpf_attach_type attach;
};

extern const struct hook hooks[];
extern const size_t hooks_count;
/* hook_support.why, of what is refused here though the kernel has it. */
extern const char hook_refused[];
/* Why most are not here on such a kernel. */
extern const char hook_too_old[];
enum { HOOKS_MAX = KERNEL_NAMES_MAX };

static inline struct bpf_program *hook_program(const struct hook *hook, const struct ptcpdump *skel)
{
	return *(struct bpf_program *const *)(const void *)((const char *)skel + hook->program);
}

struct hook_support {
	bool usable[HOOKS_MAX];
	const char *why[HOOKS_MAX];
	bool has[KERNEL_FEATURES]; /* of those that matter here */
	bool packet_programs;	   /* kernel_takes_packet_programs() */
};

/* 0 or -ENOMEM. */
int hooks_probe(struct hook_support *ret);
/* Tries whether this process may have what the kernel has, and takes away what is refused. True: some was. */
bool hooks_try(struct hook_support *s);
/* The row of a program, the first of several. */
size_t hook_row(size_t program);
/* Another that this kernel takes makes hooks[i] needless, or made that one so. */
bool hook_replaced(const struct hook_support *s, size_t i);
/* Nothing is lost without a program at a function, as one at a kprobe tells the same. */
bool hook_stood_in(const struct hook_support *s, size_t i);
/* Of those that are not of a cgroup. NULL, with errno. */
struct bpf_link *hook_attach(size_t i, const struct ptcpdump *skel);

#endif
