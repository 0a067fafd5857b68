/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Loads from the packet and its metadata. Every load checks its bounds; one beyond the packet makes the filter return
 * 0, as in classic BPF.
 */
#include <errno.h>
#include <stddef.h>

#include "filter/ebpf.h"

#define SKB(field) ((int)offsetof(struct __sk_buff, field))
#define PACKET_OUTGOING 4 /* linux/if_packet.h */

/* Direct access beyond these is not worth its checks, or the verifier refuses it (MAX_PACKET_OFF is 65535). */
#define DIRECT_MAX 0xfff0u
#define DIRECT_INDIRECT_MAX 0xf000

static int bytes(uint8_t size)
{
	return size == BPF_W ? 4 : size == BPF_H ? 2 : 1;
}

static void to_host(struct ebpf *e, uint8_t reg, uint8_t size)
{
	if (size != BPF_B)
		ebpf_emit(e, BPF_ALU | BPF_END | BPF_TO_BE, reg, 0, 0, 8 * bytes(size));
}

/*
 * reg = X + k, or return 0 when no packet is that long; it does not wrap at 32 bits. The constant comes first: after
 * "reg = X; reg += k" the verifier knows that reg belongs to X, and what it learns about reg narrows X, which keeps it
 * from seeing that two states are alike.
 */
static void indirect_offset(struct ebpf *e, uint8_t reg, uint32_t k)
{
	ebpf_mov_imm(e, reg, (int32_t)k);
	ebpf_add(e, reg, REG_X);
	ebpf_reject_if(e, BPF_JMP | BPF_JGT | BPF_K, reg, 0, FILTER_OFFSET_MAX);
}

/* By helper, through the stack; in network order. */
static void load_bytes(struct ebpf *e, const struct ebpf_load *l)
{
	if (l->indirect)
		indirect_offset(e, BPF_REG_2, l->k);
	else
		ebpf_mov_imm(e, BPF_REG_2, (int32_t)l->k);
	ebpf_mov(e, BPF_REG_1, REG_CTX);
	ebpf_mov(e, BPF_REG_3, REG_FP);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_3, SLOT_BUFFER);
	ebpf_mov_imm(e, BPF_REG_4, bytes(l->size));
	ebpf_call(e, BPF_FUNC_skb_load_bytes);
	ebpf_reject_if(e, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0);
	ebpf_load(e, l->size, l->dst, REG_FP, SLOT_BUFFER);
}

static void slow_put_off(struct ebpf *e, const struct ebpf_slow *slow)
{
	struct ebpf_slow *slows = ebpf_grow(e, e->slows, e->nslows, &e->slows_cap, sizeof(*slows));

	if (!slows)
		return;
	e->slows = slows;
	slows[e->nslows++] = *slow;
}

static void slow_here(struct ebpf *e, const struct ebpf_slow *slow)
{
	uint32_t over = e->n;

	ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	for (unsigned i = 0; i < slow->nfrom; i++)
		ebpf_land(e, slow->from[i]);
	load_bytes(e, &slow->load);
	ebpf_land(e, over);
}

void load_slows(struct ebpf *e)
{
	for (uint32_t i = 0; i < e->nslows && !e->err; i++) {
		const struct ebpf_slow *s = &e->slows[i];
		int64_t back;

		for (unsigned j = 0; j < s->nfrom; j++)
			ebpf_land(e, s->from[j]);
		load_bytes(e, &s->load);
		back = (int64_t)s->back - e->n - 1;
		if (back < INT16_MIN)
			e->err = -E2BIG;
		ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, (int)back, 0);
	}
}

/* R1 = address, R3 = end of the load; data and data_end are read anew each time: kept in registers over a branch, they
 * multiply the states that the verifier has to tell apart. */
static void direct_address(struct ebpf *e, const struct ebpf_load *l, struct ebpf_slow *slow, int *off)
{
	ebpf_load(e, BPF_W, BPF_REG_1, REG_CTX, SKB(data));
	ebpf_load(e, BPF_W, BPF_REG_2, REG_CTX, SKB(data_end));
	*off = 0;
	if (l->indirect) {
		ebpf_mov_imm(e, BPF_REG_3, (int32_t)l->k);
		ebpf_add(e, BPF_REG_3, REG_X);
		slow->from[slow->nfrom++] = e->n;
		ebpf_emit(e, BPF_JMP | BPF_JGT | BPF_K, BPF_REG_3, 0, 0, DIRECT_INDIRECT_MAX);
		ebpf_add(e, BPF_REG_1, BPF_REG_3);
		ebpf_mov(e, BPF_REG_3, BPF_REG_1);
		ebpf_alu_imm(e, BPF_ADD, BPF_REG_3, bytes(l->size));
		return;
	}
	ebpf_mov(e, BPF_REG_3, BPF_REG_1);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_3, (int32_t)l->k + bytes(l->size));
	if (l->k > INT16_MAX)
		ebpf_alu_imm(e, BPF_ADD, BPF_REG_1, (int32_t)l->k);
	else
		*off = (int)l->k;
}

static void load_direct(struct ebpf *e, const struct ebpf_load *l)
{
	struct ebpf_slow slow = { .load = *l };
	int off;

	if (!l->indirect && l->k + 4 > DIRECT_MAX) {
		load_bytes(e, l);
		return;
	}
	direct_address(e, l, &slow, &off);
	slow.from[slow.nfrom++] = e->n;
	ebpf_emit(e, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_3, BPF_REG_2, 0, 0);
	ebpf_load(e, l->size, l->dst, BPF_REG_1, off);
	slow.back = e->n;
	if (e->slow_inline)
		slow_here(e, &slow);
	else
		slow_put_off(e, &slow);
}

/* R3 = address of bytes that are known to be there. */
static void probe_read(struct ebpf *e, const struct ebpf_load *l)
{
	ebpf_mov(e, BPF_REG_1, REG_FP);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_1, SLOT_BUFFER);
	ebpf_mov_imm(e, BPF_REG_2, bytes(l->size));
	ebpf_call(e, BPF_FUNC_probe_read_kernel);
	ebpf_reject_if(e, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0);
	ebpf_load(e, l->size, l->dst, REG_FP, SLOT_BUFFER);
	to_host(e, l->dst, l->size);
}

/* Stack reads must be aligned: what is not is put together from bytes. */
static void prefetched(struct ebpf *e, const struct ebpf_load *l, uint32_t k)
{
	int off = e->prefetch + (int)k, n = bytes(l->size);

	if (off % n == 0) {
		ebpf_load(e, l->size, l->dst, REG_FP, off);
		to_host(e, l->dst, l->size);
		return;
	}
	ebpf_load(e, BPF_B, BPF_REG_1, REG_FP, off);
	for (int i = 1; i < n; i++) {
		ebpf_emit(e, BPF_ALU | BPF_LSH | BPF_K, BPF_REG_1, 0, 0, 8);
		ebpf_load(e, BPF_B, BPF_REG_2, REG_FP, off + i);
		ebpf_emit(e, BPF_ALU | BPF_OR | BPF_X, BPF_REG_1, BPF_REG_2, 0, 0);
	}
	ebpf_mov32(e, l->dst, BPF_REG_1);
}

static void memory_absolute(struct ebpf *e, const struct ebpf_load *l, uint32_t k)
{
	uint32_t end = k + (uint32_t)bytes(l->size);

	ebpf_load(e, BPF_DW, BPF_REG_1, REG_FP, SLOT_LINEAR);
	ebpf_reject_if(e, BPF_JMP | BPF_JLT | BPF_K, BPF_REG_1, 0, (int32_t)end);
	if (end <= PREFETCH_LEN) {
		prefetched(e, l, k);
		return;
	}
	ebpf_mov(e, BPF_REG_3, REG_CTX);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_3, (int32_t)k);
	probe_read(e, l);
}

static void memory_indirect(struct ebpf *e, const struct ebpf_load *l)
{
	indirect_offset(e, BPF_REG_3, l->k);
	ebpf_load(e, BPF_DW, BPF_REG_1, REG_FP, SLOT_LINEAR);
	ebpf_mov(e, BPF_REG_2, BPF_REG_3);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_2, bytes(l->size));
	ebpf_reject_if(e, BPF_JMP | BPF_JGT | BPF_X, BPF_REG_2, BPF_REG_1, 0);
	ebpf_add(e, BPF_REG_3, REG_CTX);
	probe_read(e, l);
}

static void load_memory(struct ebpf *e, const struct ebpf_load *l)
{
	uint32_t unlikely, over;

	if (!l->indirect) {
		memory_absolute(e, l, l->k);
		return;
	}
	if (e->likely_x < 0 || l->k + (uint32_t)e->likely_x + 4 > PREFETCH_LEN) {
		memory_indirect(e, l);
		return;
	}
	unlikely = e->n;
	ebpf_emit(e, BPF_JMP32 | BPF_JNE | BPF_K, REG_X, 0, 0, e->likely_x);
	memory_absolute(e, l, l->k + (uint32_t)e->likely_x);
	over = e->n;
	ebpf_emit(e, BPF_JMP | BPF_JA, 0, 0, 0, 0);
	ebpf_land(e, unlikely);
	memory_indirect(e, l);
	ebpf_land(e, over);
}

void load_packet(struct ebpf *e, const struct ebpf_load *l)
{
	switch (e->flavour) {
	case FLAVOUR_DIRECT:
		load_direct(e, l);
		to_host(e, l->dst, l->size);
		break;
	case FLAVOUR_LOAD_BYTES:
		load_bytes(e, l);
		to_host(e, l->dst, l->size);
		break;
	default: load_memory(e, l);
	}
}

static void load_meta_memory(struct ebpf *e, uint32_t what)
{
	switch (what) {
	case SKF_AD_PKTTYPE:
		ebpf_load(e, BPF_DW, REG_A, REG_FP, SLOT_META);
		ebpf_mov32(e, REG_A, REG_A);
		break;
	case SKF_AD_IFINDEX:
		ebpf_load(e, BPF_DW, REG_A, REG_FP, SLOT_META);
		ebpf_alu_imm(e, BPF_RSH, REG_A, 32);
		ebpf_reject_if(e, BPF_JMP | BPF_JEQ | BPF_K, REG_A, 0, 0);
		break;
	case SKF_AD_VLAN_TAG:
		ebpf_load(e, BPF_DW, REG_A, REG_FP, SLOT_VLAN);
		ebpf_alu_imm(e, BPF_AND, REG_A, 0xffff);
		break;
	case SKF_AD_VLAN_TAG_PRESENT:
		ebpf_load(e, BPF_DW, REG_A, REG_FP, SLOT_VLAN);
		ebpf_alu_imm(e, BPF_RSH, REG_A, 16);
		ebpf_alu_imm(e, BPF_AND, REG_A, 1);
		break;
	case SKF_AD_VLAN_TPID:
		ebpf_load(e, BPF_DW, REG_A, REG_FP, SLOT_VLAN);
		ebpf_alu_imm(e, BPF_RSH, REG_A, 32);
		ebpf_alu_imm(e, BPF_AND, REG_A, 0xffff);
		break;
	default: e->err = -EOPNOTSUPP;
	}
}

static void load_meta_skb(struct ebpf *e, uint32_t what)
{
	switch (what) {
	case SKF_AD_PKTTYPE: /* at our hooks a packet that is being sent has PACKET_HOST still */
		ebpf_mov32_imm(e, REG_A, PACKET_OUTGOING);
		ebpf_load(e, BPF_DW, BPF_REG_1, REG_FP, SLOT_EGRESS);
		ebpf_emit(e, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_1, 0, 1, 0);
		ebpf_load(e, BPF_W, REG_A, REG_CTX, SKB(pkt_type));
		break;
	case SKF_AD_IFINDEX:
		ebpf_load(e, BPF_W, REG_A, REG_CTX, SKB(ifindex));
		ebpf_reject_if(e, BPF_JMP | BPF_JEQ | BPF_K, REG_A, 0, 0);
		break;
	case SKF_AD_VLAN_TAG: ebpf_load(e, BPF_W, REG_A, REG_CTX, SKB(vlan_tci)); break;
	case SKF_AD_VLAN_TAG_PRESENT: ebpf_load(e, BPF_W, REG_A, REG_CTX, SKB(vlan_present)); break;
	case SKF_AD_VLAN_TPID:
		ebpf_load(e, BPF_W, REG_A, REG_CTX, SKB(vlan_proto));
		ebpf_emit(e, BPF_ALU | BPF_END | BPF_TO_BE, REG_A, 0, 0, 16);
		break;
	default: e->err = -EOPNOTSUPP;
	}
}

void load_meta(struct ebpf *e, uint32_t what)
{
	if (e->flavour == FLAVOUR_MEMORY)
		load_meta_memory(e, what);
	else
		load_meta_skb(e, what);
}

/* X is nearly always 20 in a filter that computes the length of the IPv4 header, and never else. */
static int likely_x(const struct ebpf *e)
{
	for (uint32_t i = 0; i < e->ncode; i++)
		if (e->flow.live[i] && e->code[i].code == (BPF_LDX | BPF_MSH | BPF_B))
			return 20;
	return -1;
}

static void prologue_memory(struct ebpf *e)
{
	/* Below M[15]; 2 modulo 4, which aligns what follows an Ethernet header. */
	e->prefetch = ebpf_mem_slot(FILTER_MEMORY_WORDS - 1) - PREFETCH_LEN - 6;
	e->likely_x = likely_x(e);
	ebpf_mov32(e, BPF_REG_2, BPF_REG_2);
	ebpf_store(e, BPF_DW, REG_FP, SLOT_LINEAR, BPF_REG_2);
	ebpf_store(e, BPF_W, REG_FP, SLOT_LEN, BPF_REG_3);
	ebpf_store(e, BPF_DW, REG_FP, SLOT_VLAN, BPF_REG_4);
	ebpf_store(e, BPF_DW, REG_FP, SLOT_META, BPF_REG_5);
	ebpf_mov(e, BPF_REG_1, REG_FP);
	ebpf_alu_imm(e, BPF_ADD, BPF_REG_1, e->prefetch);
	ebpf_mov_imm(e, BPF_REG_2, PREFETCH_LEN);
	ebpf_mov(e, BPF_REG_3, REG_CTX);
	ebpf_call(e, BPF_FUNC_probe_read_kernel);
	ebpf_reject_if(e, BPF_JMP | BPF_JNE | BPF_K, BPF_REG_0, 0, 0);
}

void load_prologue(struct ebpf *e)
{
	ebpf_mov(e, REG_CTX, BPF_REG_1);
	if (e->flavour == FLAVOUR_MEMORY) {
		prologue_memory(e);
	} else if (e->flow.uses_meta) {
		ebpf_mov32(e, BPF_REG_2, BPF_REG_2);
		ebpf_store(e, BPF_DW, REG_FP, SLOT_EGRESS, BPF_REG_2);
	}
}
