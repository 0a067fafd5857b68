/* SPDX-License-Identifier: BSD-3-Clause */
#include <errno.h>
#include <stdlib.h>

#include "filter/ebpf.h"

void *ebpf_grow(struct ebpf *e, void *array, uint32_t n, uint32_t *cap, size_t size)
{
	void *p = array;

	if (e->err)
		return NULL;
	if (n < *cap)
		return array;
	p = realloc(array, (*cap ? 2 * (size_t)*cap : 64) * size);
	if (!p) {
		e->err = -ENOMEM;
		return NULL;
	}
	*cap = *cap ? 2 * *cap : 64;
	return p;
}

void ebpf_emit(struct ebpf *e, uint8_t op, uint8_t dst, uint8_t src, int off, int32_t imm)
{
	struct bpf_insn *insns = ebpf_grow(e, e->insns, e->n, &e->cap, sizeof(*insns));

	if (!insns)
		return;
	e->insns = insns;
	insns[e->n++] = (struct bpf_insn){
		.code = op, .dst_reg = dst & 0xf, .src_reg = src & 0xf, .off = (int16_t)off, .imm = imm
	};
}

void ebpf_land(struct ebpf *e, uint32_t at)
{
	int64_t distance = (int64_t)e->n - at - 1;

	if (e->err)
		return;
	if (distance > INT16_MAX) {
		e->err = -E2BIG;
		return;
	}
	e->insns[at].off = (int16_t)distance;
}

void ebpf_reject(struct ebpf *e)
{
	e->reject = e->n;
	ebpf_mov32_imm(e, BPF_REG_0, e->lenient);
	ebpf_emit(e, BPF_JMP | BPF_EXIT, 0, 0, 0, 0);
}

void ebpf_reject_if(struct ebpf *e, uint8_t op, uint8_t dst, uint8_t src, int32_t imm)
{
	int64_t distance = e->reject - (int64_t)e->n - 1;

	if (e->reject >= 0 && distance >= INT16_MIN) {
		ebpf_emit(e, op, dst, src, (int)distance, imm);
		return;
	}
	ebpf_emit(e, op, dst, src, 1, imm);
	ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 2, 0);
	ebpf_reject(e);
}
