/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Programs that the kernel verifies while libbpf loads the others of their object: it loads one after the other, and the
 * program at the devices takes as long as all others together.
 */
#ifndef CAPTURE_VERIFIER_H
#define CAPTURE_VERIFIER_H

#include <pthread.h>
#include <stdbool.h>
#include <stddef.h>

struct bpf_prog_load_opts;
struct bpf_program;
struct program_copy;

/* One for each kind of device. */
enum { VERIFIED_MAX = 2 };

struct verified {
	const struct bpf_program *prog;
	struct program_copy *copy;
	pthread_t thread;
	int fd; /* or -errno */
};

/* All zero: none. */
struct verifier {
	struct verified all[VERIFIED_MAX];
	size_t n;
};

/*
 * From prog_prepare_load_fn, when prog is complete. Where nothing is won, and where there can be no thread, it is left to libbpf. 0 or
 * -errno
 */
int verifier_begin(struct verifier *v, struct bpf_program *prog, struct bpf_prog_load_opts *opts);
/* How many descriptors they take at most before verifier_end(), beside those of the object. */
unsigned verifier_descriptors(void);
/* Waits for them, also when the load of the object has failed, which is before it is closed. 0 or -errno of the first refused */
int verifier_end(struct verifier *v);

#endif
