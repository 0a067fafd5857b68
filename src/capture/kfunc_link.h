/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_KFUNC_LINK_H
#define CAPTURE_KFUNC_LINK_H

#include <bpf/libbpf.h>

/*
 * Makes the calls of the functions of <ptcpdump/kfunc.h> in these programs, not yet loaded, calls of this kernel's.
 * -ENOENT: it has no BTF, or lacks one of the functions, or they are called nowhere; -ENOMEM.
 */
int kfuncs_link(struct bpf_program *const *progs, size_t n);

#endif
