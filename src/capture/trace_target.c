/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/trace_target.h"

#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/btf.h>
#include <stdio.h>
#include <string.h>

static const struct {
	const char *section; /* a slash and the name follow */
	enum bpf_attach_type attach;
	const char *prefix; /* of the name in the BTF */
	unsigned kind;
} kinds[TRACE_KINDS] = {
	[TRACE_TRACEPOINT] = { "tp_btf", BPF_TRACE_RAW_TP, "btf_trace_", BTF_KIND_TYPEDEF },
	[TRACE_ITERATOR] = { "iter", BPF_TRACE_ITER, "bpf_iter_", BTF_KIND_FUNC },
};

int trace_targets_add(struct trace_targets *t, enum trace_kind kind, const char *name)
{
	struct kernel_btf_type *type = &t->types[t->n];
	int n;

	if (t->n == TRACE_TARGETS_MAX)
		return -E2BIG;
	*type = (struct kernel_btf_type){ .kind = kinds[kind].kind };
	n = snprintf(type->name, sizeof(type->name), "%s%s", kinds[kind].prefix, name);
	if (n >= (int)sizeof(type->name))
		return -E2BIG;
	t->n++;
	return 0;
}

static uint32_t find(const struct trace_targets *t, const char *prefix, const char *name)
{
	const size_t n = strlen(prefix);

	for (size_t i = 0; i < t->n; i++) {
		if (strncmp(t->types[i].name, prefix, n) == 0 && strcmp(t->types[i].name + n, name) == 0)
			return t->types[i].id;
	}
	return 0;
}

static int prepare_load(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	const struct trace_targets *t = (const struct trace_targets *)cookie;
	const char *section = bpf_program__section_name(prog);

	for (size_t i = 0; i < TRACE_KINDS; i++) {
		const size_t n = strlen(kinds[i].section);

		if (strncmp(section, kinds[i].section, n) != 0 || section[n] != '/')
			continue;
		opts->attach_btf_id = find(t, kinds[i].prefix, section + n + 1);
		opts->expected_attach_type = kinds[i].attach;
		bpf_program__set_expected_attach_type(prog, kinds[i].attach);
		return opts->attach_btf_id ? bpf_program__set_type(prog, BPF_PROG_TYPE_TRACING) : -ENOENT;
	}
	return -ENOENT;
}

int trace_targets_use(struct trace_targets *t)
{
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)t, .prog_prepare_load_fn = prepare_load);

	for (size_t i = 0; i < t->n; i++) {
		if (!t->types[i].id)
			return -ENOENT;
	}
	for (size_t i = 0; i < TRACE_KINDS; i++) {
		char section[16];

		snprintf(section, sizeof(section), "%s+", kinds[i].section);
		/* Until they are loaded, of a type for which libbpf does not look for the BTF. */
		t->handlers[i] = libbpf_register_prog_handler(section, BPF_PROG_TYPE_RAW_TRACEPOINT, 0, &opts);
		if (t->handlers[i] < 0) {
			const int err = t->handlers[i];

			t->handlers[i] = 0;
			trace_targets_done(t);
			return err;
		}
	}
	return 0;
}

void trace_targets_done(struct trace_targets *t)
{
	for (size_t i = 0; i < TRACE_KINDS; i++) {
		if (t->handlers[i])
			libbpf_unregister_prog_handler(t->handlers[i]);
		t->handlers[i] = 0;
	}
}
