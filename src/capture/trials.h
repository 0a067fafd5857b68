/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * What this process may do here, by doing the least of each kind: empty programs are loaded and gone at once, and where they would be
 * attached is a place that does not exist, so that the answer is the kernel's "there is none", or the refusal. Rows of kernel.c.
 */
#ifndef CAPTURE_TRIALS_H
#define CAPTURE_TRIALS_H

#include <linux/bpf.h>
#include <stdbool.h>
#include <stdint.h>

/* A program that does nothing; btf_id: of what it is to be attached to, 0 none. Its descriptor, or a -errno. */
int trial_load(enum bpf_prog_type type, enum bpf_attach_type attach, uint32_t btf_id);
/* No filter of system calls is in the way of bpf(2). */
bool trial_bpf_calls(void);
/* Ours is the user namespace of the machine, whose capabilities count everywhere. */
bool trial_first_user_namespace(void);
/* Programs may read the kernel's memory: not under lockdown=confidentiality. */
bool trial_kernel_memory(void);
/* Programs at tracepoints by BTF are taken; */
bool trial_tracing(void);
/* iterators are. */
bool trial_iterator(void);
/* A program that is loaded may be attached at a network device; */
bool trial_device_attach(void);
/* to a cgroup; */
bool trial_cgroup_attach(void);
/* to a tracepoint; */
bool trial_tracepoint_attach(void);
/* to a socket. */
bool trial_socket_attach(void);
/* TCP and UDP sockets are told by sock_diag. */
bool trial_sock_diag(void);

#endif
