/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of attribution programs, and what of it this kernel can take. Private to attrib*.c. */
#ifndef CAPTURE_ATTRIB_HOOKS_H
#define CAPTURE_ATTRIB_HOOKS_H

#include <stdbool.h>
#include <stddef.h>

enum hook_kind {
	HOOK_RAW_TP,
	HOOK_CGROUP,
	HOOK_TP_BTF,
	HOOK_ITER,
	HOOK_FLOW, /* of a cgroup too, for backends whose packets no program can tell the socket of */
};

struct hook {
	const char *program;
	enum hook_kind kind;
	const char *target; /* what it attaches to, for messages */
	const char *btf;    /* type or function of the kernel's BTF without which it cannot load; NULL none */
	const char *lost;   /* what is lost without it */
};

extern const struct hook hooks[];
extern const size_t hooks_count;
enum { HOOKS_MAX = 32 };

struct hook_support {
	bool usable[HOOKS_MAX];
	bool trace_storage; /* tracing programs may use socket storage */
	bool task_btf;	    /* packet programs may look into the running task without probing */
	bool kernel_btf;    /* /sys/kernel/btf/vmlinux is there */
	bool cgroup;	    /* cgroup v2 can be opened */
	const char *why[HOOKS_MAX];
};

/* Looks, and loads nothing but empty programs. 0 or -ENOMEM. */
int hooks_probe(struct hook_support *ret);

#endif
