/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/sections.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>

#include "capture/program_copy.h"
#include "capture/pruner.h"

#define ROW(name, kind, at, ...)                                                                                       \
	{                                                                                                              \
		.section = name, .opened = kind, .type = kind, .attach = at, __VA_ARGS__                               \
	}
#define CALL_ROW(name, at, ...) ROW("cgroup/" name, BPF_PROG_TYPE_CGROUP_SOCK_ADDR, at, __VA_ARGS__)

static const struct {
	const char *section; /* + lets a name go on after a slash */
	/* Of tracing programs, until they are loaded: another, for which libbpf does not look for the BTF. */
	enum bpf_prog_type opened, type;
	enum bpf_attach_type attach;
	const char *prefix; /* of the name in the BTF; NULL: it has no number */
	unsigned kind;
	bool waits;
} rows[SECTION_KINDS] = {
	[SECTION_TRACEPOINT] = { .section = "tp_btf+",
				 .opened = BPF_PROG_TYPE_RAW_TRACEPOINT,
				 .type = BPF_PROG_TYPE_TRACING,
				 .attach = BPF_TRACE_RAW_TP,
				 .prefix = "btf_trace_",
				 .kind = BTF_KIND_TYPEDEF },
	[SECTION_ITERATOR] = { .section = "iter+",
			       .opened = BPF_PROG_TYPE_RAW_TRACEPOINT,
			       .type = BPF_PROG_TYPE_TRACING,
			       .attach = BPF_TRACE_ITER,
			       .prefix = "bpf_iter_",
			       .kind = BTF_KIND_FUNC },
	[SECTION_FUNCTION] = { .section = "fentry+",
			       .opened = BPF_PROG_TYPE_RAW_TRACEPOINT,
			       .type = BPF_PROG_TYPE_TRACING,
			       .attach = BPF_TRACE_FENTRY,
			       .prefix = "",
			       .kind = BTF_KIND_FUNC },
	CALL_ROW("recvmsg4", BPF_CGROUP_UDP4_RECVMSG, .waits = true),
	CALL_ROW("recvmsg6", BPF_CGROUP_UDP6_RECVMSG, .waits = true),
	CALL_ROW("bind4", BPF_CGROUP_INET4_BIND),
	CALL_ROW("bind6", BPF_CGROUP_INET6_BIND),
	CALL_ROW("connect4", BPF_CGROUP_INET4_CONNECT),
	CALL_ROW("connect6", BPF_CGROUP_INET6_CONNECT),
	CALL_ROW("sendmsg4", BPF_CGROUP_UDP4_SENDMSG),
	CALL_ROW("sendmsg6", BPF_CGROUP_UDP6_SENDMSG),
	CALL_ROW("getpeername4", BPF_CGROUP_INET4_GETPEERNAME),
	CALL_ROW("getpeername6", BPF_CGROUP_INET6_GETPEERNAME),
	ROW("cgroup/sock_create", BPF_PROG_TYPE_CGROUP_SOCK, BPF_CGROUP_INET_SOCK_CREATE),
	ROW("cgroup_skb/egress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS),
	ROW("cgroup_skb/ingress", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS),
	ROW("raw_tp+", BPF_PROG_TYPE_RAW_TRACEPOINT, (enum bpf_attach_type)0),
	ROW("kprobe+", BPF_PROG_TYPE_KPROBE, (enum bpf_attach_type)0),
	ROW("socket", BPF_PROG_TYPE_SOCKET_FILTER, (enum bpf_attach_type)0),
};

int sections_add(struct sections *s, enum section_target what, const char *name, bool wait)
{
	struct kernel_btf_type *type = &s->types[s->n];
	int n;

	if (s->n == SECTION_TARGETS_MAX)
		return -E2BIG;
	*type = (struct kernel_btf_type){ .kind = rows[what].kind };
	n = snprintf(type->name, sizeof(type->name), "%s%s", rows[what].prefix, name);
	if (n >= (int)sizeof(type->name))
		return -E2BIG;
	s->wait[s->n++] = wait;
	return 0;
}

/* Also of an object that was opened before: the new program takes the old one's place. */
static struct program_copy **later_slot(struct sections *s, const struct bpf_program *prog)
{
	for (size_t i = 0; i < SECTION_LATER_MAX; i++) {
		if (!s->later[i] || strcmp(program_copy_name(s->later[i]), bpf_program__name(prog)) == 0)
			return &s->later[i];
	}
	return NULL;
}

/* Leaves no hole: the first free one ends the list. */
static void later_drop(struct sections *s, struct program_copy **slot)
{
	size_t last = SECTION_LATER_MAX;

	if (!*slot)
		return;
	program_copy_free(*slot);
	while (!s->later[last - 1])
		last--;
	*slot = s->later[last - 1];
	s->later[last - 1] = NULL;
}

/* Keeps the program, and its place. */
static int keep_place(struct sections *s, struct bpf_program *prog, enum bpf_prog_type type,
		      struct bpf_prog_load_opts *opts)
{
	struct program_copy **slot = later_slot(s, prog), *copy = slot ? program_copy_new(prog, type, opts) : NULL;

	/* Then it is loaded now, and what an object before has left is of no use. */
	if (!copy) {
		if (slot)
			later_drop(s, slot);
		return 0;
	}
	program_copy_free(*slot);
	*slot = copy;
	return program_keep_place(prog, opts);
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
	if (!err)
		err = s->wait[i] ? keep_place(s, prog, rows[row].type, opts) : pruner_apply(s->pruner, prog, opts);
	return err;
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
		if (!is_of_row(i, bpf_program__section_name(prog)))
			continue;
		if (rows[i].prefix)
			return prepare_tracing(s, i, prog, opts);
		return rows[i].waits ? keep_place(s, prog, rows[i].type, opts) : pruner_apply(s->pruner, prog, opts);
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

int sections_load(struct sections *s, const struct bpf_program *prog)
{
	struct program_copy **slot = later_slot(s, prog);
	int fd, err;

	if (!slot || !*slot)
		return 0;
	fd = program_copy_load(*slot);
	err = fd < 0 ? fd : program_take_place(prog, fd);
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
		program_copy_free(s->later[i]);
		s->later[i] = NULL;
	}
}
