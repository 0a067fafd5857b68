/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Puts translated filters in the place of the stubs of bpf/filter.bpf.h.
 *
 * libbpf calls prog_prepare_load_fn of a section's handler when a program is complete, that is relocated and with all
 * its subprograms appended, just before it is loaded. There the stub is found by its name in func_info, its
 * instructions are exchanged for the filter, and everything that counts instructions is mended: calls and function
 * pointers that cross the stub, func_info and line_info. Works with libbpf 1.0 and newer.
 */
#include <bpf/bpf.h>
#include <bpf/btf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>

#include "filter/translate.h"

#ifndef BPF_PSEUDO_FUNC
#define BPF_PSEUDO_FUNC 4 /* 5.13, linux/bpf.h */
#endif

enum { LAYER_L2, LAYER_L3, LAYER_REST_L2, LAYER_REST_L3, LAYERS };

enum { SECTIONS = 5 };

struct filter_inject {
	int handlers[SECTIONS]; /* ids, 0 none */
	const struct bpf_object *obj;
	struct filter_body bodies[LAYERS][FLAVOURS];
	struct filter_next next;
	/* Of the program that is being loaded. */
	void *func_info, *line_info;
};

/* A program while its stubs are replaced. */
struct splice {
	const struct btf *btf;
	struct bpf_insn *insns;
	uint32_t n;
	struct bpf_prog_load_opts *opts;
	char *func_info, *line_info; /* copies, NULL none */
};

/* Instructions [start, end) make room for others, delta more. */
struct gap {
	uint32_t start, end;
	int32_t delta;
};

static struct bpf_func_info_min {
	__u32 insn_off;
	__u32 type_id;
} * func_record(const struct splice *s, uint32_t i)
{
	return (void *)(s->func_info + (size_t)i * s->opts->func_info_rec_size);
}

static __u32 *line_insn_off(char *line_info, const struct splice *s, uint32_t i)
{
	return (void *)(line_info + (size_t)i * s->opts->line_info_rec_size);
}

static const char *func_name(const struct splice *s, uint32_t i)
{
	const struct btf_type *t = btf__type_by_id(s->btf, func_record(s, i)->type_id);

	return t && btf_is_func(t) ? btf__name_by_offset(s->btf, t->name_off) : NULL;
}

/* false: the program does not call this stub. */
static bool stub_find(const struct splice *s, const char *stub, struct gap *ret)
{
	for (uint32_t i = 1; i < s->opts->func_info_cnt; i++) { /* 0 is the program itself */
		const char *name = func_name(s, i);

		if (!name || strcmp(name, stub))
			continue;
		ret->start = func_record(s, i)->insn_off;
		ret->end = i + 1 < s->opts->func_info_cnt ? func_record(s, i + 1)->insn_off : s->n;
		return ret->start < ret->end && ret->end <= s->n;
	}
	return false;
}

static uint32_t moved(const struct gap *gap, uint32_t at)
{
	return at >= gap->end ? at + (uint32_t)gap->delta : at;
}

static bool is_wide(const struct bpf_insn *insn)
{
	return insn->code == (BPF_LD | BPF_IMM | BPF_DW);
}

static bool refers_to_func(const struct bpf_insn *insn)
{
	return (insn->code == (BPF_JMP | BPF_CALL) && insn->src_reg == BPF_PSEUDO_CALL) ||
	       (is_wide(insn) && insn->src_reg == BPF_PSEUDO_FUNC);
}

static int insns_replace(struct splice *s, const struct gap *gap, const struct filter_body *body)
{
	uint32_t n = s->n + (uint32_t)gap->delta;
	struct bpf_insn *out = malloc(n * sizeof(*out));

	if (!out)
		return -ENOMEM;
	memcpy(out, s->insns, gap->start * sizeof(*out));
	memcpy(out + gap->start, body->insns, body->n * sizeof(*out));
	memcpy(out + gap->start + body->n, s->insns + gap->end, (s->n - gap->end) * sizeof(*out));
	for (uint32_t i = 0; i < s->n; i++) {
		if (i == gap->start)
			i = gap->end;
		if (i < s->n && refers_to_func(&s->insns[i])) {
			uint32_t to = (uint32_t)((int32_t)i + 1 + s->insns[i].imm);

			out[moved(gap, i)].imm = (int32_t)(moved(gap, to) - moved(gap, i) - 1);
		}
		if (i < s->n && is_wide(&s->insns[i]))
			i++;
	}
	free(s->insns);
	s->insns = out;
	s->n = n;
	return 0;
}

/* The kernel wants every function to have a line record at its first instruction, so the stub keeps that one. */
static void info_mend(struct splice *s, const struct gap *gap)
{
	size_t size = s->opts->line_info_rec_size;
	uint32_t kept = 0;

	for (uint32_t i = 0; i < s->opts->func_info_cnt; i++)
		func_record(s, i)->insn_off = moved(gap, func_record(s, i)->insn_off);
	for (uint32_t i = 0; i < s->opts->line_info_cnt; i++) {
		uint32_t off = *line_insn_off(s->line_info, s, i);

		if (off > gap->start && off < gap->end)
			continue;
		memmove(s->line_info + kept * size, s->line_info + i * size, size);
		*line_insn_off(s->line_info, s, kept++) = moved(gap, off);
	}
	s->opts->line_info_cnt = kept;
}

static int stub_replace(struct splice *s, const char *stub, const struct filter_body *body)
{
	struct gap gap;
	int rc;

	if (!body->n || !stub_find(s, stub, &gap))
		return 0;
	gap.delta = (int32_t)body->n - (int32_t)(gap.end - gap.start);
	rc = insns_replace(s, &gap, body);
	if (rc)
		return rc;
	info_mend(s, &gap);
	return 1;
}

static void *copy_of(const void *p, size_t size)
{
	void *copy = malloc(size);

	return copy ? memcpy(copy, p, size) : NULL;
}

static int splice_new(struct splice *s, const struct bpf_object *obj, const struct bpf_program *prog,
		      struct bpf_prog_load_opts *opts)
{
	*s = (struct splice){ .btf = bpf_object__btf(obj), .n = (uint32_t)bpf_program__insn_cnt(prog), .opts = opts };
	s->insns = copy_of(bpf_program__insns(prog), s->n * sizeof(*s->insns));
	s->func_info = copy_of(opts->func_info, (size_t)opts->func_info_cnt * opts->func_info_rec_size);
	if (opts->line_info)
		s->line_info = copy_of(opts->line_info, (size_t)opts->line_info_cnt * opts->line_info_rec_size);
	return s->insns && s->func_info && (s->line_info || !opts->line_info) ? 0 : -ENOMEM;
}

/* The verifier wants the words of a packet to lie at multiples of their size where it minds that: no filter can tell. */
static enum filter_flavour skb_flavour(const struct bpf_program *prog)
{
	const bool aligned = bpf_program__flags(prog) & BPF_F_STRICT_ALIGNMENT;

	return aligned || bpf_program__type(prog) == BPF_PROG_TYPE_SOCKET_FILTER ? FLAVOUR_LOAD_BYTES : FLAVOUR_DIRECT;
}

static int replace_all(struct splice *s, const struct filter_inject *fi, const struct bpf_program *prog)
{
	const enum filter_flavour skb = skb_flavour(prog);
	const struct {
		const char *stub;
		const struct filter_body *body;
	} stubs[] = {
		{ "pcap_filter_l2", &fi->bodies[LAYER_L2][skb] },
		{ "pcap_filter_l3", &fi->bodies[LAYER_L3][skb] },
		{ "pcap_filter_mem_l2", &fi->bodies[LAYER_L2][FLAVOUR_MEMORY] },
		{ "pcap_filter_mem_l3", &fi->bodies[LAYER_L3][FLAVOUR_MEMORY] },
		{ "pcap_rest_l2", &fi->bodies[LAYER_REST_L2][skb] },
		{ "pcap_rest_l3", &fi->bodies[LAYER_REST_L3][skb] },
		{ "pcap_rest_mem_l2", &fi->bodies[LAYER_REST_L2][FLAVOUR_MEMORY] },
		{ "pcap_rest_mem_l3", &fi->bodies[LAYER_REST_L3][FLAVOUR_MEMORY] },
	};
	int replaced = 0;

	for (size_t i = 0; i < sizeof(stubs) / sizeof(stubs[0]); i++) {
		int rc = stub_replace(s, stubs[i].stub, stubs[i].body);

		if (rc < 0)
			return rc;
		replaced += rc;
	}
	return replaced;
}

static bool is_ours(const struct filter_inject *fi, const struct bpf_program *prog)
{
	struct bpf_program *p;

	if (fi->obj)
		bpf_object__for_each_program(p, fi->obj) if (p == prog) return true;
	return false;
}

/* The options hold pointers to the new info: it lives until the next program. */
static void info_keep(struct filter_inject *fi, struct splice *s)
{
	free(fi->func_info);
	free(fi->line_info);
	fi->func_info = s->func_info;
	fi->line_info = s->line_info;
	s->opts->func_info = s->func_info;
	s->opts->line_info = s->line_info;
	s->func_info = s->line_info = NULL;
}

static int replace_stubs(struct filter_inject *fi, struct bpf_program *prog, struct bpf_prog_load_opts *opts)
{
	struct splice s;
	int rc = splice_new(&s, fi->obj, prog, opts);

	if (!rc)
		rc = replace_all(&s, fi, prog);
	if (rc > 0)
		rc = bpf_program__set_insns(prog, s.insns, s.n);
	if (!rc)
		info_keep(fi, &s);
	free(s.insns);
	free(s.func_info);
	free(s.line_info);
	return rc;
}

static int prepare_load(struct bpf_program *prog, struct bpf_prog_load_opts *opts, long cookie)
{
	struct filter_inject *fi = (struct filter_inject *)cookie;
	int rc = 0;

	if (!is_ours(fi, prog))
		return 0;
	if (opts->func_info_cnt)
		rc = replace_stubs(fi, prog, opts);
	return rc || !fi->next.prepare ? rc : fi->next.prepare(prog, opts, fi->next.cookie);
}

int filter_inject_new(struct filter_inject **ret, const struct filter_next *next)
{
	static const struct {
		const char *name; /* those of bpf/filter.bpf.h; + lets a name go on after a slash */
		enum bpf_prog_type type;
		enum bpf_attach_type attach;
	} sections[SECTIONS] = {
		{ "ptcp/tc+", BPF_PROG_TYPE_SCHED_CLS, 0 },
		{ "ptcp/cgroup_ingress+", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_INGRESS },
		{ "ptcp/cgroup_egress+", BPF_PROG_TYPE_CGROUP_SKB, BPF_CGROUP_INET_EGRESS },
		{ "ptcp/socket+", BPF_PROG_TYPE_SOCKET_FILTER, 0 },
		{ "ptcp/tp_btf+", BPF_PROG_TYPE_TRACING, BPF_TRACE_RAW_TP },
	};
	struct filter_inject *fi = calloc(1, sizeof(*fi));
	LIBBPF_OPTS(libbpf_prog_handler_opts, opts, .cookie = (long)fi, .prog_prepare_load_fn = prepare_load);

	if (!fi)
		return -ENOMEM;
	if (next)
		fi->next = *next;
	for (int i = 0; i < SECTIONS; i++) {
		int id = libbpf_register_prog_handler(sections[i].name, sections[i].type, sections[i].attach, &opts);

		if (id < 0) {
			filter_inject_free(fi);
			return id;
		}
		fi->handlers[i] = id;
	}
	*ret = fi;
	return 0;
}

static void bodies_done(struct filter_inject *fi)
{
	for (int layer = 0; layer < LAYERS; layer++)
		for (int flavour = 0; flavour < FLAVOURS; flavour++)
			filter_body_done(&fi->bodies[layer][flavour]);
}

static int bodies_set(struct filter_inject *fi, int layer, const struct filter_code *code, char err[FILTER_ERR_LEN])
{
	for (int flavour = 0; code && code->n && flavour < FLAVOURS; flavour++) {
		int rc = filter_translate(code, (enum filter_flavour)flavour, &fi->bodies[layer][flavour]);

		if (rc == -E2BIG)
			snprintf(err, FILTER_ERR_LEN, "the filter is too large for the kernel (%u instructions)",
				 code->n);
		else if (rc)
			snprintf(err, FILTER_ERR_LEN, "the filter cannot be translated: %s", strerror(-rc));
		if (rc)
			return rc;
	}
	return 0;
}

int filter_inject_set(struct filter_inject *fi, struct bpf_object *obj, const struct filter_codes *codes,
		      char err[FILTER_ERR_LEN])
{
	int rc;

	bodies_done(fi);
	fi->obj = obj;
	rc = bodies_set(fi, LAYER_L2, codes->l2, err);
	if (!rc)
		rc = bodies_set(fi, LAYER_L3, codes->l3, err);
	if (!rc)
		rc = bodies_set(fi, LAYER_REST_L2, codes->rest_l2, err);
	if (!rc)
		rc = bodies_set(fi, LAYER_REST_L3, codes->rest_l3, err);
	if (rc)
		bodies_done(fi);
	return rc;
}

bool filter_refused(int err)
{
	/* EFAULT: more than 8,192 branches pending; E2BIG: more than a million instructions verified; ENOSPC: the
	 * verifier's log is full, which is how a kernel before 6.4 may answer either. */
	return err == -E2BIG || err == -EFAULT || err == -ENOSPC;
}

void filter_inject_free(struct filter_inject *fi)
{
	if (!fi)
		return;
	for (int i = 0; i < SECTIONS; i++)
		if (fi->handlers[i])
			libbpf_unregister_prog_handler(fi->handlers[i]);
	bodies_done(fi);
	free(fi->func_info);
	free(fi->line_info);
	free(fi);
}
