/* SPDX-License-Identifier: BSD-3-Clause */
/* What the running kernel offers. Whoever has a question asks here, and --probe shows every answer. */
#ifndef CAPTURE_KERNEL_H
#define CAPTURE_KERNEL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>

struct ptcpdump__rodata;

#define KERNEL_BTF_FOLDER "/sys/kernel/btf"
#define KERNEL_BTF_PATH KERNEL_BTF_FOLDER "/vmlinux"

enum kernel_feature {
	/* Found in the kernel's BTF: kernel_look(). */
	KERNEL_TRACE_STORAGE,	/* tracing programs may use socket storage */
	KERNEL_SOCKET_ITERATOR, /* iterators over files can tell sockets */
	/* Found by trying: kernel_has(). */
	KERNEL_CGROUP2,
	KERNEL_BTF,
	KERNEL_TASK_BTF, /* packet programs may look into the running task without probing */
	KERNEL_SCHED_CLS,
	KERNEL_SOCKET_FILTER,
	KERNEL_CGROUP_SKB,
	KERNEL_CGROUP_SOCK, /* programs at the calls of sockets */
	KERNEL_RAW_TRACEPOINT,
	KERNEL_KPROBE,
	KERNEL_FENTRY,
	KERNEL_TCX,
	KERNEL_PACKET_SOCKET,	/* errno tells why not */
	KERNEL_PREEMPT_OFF,	/* programs at cgroup_skb may switch preemption off */
	KERNEL_TRACE_FRAGMENTS, /* tracepoints may read the fragments of packets */
	KERNEL_SYNACK6,		/* SYN-ACKs of IPv6 pass cgroup_skb */
	KERNEL_JIT,		/* what translates programs is switched on */
	KERNEL_UNALIGNED,	/* programs may load words from any place of a packet */
	KERNEL_SOFTIRQ_STACK,	/* soft interrupts never run on the stack of a task; not so with PREEMPT_RT */
	KERNEL_RINGBUF,		/* BPF ring buffers */
	KERNEL_PACKET_TASK,	/* packet programs and those of cgroups may look into the running task at all */
	KERNEL_CREATE_STORAGE,	/* programs that see a socket made may use its storage */
	KERNEL_LINKS,		/* programs at cgroups end with a descriptor */
	KERNEL_GLOBALS,		/* the verifier takes functions that it checks once */
	KERNEL_MMAP,		/* user space may map the variables of programs */
	KERNEL_PROGRAMS,	/* programs may have loops and settings */
	/* What may be refused to this process, whatever the kernel has: trials.h. */
	KERNEL_BPF_CALLS,
	KERNEL_FIRST_USERNS,
	KERNEL_MEMORY,	/* programs may read it */
	KERNEL_TRACING, /* programs at tracepoints by BTF */
	KERNEL_ITERATOR,
	KERNEL_DEVICE_ATTACH,
	KERNEL_CGROUP_ATTACH,
	KERNEL_TRACEPOINT_ATTACH,
	KERNEL_SOCKET_ATTACH,
	KERNEL_SOCK_DIAG,
	KERNEL_FEATURES
};

/*
 * The environment variable PTCPDUMP_HIDE is a list of words with commas between them, of features (kernel.c has them) that are
 * taken for missing: an older kernel's code paths are tested so. 0, or -EINVAL: a word means nothing, which is logged.
 */
int kernel_hide_check(void);
bool kernel_hides(enum kernel_feature feature);
/* Of a feature that is found by trying; loads nothing but empty programs. */
bool kernel_has(enum kernel_feature feature);
/* Packet programs of ours can tell owners, and user space hears of it: Linux 5.8. Else only raw tracepoints are of use. */
bool kernel_takes_packet_programs(void);
enum { KERNEL_NAMES_MAX = 32 };
/*
 * Reads the kernel's BTF once: fills has[] for the features that it tells of, for KERNEL_BTF and for those that programs
 * are told of, and found[] for n more names, up to KERNEL_NAMES_MAX, of types or functions, which have to begin with b;
 * NULL: not looked for. Without BTF what it tells of is false. 0 or -ENOMEM.
 */
int kernel_look(bool has[KERNEL_FEATURES], const char *const *names, bool *found, size_t n);
/*
 * found[]: at the entry of which of n functions (NULL: none; up to KERNEL_NAMES_MAX) a program can be. Reads all types of
 * the kernel's BTF, a ms or two.
 */
void kernel_functions(const char *const *names, bool *found, size_t n);
/* Sets what programs are told of: settings whose feature the kernel has. */
void kernel_tell(const bool has[KERNEL_FEATURES], struct ptcpdump__rodata *settings);
/* Lines of the table of --probe: kind, what, whether it is here, what is lost without it. */
#define KERNEL_PROBE_FORMAT "%-15s %-22s %-4s %s"
int kernel_probe(FILE *out);

#endif
