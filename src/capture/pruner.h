/* SPDX-License-Identifier: BSD-3-Clause */
/* prune(), for the programs of an object. */
#ifndef CAPTURE_PRUNER_H
#define CAPTURE_PRUNER_H

struct bpf_map;
struct bpf_prog_load_opts;
struct bpf_program;

/* All zero: nothing is cut. */
struct pruner {
	const struct bpf_map *settings; /* of the object that is loaded, which are not changed any more */
	/* Of the program that is being loaded. */
	void *func_info, *line_info;
};

/* From prog_prepare_load_fn, when prog is complete. p NULL: nothing is cut. 0 or -errno */
int pruner_apply(struct pruner *p, struct bpf_program *prog, struct bpf_prog_load_opts *opts);
void pruner_done(struct pruner *p);

#endif
