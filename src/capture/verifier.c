/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/verifier.h"

#include <errno.h>
#include <unistd.h>

#include "capture/program_copy.h"
#include "util/thread.h"

static void *verify(void *arg)
{
	struct verified *p = arg;

	p->fd = program_copy_load(p->copy);
	return NULL;
}

int verifier_begin(struct verifier *v, struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	struct verified *p = &v->all[v->n];

	if (v->n == VERIFIED_MAX || !thread_pays())
		return 0;
	*p = (struct verified){ .prog = prog, .copy = program_copy_new(prog, bpf_program__type(prog), opts) };
	if (!p->copy)
		return -ENOMEM;
	if (thread_start(&p->thread, verify, p) != 0) {
		program_copy_free(p->copy);
		return 0;
	}
	v->n++;
	return program_keep_place(prog, opts);
}

unsigned verifier_descriptors(void)
{
	return thread_pays() ? VERIFIED_MAX : 0;
}

/* The object has no descriptor for it when another program was refused. */
static int verified_end(struct verified *p)
{
	pthread_join(p->thread, NULL);
	program_copy_free(p->copy);
	if (p->fd < 0)
		return p->fd;
	if (bpf_program__fd(p->prog) >= 0)
		return program_take_place(p->prog, p->fd);
	close(p->fd);
	return 0;
}

int verifier_end(struct verifier *v)
{
	int err = 0;

	for (size_t i = 0; i < v->n; i++) {
		const int refused = verified_end(&v->all[i]);

		if (!err)
			err = refused;
	}
	v->n = 0;
	return err;
}
