/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_KFUNC_LINK_H
#define CAPTURE_KFUNC_LINK_H

#include <bpf/libbpf.h>

/*
 * Makes the calls of the functions of <ptcpdump/kfunc.h> in those programs of a type that will be loaded calls of this
 * kernel's.
 * -ENOENT: it has no BTF, or lacks one of the functions, or they are called nowhere; -ENOMEM.
 */
int kfuncs_link(struct bpf_object *obj, enum bpf_prog_type type);

#endif
