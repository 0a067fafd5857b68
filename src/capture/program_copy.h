/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A program as libbpf has fitted it to the kernel, which is loaded at another time than the rest of its object. For that,
 * two instructions are loaded in its place, which then is given to it.
 */
#ifndef CAPTURE_PROGRAM_COPY_H
#define CAPTURE_PROGRAM_COPY_H

#include <bpf/bpf.h>
#include <bpf/libbpf.h>

struct program_copy;

/* What prog_prepare_load_fn is given; type: the one that prog is to be loaded as. NULL: out of memory. */
struct program_copy *program_copy_new(const struct bpf_program *prog, enum bpf_prog_type type,
				      const struct bpf_prog_load_opts *opts);
/* In the same call: what is loaded now lets everything pass. 0 or -errno */
int program_keep_place(struct bpf_program *prog, struct bpf_prog_load_opts *opts);
/* As long as the object is there, in any thread: a descriptor or -errno. Why it is refused goes to the log, at debug. */
int program_copy_load(const struct program_copy *copy);
/* Puts fd, which is closed, at the descriptor of prog, of an object that is loaded. 0 or -errno */
int program_take_place(const struct bpf_program *prog, int fd);
const char *program_copy_name(const struct program_copy *copy);
void program_copy_free(struct program_copy *copy);

#endif
