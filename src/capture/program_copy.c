/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/program_copy.h"

#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

/* The largest that all kernels take: before Linux 6.4 a log that is longer than its buffer lost its end. */
#define VERIFIER_LOG (UINT32_MAX >> 8)

struct program_copy {
	char name[32];
	enum bpf_prog_type type;
	struct bpf_prog_load_opts opts;
	void *func_info;
	size_t n;
	struct bpf_insn insns[];
};

/* What the options point to lives with the object, but for what they tell of functions. Lines are for the verifier's log. */
struct program_copy *program_copy_new(const struct bpf_program *prog, enum bpf_prog_type type,
				      const struct bpf_prog_load_opts *opts)
{
	const size_t n = bpf_program__insn_cnt(prog), info = (size_t)opts->func_info_cnt * opts->func_info_rec_size;
	struct program_copy *p = malloc(sizeof(*p) + n * sizeof(p->insns[0]));

	if (!p)
		return NULL;
	*p = (struct program_copy){ .type = type, .func_info = malloc(info + 1), .n = n };
	/* The library's may be longer or shorter than that of our headers. */
	memcpy(&p->opts, opts, opts->sz < sizeof(p->opts) ? opts->sz : sizeof(p->opts));
	p->opts.sz = sizeof(p->opts);
	if (!p->func_info) {
		free(p);
		return NULL;
	}
	snprintf(p->name, sizeof(p->name), "%s", bpf_program__name(prog));
	memcpy(p->insns, bpf_program__insns(prog), n * sizeof(p->insns[0]));
	if (info)
		memcpy(p->func_info, opts->func_info, info);
	p->opts.func_info = p->func_info;
	p->opts.fd_array = NULL;
	p->opts.line_info = NULL;
	p->opts.line_info_cnt = p->opts.line_info_rec_size = 0;
	p->opts.log_buf = NULL;
	p->opts.log_size = p->opts.log_level = 0;
	return p;
}

int program_keep_place(struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	opts->func_info_cnt = opts->line_info_cnt = 0;
	return bpf_program__set_insns(prog, pass, sizeof(pass) / sizeof(pass[0]));
}

static int load(const struct program_copy *p, char *log, uint32_t size)
{
	struct bpf_prog_load_opts opts = p->opts;

	opts.log_buf = log;
	opts.log_size = size;
	opts.log_level = log ? 1 : 0;
	return bpf_prog_load(p->type, p->name, "Dual BSD/GPL", p->insns, p->n, &opts);
}

static void log_refusal(const struct program_copy *p)
{
	char *log = log_shows(LOG_DEBUG) ? calloc(1, VERIFIER_LOG) : NULL;
	int fd;

	if (!log)
		return;
	fd = load(p, log, VERIFIER_LOG);
	if (fd >= 0)
		close(fd);
	log_debug("verifier on \"%s\":", p->name);
	log_end(LOG_DEBUG, log);
	free(log);
}

int program_copy_load(const struct program_copy *p)
{
	const int fd = load(p, NULL, 0);

	if (fd < 0)
		log_refusal(p);
	return fd;
}

int program_take_place(const struct bpf_program *prog, int fd)
{
	const int err = dup3(fd, bpf_program__fd(prog), O_CLOEXEC) < 0 ? -errno : 0;

	close(fd);
	return err;
}

const char *program_copy_name(const struct program_copy *p)
{
	return p->name;
}

void program_copy_free(struct program_copy *p)
{
	if (p)
		free(p->func_info);
	free(p);
}
