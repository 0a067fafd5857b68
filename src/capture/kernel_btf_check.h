/* SPDX-License-Identifier: BSD-3-Clause */
/* Whether a BTF file is of the kernel that runs. */
#ifndef CAPTURE_KERNEL_BTF_CHECK_H
#define CAPTURE_KERNEL_BTF_CHECK_H

struct btf;

enum { KERNEL_BTF_WHY = 256 };

/*
 * Has programs read what is known of a process, sockets and packets of ours, these in a network namespace of their own, with
 * the file, "" for the one that libbpf finds. 0: it is right, or that cannot be tried here, which is said at info. -EINVAL,
 * with what is wrong.
 */
int kernel_btf_check(const char *path, char why[KERNEL_BTF_WHY]);
/* Of the structures that programs read: whether a compiler can have laid their members out so. 0 or -EINVAL, with what is wrong. */
int kernel_btf_layout(const struct btf *btf, char why[KERNEL_BTF_WHY]);

#endif
