/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/sections.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/btf.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "util/log.h"

enum { VERIFIER_LOG = 4096 };

/* A program whose place is kept. */
struct later {
	char name[32];
	enum bpf_prog_type type;
	struct bpf_prog_load_opts opts;
	void *func_info;
	size_t n;
	struct bpf_insn insns[];
};

static const struct {
	const char *section; /* + lets a name go on after a slash */
	/* Of tracing programs, until they are loaded: another, for which libbpf does not look for the BTF. */
	enum bpf_prog_type opened, type;
	enum bpf_attach_type attach;
	const char *prefix; /* of the name in the BTF; NULL: it has no number, and waits */
	unsigned kind;
} rows[SECTION_KINDS] = {
	{ .section = "tp_btf+",
	  .opened = BPF_PROG_TYPE_RAW_TRACEPOINT,
	  .type = BPF_PROG_TYPE_TRACING,
	  .attach = BPF_TRACE_RAW_TP,
	  .prefix = "btf_trace_",
	  .kind = BTF_KIND_TYPEDEF },
	{ .section = "iter+",
	  .opened = BPF_PROG_TYPE_RAW_TRACEPOINT,
	  .type = BPF_PROG_TYPE_TRACING,
	  .attach = BPF_TRACE_ITER,
	  .prefix = "bpf_iter_",
	  .kind = BTF_KIND_FUNC },
	{ .section = "cgroup/recvmsg4",
	  .opened = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	  .type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	  .attach = BPF_CGROUP_UDP4_RECVMSG },
	{ .section = "cgroup/recvmsg6",
	  .opened = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	  .type = BPF_PROG_TYPE_CGROUP_SOCK_ADDR,
	  .attach = BPF_CGROUP_UDP6_RECVMSG },
};

int sections_add(struct sections *s, bool iterator, const char *name, bool wait)
{
	struct kernel_btf_type *type = &s->types[s->n];
	int n;

	if (s->n == SECTION_TARGETS_MAX)
		return -E2BIG;
	*type = (struct kernel_btf_type){ .kind = rows[iterator].kind };
	n = snprintf(type->name, sizeof(type->name), "%s%s", rows[iterator].prefix, name);
	if (n >= (int)sizeof(type->name))
		return -E2BIG;
	s->wait[s->n++] = wait;
	return 0;
}

static void later_free(struct later *l)
{
	if (l)
		free(l->func_info);
	free(l);
}

/* Also of an object that was opened before: the new program takes the old one's place. */
static struct later **later_slot(struct sections *s, const struct bpf_program *prog)
{
	for (size_t i = 0; i < SECTION_LATER_MAX; i++) {
		if (!s->later[i] || strcmp(s->later[i]->name, bpf_program__name(prog)) == 0)
			return &s->later[i];
	}
	return NULL;
}

/* Leaves no hole: the first free one ends the list. */
static void later_drop(struct sections *s, struct later **slot)
{
	size_t last = SECTION_LATER_MAX;

	if (!*slot)
		return;
	later_free(*slot);
	while (!s->later[last - 1])
		last--;
	*slot = s->later[last - 1];
	s->later[last - 1] = NULL;
}

/* What the options point to lives with the object, but for what they tell of functions. Lines are for the verifier's log. */
static struct later *later_new(const struct bpf_program *prog, enum bpf_prog_type type,
			       const struct bpf_prog_load_opts *opts)
{
	const size_t n = bpf_program__insn_cnt(prog), info = (size_t)opts->func_info_cnt * opts->func_info_rec_size;
	struct later *l = malloc(sizeof(*l) + n * sizeof(l->insns[0]));

	if (!l)
		return NULL;
	*l = (struct later){ .type = type, .func_info = malloc(info + 1), .n = n };
	/* The library's may be longer or shorter than that of our headers. */
	memcpy(&l->opts, opts, opts->sz < sizeof(l->opts) ? opts->sz : sizeof(l->opts));
	l->opts.sz = sizeof(l->opts);
	if (!l->func_info) {
		free(l);
		return NULL;
	}
	snprintf(l->name, sizeof(l->name), "%s", bpf_program__name(prog));
	memcpy(l->insns, bpf_program__insns(prog), n * sizeof(l->insns[0]));
	if (info)
		memcpy(l->func_info, opts->func_info, info);
	l->opts.func_info = l->func_info;
	l->opts.fd_array = NULL;
	l->opts.line_info = NULL;
	l->opts.line_info_cnt = l->opts.line_info_rec_size = 0;
	l->opts.log_buf = NULL;
	l->opts.log_size = l->opts.log_level = 0;
	return l;
}

/* Keeps the program, and its place by one that lets everything pass. */
static int keep_place(struct sections *s, struct bpf_program *prog, enum bpf_prog_type type,
		      struct bpf_prog_load_opts *opts)
{
	struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = 1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};
	struct later **slot = later_slot(s, prog), *l = slot ? later_new(prog, type, opts) : NULL;

	/* Then it is loaded now, and what an object before has left is of no use. */
	if (!l) {
		if (slot)
			later_drop(s, slot);
		return 0;
	}
	later_free(*slot);
	*slot = l;
	opts->func_info_cnt = opts->line_info_cnt = 0;
	return bpf_program__set_insns(prog, pass, sizeof(pass) / sizeof(pass[0]));
}

/* Of rows with a number. name: what follows the section's. */
static size_t find_target(const struct sections *s, const char *prefix, const char *name)
{
	const size_t n = strlen(prefix);

	for (size_t i = 0; i < s->n; i++) {
		if (strncmp(s->types[i].name, prefix, n) == 0 && strcmp(s->types[i].name + n, name) == 0)
			return i;
	}
	return s->n;
}

static int prepare_tracing(struct sections *s, size_t row, struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	const size_t i = find_target(s, rows[row].prefix, strchr(bpf_program__section_name(prog), '/') + 1);
	int err;

	if (i == s->n)
		return -ENOENT;
	opts->attach_btf_id = s->types[i].id;
	opts->expected_attach_type = rows[row].attach;
	bpf_program__set_expected_attach_type(prog, rows[row].attach);
	err = bpf_program__set_type(prog, rows[row].type);
	return err || !s->wait[i] ? err : keep_place(s, prog, rows[row].type, opts);
}

static bool is_of_row(size_t row, const char *section)
{
	const size_t n = strcspn(rows[row].section, "+");

	return strncmp(section, rows[row].section, n) == 0 && section[n] == (rows[row].section[n] ? '/' : '\0');
}

static int prepare_load(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	struct sections *s = (struct sections *)cookie;

	for (size_t i = 0; i < SECTION_KINDS; i++) {
		if (is_of_row(i, bpf_program__section_name(prog)))
			return rows[i].prefix ? prepare_tracing(s, i, prog, opts)
					      : keep_place(s, prog, rows[i].type, opts);
	}
	return -ENOENT;
}

static bool all_numbered(const struct sections *s)
{
	for (size_t i = 0; i < s->n; i++) {
		if (!s->types[i].id)
			return false;
	}
	return true;
}

int sections_use(struct sections *s)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)s, .prog_prepare_load_fn = prepare_load);
	const bool numbered = all_numbered(s);

	for (size_t i = 0; i < SECTION_KINDS; i++) {
		int id;

		if (rows[i].prefix && !numbered)
			continue;
		id = libbpf_register_prog_handler(rows[i].section, rows[i].opened, rows[i].attach, &opts);
		if (id < 0) {
			sections_done(s);
			return id;
		}
		s->handlers[i] = id;
	}
	return 0;
}

static void log_refusal(struct later *l)
{
	char log[VERIFIER_LOG] = "";
	int fd;

	if (!log_shows(LOG_DEBUG))
		return;
	l->opts.log_buf = log;
	l->opts.log_size = sizeof(log);
	l->opts.log_level = 1;
	fd = bpf_prog_load(l->type, l->name, "Dual BSD/GPL", l->insns, l->n, &l->opts);
	if (fd >= 0)
		close(fd);
	log_debug("verifier on \"%s\": %s", l->name, log);
}

int sections_load(struct sections *s, const struct bpf_program *prog)
{
	struct later **slot = later_slot(s, prog), *l = slot ? *slot : NULL;
	int fd, err = 0;

	if (!l)
		return 0;
	fd = bpf_prog_load(l->type, l->name, "Dual BSD/GPL", l->insns, l->n, &l->opts);
	if (fd < 0 || dup3(fd, bpf_program__fd(prog), O_CLOEXEC) < 0)
		err = -errno;
	if (fd >= 0)
		close(fd);
	else
		log_refusal(l);
	if (!err)
		later_drop(s, slot);
	return err;
}

void sections_done(struct sections *s)
{
	for (size_t i = 0; i < SECTION_KINDS; i++) {
		if (s->handlers[i])
			libbpf_unregister_prog_handler(s->handlers[i]);
		s->handlers[i] = 0;
	}
	for (size_t i = 0; i < SECTION_LATER_MAX; i++) {
		later_free(s->later[i]);
		s->later[i] = NULL;
	}
}
