/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/kfunc_link.h"

#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include <bpf/btf.h>
#include <linux/bpf.h>
#include <ptcpdump/kfunc.h>

enum {
	KFUNC_FIRST = KFUNC_PREEMPT_DISABLE,
	CALL_KFUNC = 2, /* BPF_PSEUDO_KFUNC_CALL, which headers before Linux 5.13 lack */
};

static const char *const names[] = {
	[KFUNC_PREEMPT_DISABLE - KFUNC_FIRST] = "bpf_preempt_disable",
	[KFUNC_PREEMPT_ENABLE - KFUNC_FIRST] = "bpf_preempt_enable",
	[KFUNC_DYNPTR_FROM_SKB - KFUNC_FIRST] = "bpf_dynptr_from_skb",
};

static bool calls_kfunc(const struct bpf_insn *insn)
{
	return insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == 0 && insn->imm >= KFUNC_FIRST &&
	       insn->imm < KFUNC_END;
}

/* The number of calls, or -ENOENT. */
static int link_calls(const struct btf *kernel, struct bpf_insn *insns, size_t n)
{
	int calls = 0;

	for (size_t i = 0; i < n; i++) {
		int id;

		if (!calls_kfunc(&insns[i]))
			continue;
		id = btf__find_by_name_kind(kernel, names[insns[i].imm - KFUNC_FIRST], BTF_KIND_FUNC);
		if (id < 0)
			return -ENOENT;
		insns[i].src_reg = CALL_KFUNC;
		insns[i].imm = id;
		calls++;
	}
	return calls;
}

static int program_link(const struct btf *kernel, struct bpf_program *prog)
{
	size_t n = bpf_program__insn_cnt(prog);
	struct bpf_insn *insns = malloc(n * sizeof(*insns));
	int calls, err = 0;

	if (!insns)
		return -ENOMEM;
	memcpy(insns, bpf_program__insns(prog), n * sizeof(*insns));
	calls = link_calls(kernel, insns, n);
	if (calls > 0)
		err = bpf_program__set_insns(prog, insns, n);
	free(insns);
	return err ? err : calls;
}

int kfuncs_link(struct bpf_object *obj, enum bpf_prog_type type)
{
	struct btf *kernel = btf__load_vmlinux_btf();
	struct bpf_program *prog;
	int calls = 0;

	if (!kernel || libbpf_get_error(kernel))
		return -ENOENT;
	bpf_object__for_each_program(prog, obj)
	{
		int ret;

		if (calls < 0 || bpf_program__type(prog) != type || !bpf_program__autoload(prog))
			continue;
		ret = program_link(kernel, prog);
		calls = ret < 0 ? ret : calls + ret;
	}
	btf__free(kernel);
	return calls > 0 ? 0 : calls < 0 ? calls : -ENOENT;
}
