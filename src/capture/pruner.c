/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/pruner.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "capture/prune.h"
#include "util/log.h"

/* The options hold pointers to the copy: it lives until the next program. */
static int info_copy(void **copy, const void *records, uint32_t n, uint32_t size, struct prune_info *ret)
{
	free(*copy);
	*copy = malloc((size_t)n * size + 1);
	if (!*copy)
		return -ENOMEM;
	if (n)
		memcpy(*copy, records, (size_t)n * size);
	*ret = (struct prune_info){ *copy, n, size };
	return 0;
}

/* Lines are for the verifier's log. */
static int infos_copy(struct pruner *p, const struct bpf_prog_load_opts *opts, struct prune_info *functions,
		      struct prune_info *lines)
{
	const uint32_t n = log_shows(LOG_DEBUG) ? opts->line_info_cnt : 0;
	const int err =
		info_copy(&p->func_info, opts->func_info, opts->func_info_cnt, opts->func_info_rec_size, functions);

	return err ? err : info_copy(&p->line_info, opts->line_info, n, opts->line_info_rec_size, lines);
}

int pruner_apply(struct pruner *p, struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	struct prune_settings settings;
	const size_t n = bpf_program__insn_cnt(prog);
	struct prune_info functions, lines;
	struct bpf_insn *insns;
	long left;
	int err;

	if (!p || !p->settings)
		return 0;
	settings = (struct prune_settings){ .map_fd = bpf_map__fd(p->settings) };
	settings.data = bpf_map__initial_value((struct bpf_map *)(uintptr_t)p->settings, &settings.size);
	insns = malloc(n * sizeof(*insns) + 1);
	if (!settings.data || !insns || infos_copy(p, opts, &functions, &lines)) {
		free(insns);
		return -ENOMEM;
	}
	memcpy(insns, bpf_program__insns(prog), n * sizeof(*insns));
	left = prune(insns, n, &settings, &functions, &lines);
	err = left < 0 ? (int)left : bpf_program__set_insns(prog, insns, (size_t)left);
	free(insns);
	opts->func_info = functions.records;
	opts->func_info_cnt = functions.n;
	opts->line_info = lines.records;
	opts->line_info_cnt = lines.n;
	return err;
}

void pruner_done(struct pruner *p)
{
	free(p->func_info);
	free(p->line_info);
	p->func_info = p->line_info = NULL;
}
