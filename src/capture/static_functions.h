/* SPDX-License-Identifier: BSD-3-Clause */
/* Global functions of programs, for kernels that cannot verify them by themselves. */
#ifndef CAPTURE_STATIC_FUNCTIONS_H
#define CAPTURE_STATIC_FUNCTIONS_H

struct bpf_object;

/*
 * Between open and load: the verifier follows each function at each call, which takes longer. A global one whose argument is the
 * program's context is refused where the kernel has no BTF of its own to compare its type with ("btf_vmlinux is
 * malformed"), and before Linux 5.6 there are none.
 */
void functions_make_static(const struct bpf_object *obj);

#endif
