/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Translated filters, run by an interpreter of eBPF that is kept small, against libpcap's verdicts: where no kernel can be
 * asked, on machines of another byte order above all (docs/building.md). It minds what the verifier minds: each load lies in the
 * packet, the context or the stack, in the stack aligned, and is of what was written before. FILTER_TEST_LONG=1 has more packets.
 *
 * timeout: 300
 */
#include <endian.h>
#include <errno.h>
#include <linux/bpf.h>
#include <linux/filter.h>
#include <linux/if_packet.h>
#include <stddef.h>

#include "../bpf/packets.h"
#include "../bpf/reference.h"
#include "check.h"
#include "filter/translate.h"

enum {
	STACK = 512,
	BEHIND = 320,
	STEPS_MAX = 1 << 22
}; /* BEHIND: struct skb_shared_info, which follows the linear area */

/* What a program runs on: a packet, whose first bytes are linear. */
struct machine {
	const struct filter_body *body;
	const uint8_t *packet;
	uint32_t len, linear;
	struct __sk_buff skb;
	uint64_t r[11];
	uint8_t stack[STACK] __attribute__((aligned(8))), written[STACK];
	const char *fault;
};

static uint64_t address(const void *p)
{
	return (uint64_t)(uintptr_t)p;
}

static void *pointer(uint64_t address)
{
	return (void *)(uintptr_t)address;
}

static bool within(uint64_t at, uint64_t size, const void *area, uint64_t length)
{
	return at >= address(area) && at - address(area) + size <= length;
}

static uint64_t fault(struct machine *m, const char *what)
{
	m->fault = what;
	return 0;
}

static uint64_t read_native(uint64_t at, unsigned size)
{
	uint8_t b1;
	uint16_t b2;
	uint32_t b4;
	uint64_t b8;

	switch (size) {
	case 1: memcpy(&b1, pointer(at), 1); return b1;
	case 2: memcpy(&b2, pointer(at), 2); return b2;
	case 4: memcpy(&b4, pointer(at), 4); return b4;
	default: memcpy(&b8, pointer(at), 8); return b8;
	}
}

static unsigned size_of(const struct bpf_insn *insn)
{
	switch (BPF_SIZE(insn->code)) {
	case BPF_B: return 1;
	case BPF_H: return 2;
	case BPF_W: return 4;
	default: return 8;
	}
}

/* The kernel makes pointers of these two. */
static uint64_t read_context(struct machine *m, uint64_t offset, unsigned size)
{
	if (offset == offsetof(struct __sk_buff, data) && size == 4)
		return address(m->packet);
	if (offset == offsetof(struct __sk_buff, data_end) && size == 4)
		return address(m->packet) + m->linear;
	return read_native(address(&m->skb) + offset, size);
}

static uint64_t read_stack(struct machine *m, uint64_t at, unsigned size)
{
	const uint64_t offset = at - address(m->stack);

	if (offset % size)
		return fault(m, "misaligned stack");
	for (unsigned i = 0; i < size; i++)
		if (!m->written[offset + i])
			return fault(m, "stack that was not written");
	return read_native(at, size);
}

static uint64_t load(struct machine *m, uint64_t at, unsigned size)
{
	if (within(at, size, m->stack, STACK))
		return read_stack(m, at, size);
	if (within(at, size, &m->skb, sizeof(m->skb)))
		return read_context(m, at - address(&m->skb), size);
	if (within(at, size, m->packet, m->linear))
		return read_native(at, size);
	return fault(m, "load from nowhere");
}

static void store(struct machine *m, uint64_t at, unsigned size, uint64_t value)
{
	const uint64_t offset = at - address(m->stack);

	if (!within(at, size, m->stack, STACK) || offset % size) {
		fault(m, "store to nowhere");
		return;
	}
	memset(m->written + offset, 1, size);
	switch (size) {
	case 1: memcpy(pointer(at), &(uint8_t){ (uint8_t)value }, 1); break;
	case 2: memcpy(pointer(at), &(uint16_t){ (uint16_t)value }, 2); break;
	case 4: memcpy(pointer(at), &(uint32_t){ (uint32_t)value }, 4); break;
	default: memcpy(pointer(at), &value, 8);
	}
}

static uint64_t copied(struct machine *m, uint64_t to, const uint8_t *from, uint64_t n)
{
	if (!within(to, n, m->stack, STACK))
		return fault(m, "helper writes to nowhere");
	memcpy(pointer(to), from, n);
	memset(m->written + (to - address(m->stack)), 1, n);
	return 0;
}

static uint64_t call(struct machine *m, int32_t helper)
{
	const uint64_t *r = m->r;

	switch (helper) {
	case BPF_FUNC_skb_load_bytes:
		if (r[1] != address(&m->skb))
			return fault(m, "not the context");
		if ((uint32_t)r[2] > 0xffffff || (uint32_t)r[2] + r[4] > m->len)
			return (uint64_t)-EFAULT;
		return copied(m, r[3], m->packet + (uint32_t)r[2], r[4]);
	case BPF_FUNC_probe_read_kernel:
		if (!within(r[3], r[2], m->packet, m->linear + BEHIND))
			return fault(m, "probes what is no packet");
		return copied(m, r[1], pointer(r[3]), r[2]);
	default: return fault(m, "unknown helper");
	}
}

static uint64_t swapped(struct machine *m, const struct bpf_insn *insn, uint64_t v)
{
	if (BPF_SRC(insn->code) != BPF_TO_BE)
		return fault(m, "unknown swap");
	switch (insn->imm) {
	case 16: return htobe16((uint16_t)v);
	case 32: return htobe32((uint32_t)v);
	default: return fault(m, "unknown swap");
	}
}

static uint64_t alu(struct machine *m, const struct bpf_insn *insn, bool wide)
{
	uint64_t a = m->r[insn->dst_reg];
	uint64_t b = BPF_SRC(insn->code) == BPF_X ? m->r[insn->src_reg] : (uint64_t)(int64_t)insn->imm;
	const uint64_t mask = wide ? ~0ULL : UINT32_MAX;

	a &= mask;
	b &= mask;
	switch (BPF_OP(insn->code)) {
	case BPF_ADD: return (a + b) & mask;
	case BPF_SUB: return (a - b) & mask;
	case BPF_MUL: return (a * b) & mask;
	case BPF_DIV: return b ? a / b : fault(m, "division by zero");
	case BPF_MOD: return b ? a % b : fault(m, "division by zero");
	case BPF_AND: return a & b;
	case BPF_OR: return a | b;
	case BPF_XOR: return a ^ b;
	case BPF_LSH: return b < (wide ? 64 : 32) ? a << b & mask : fault(m, "shift");
	case BPF_RSH: return b < (wide ? 64 : 32) ? a >> b : fault(m, "shift");
	case BPF_NEG: return -a & mask;
	case BPF_MOV: return b;
	case BPF_END: return swapped(m, insn, a);
	default: return fault(m, "unknown operation");
	}
}

static bool jumps(struct machine *m, const struct bpf_insn *insn, bool wide)
{
	const uint64_t mask = wide ? ~0ULL : UINT32_MAX, a = m->r[insn->dst_reg] & mask;
	const uint64_t b = (BPF_SRC(insn->code) == BPF_X ? m->r[insn->src_reg] : (uint64_t)(int64_t)insn->imm) & mask;

	switch (BPF_OP(insn->code)) {
	case BPF_JA: return true;
	case BPF_JEQ: return a == b;
	case BPF_JNE: return a != b;
	case BPF_JGT: return a > b;
	case BPF_JGE: return a >= b;
	case BPF_JLT: return a < b;
	case BPF_JLE: return a <= b;
	case BPF_JSET: return a & b;
	default: return fault(m, "unknown jump");
	}
}

static uint32_t step(struct machine *m, uint32_t pc)
{
	const struct bpf_insn *insn = &m->body->insns[pc];

	switch (BPF_CLASS(insn->code)) {
	case BPF_ALU: m->r[insn->dst_reg] = alu(m, insn, false); break;
	case BPF_ALU64: m->r[insn->dst_reg] = alu(m, insn, true); break;
	case BPF_LDX: m->r[insn->dst_reg] = load(m, m->r[insn->src_reg] + (uint64_t)insn->off, size_of(insn)); break;
	case BPF_STX: store(m, m->r[insn->dst_reg] + (uint64_t)insn->off, size_of(insn), m->r[insn->src_reg]); break;
	case BPF_JMP32:
	case BPF_JMP:
		if (insn->code == (BPF_JMP | BPF_CALL))
			m->r[0] = call(m, insn->imm);
		else if (jumps(m, insn, BPF_CLASS(insn->code) == BPF_JMP))
			pc += (uint32_t)insn->off;
		break;
	default: fault(m, "unknown class");
	}
	return pc + 1;
}

static uint32_t run(struct machine *m)
{
	uint32_t pc = 0;

	m->r[10] = address(m->stack) + STACK;
	memset(m->written, 0, sizeof(m->written));
	for (uint32_t n = 0; !m->fault; n++) {
		if (pc >= m->body->n || n > STEPS_MAX)
			fault(m, pc >= m->body->n ? "ran out of the program" : "endless");
		else if (m->body->insns[pc].code == (BPF_JMP | BPF_EXIT))
			return (uint32_t)m->r[0];
		else
			pc = step(m, pc);
	}
	return UINT32_MAX;
}

/* --- comparisons ------------------------------------------------------------------------ */

static struct samples corpus = { .seed = 88172645463325252u };
static uint32_t expressions, runs, matches;

/* The first difference. */
static char why[900];

static void arguments(struct machine *m, enum filter_flavour flavour, const struct filter_meta *meta)
{
	if (flavour != FLAVOUR_MEMORY) {
		m->skb = (struct __sk_buff){ .len = m->len,
					     .pkt_type = meta->pkt_type,
					     .ifindex = meta->ifindex,
					     .vlan_present = meta->vlan_present,
					     .vlan_tci = meta->vlan_tci,
					     .vlan_proto = htobe16(meta->vlan_proto) };
		m->r[1] = address(&m->skb);
		m->r[2] = meta->pkt_type == PACKET_OUTGOING;
		return;
	}
	m->r[1] = address(m->packet);
	/* What stands above the lower halves is not the callee's. */
	m->r[2] = m->linear | 0xdead00000000;
	m->r[3] = m->len | 0xbeef00000000;
	m->r[4] = meta->vlan_present ? (uint64_t)meta->vlan_proto << 32 | 1 << 16 | meta->vlan_tci : 0;
	m->r[5] = (uint64_t)meta->ifindex << 32 | meta->pkt_type;
}

static void differ(const char *expr, enum filter_flavour flavour, const struct sample *p, const char *what)
{
	int n = snprintf(why, sizeof(why), "'%.300s', way %d, %s, on %u bytes ", expr, flavour, what, p->len);

	for (uint32_t i = 0; i < p->len && n + 3 < (int)sizeof(why); i++)
		n += snprintf(why + n, sizeof(why) - (size_t)n, "%02x", p->data[i]);
}

/* The packet is linear up to there; linear 0: all of it. */
static void compare_on(const char *expr, const struct filter_body *body, enum filter_flavour flavour,
		       const struct sample *p, uint32_t linear, const struct filter_meta *meta, bool want)
{
	struct machine *m = calloc(1, sizeof(*m));
	uint8_t *packet = calloc(1, p->len + BEHIND);
	uint32_t got;

	memcpy(packet, p->data, p->len);
	*m = (struct machine){ .body = body, .packet = packet, .len = p->len, .linear = linear ? linear : p->len };
	arguments(m, flavour, meta);
	got = run(m);
	runs++;
	matches += want;
	if ((m->fault || (got != 0) != want) && !why[0])
		differ(expr, flavour, p, m->fault ? m->fault : want ? "is no match" : "is a match");
	free(packet);
	free(m);
}

static void compare_flavours(const char *expr, const struct filter_code *code, const struct sample *p,
			     const struct filter_body bodies[FLAVOURS], const struct filter_meta *meta, uint32_t i)
{
	const uint32_t short_len = p->len > 20 ? 14 + i % (p->len - 14) : 0;
	const bool want = filter_match_live(code, p->data, p->len, p->len, meta, NULL);
	const struct sample cut = { .len = p->len, .data = p->data };

	for (int flavour = 0; flavour < FLAVOURS; flavour++)
		compare_on(expr, &bodies[flavour], (enum filter_flavour)flavour, p, 0, meta, want);
	if (!short_len)
		return;
	/* What follows in fragments is read by helper, and not seen by tracing programs. */
	compare_on(expr, &bodies[FLAVOUR_DIRECT], FLAVOUR_DIRECT, &cut, short_len, meta, want);
	compare_on(expr, &bodies[FLAVOUR_MEMORY], FLAVOUR_MEMORY, &cut, short_len, meta,
		   filter_match_live(code, p->data, short_len, p->len, meta, NULL));
}

static bool uses_meta(const struct filter_code *code)
{
	for (uint32_t i = 0; i < code->n; i++)
		if (BPF_CLASS(code->insns[i].code) == BPF_LD && BPF_MODE(code->insns[i].code) == BPF_ABS &&
		    code->insns[i].k >= (uint32_t)SKF_AD_OFF)
			return true;
	return false;
}

static const struct filter_meta metas[] = {
	{ .ifindex = 1, .pkt_type = PACKET_HOST },
	{ .ifindex = 0x01020304,
	  .pkt_type = PACKET_OUTGOING,
	  .vlan_present = true,
	  .vlan_proto = 0x8100,
	  .vlan_tci = 10 },
	{ .ifindex = 7, .pkt_type = PACKET_BROADCAST, .vlan_present = true, .vlan_proto = 0x88a8, .vlan_tci = 0x212c },
};

static void compare(const char *expr, const struct filter_code *code, uint32_t front)
{
	const uint32_t step = getenv("FILTER_TEST_LONG") ? 1 : corpus.n / 60 + 1;
	struct filter_body bodies[FLAVOURS] = { 0 };
	const bool meta = uses_meta(code);
	int err = 0;

	for (int i = 0; !err && i < FLAVOURS; i++)
		err = filter_translate(code, (enum filter_flavour)i, &bodies[i]);
	if (err && err != -EOPNOTSUPP && !why[0])
		snprintf(why, sizeof(why), "'%.300s' is not translated: %s", expr, strerror(-err));
	for (uint32_t i = expressions % step; !err && i < corpus.n; i += step) {
		const struct sample p = { .len = corpus.v[i].len - front, .data = corpus.v[i].data + front };
		const struct filter_meta *with = &metas[meta ? i / step % (sizeof(metas) / sizeof(metas[0])) : 0];

		if (!meta &&
		    (reference_match(code, p.data, p.len, p.len) != 0) !=
			    filter_match(code, p.data, p.len, p.len, NULL) &&
		    !why[0])
			differ(expr, FLAVOURS, &p, "user space differs from libpcap");
		compare_flavours(expr, code, &p, bodies, with, i);
	}
	for (int i = 0; i < FLAVOURS; i++)
		filter_body_done(&bodies[i]);
	expressions++;
}

static void compare_text(const char *expr, int dlt)
{
	const struct filter_compile_opts opts = { .dlt = dlt,
						  .netmask = 0xffffff,
						  .no_optimize = expressions % 5 == 0 };
	struct filter_code code = { 0 };
	char err[FILTER_ERR_LEN];

	if (filter_compile(expr, &opts, &code, err))
		return;
	if (code.n)
		compare(expr, &code, dlt == DLT_RAW ? 14 : 0);
	filter_done(&code);
}

static void test_expressions(void)
{
	const char *top = getenv("TOP");
	char path[4096], line[2048];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/bpf/expressions.txt", top ? top : ".");
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		compare_text(line, DLT_EN10MB);
		compare_text(line, DLT_RAW);
	}
	fclose(f);
	CHECK_STR(why, "");
	CHECK(expressions > 800);
	CHECK(matches > runs / 50);
}

/* Loops that libpcap does not write: X is taken apart and put together at each turn. */
static void test_loops(void)
{
	static const struct filter_insn turns[] = {
		{ .code = BPF_LDX | BPF_IMM, .k = 14 },
		{ .code = BPF_LD | BPF_B | BPF_IND },
		{ .code = BPF_JMP | BPF_JEQ | BPF_K, .k = 6, .jt = 5 },
		{ .code = BPF_MISC | BPF_TXA },
		{ .code = BPF_ALU | BPF_ADD | BPF_K, .k = 3 },
		{ .code = BPF_MISC | BPF_TAX },
		{ .code = BPF_JMP | BPF_JGT | BPF_K, .k = 70, .jt = 1 },
		{ .code = BPF_JMP | BPF_JA, .k = (uint32_t)-7 },
		{ .code = BPF_RET | BPF_A },
	};
	struct filter_code code;
	uint32_t before = matches;

	CHECK_INT(filter_code_new(turns, sizeof(turns) / sizeof(turns[0]), &code), 0);
	compare("a loop", &code, 0);
	filter_done(&code);
	CHECK_STR(why, "");
	CHECK(matches > before);
}

/* What libpcap says of metadata only live. */
static void test_metadata(void)
{
	static const uint16_t what[] = { SKF_AD_PKTTYPE, SKF_AD_IFINDEX, SKF_AD_VLAN_TAG, SKF_AD_VLAN_TAG_PRESENT,
					 SKF_AD_VLAN_TPID };
	static const uint32_t values[] = { 0, 1, PACKET_OUTGOING, 7, 10, 0x212c, 0x8100, 0x88a8, 0x01020304 };
	uint32_t before = matches;

	for (size_t i = 0; i < sizeof(what) / sizeof(what[0]) * (sizeof(values) / sizeof(values[0])); i++) {
		const struct filter_insn insns[] = {
			{ .code = BPF_LD | BPF_B | BPF_ABS, .k = (uint32_t)SKF_AD_OFF + what[i / 9] },
			{ .code = BPF_JMP | BPF_JEQ | BPF_K, .k = values[i % 9], .jf = 1 },
			{ .code = BPF_RET | BPF_K, .k = 1 },
			{ .code = BPF_RET | BPF_K },
		};
		struct filter_code code;

		_Static_assert(sizeof(values) / sizeof(values[0]) == 9, "as many as are counted with");
		CHECK_INT(filter_code_new(insns, 4, &code), 0);
		compare("metadata", &code, 0);
		filter_done(&code);
	}
	CHECK_STR(why, "");
	CHECK(matches > before);
}

int main(void)
{
	samples_generate(&corpus, getenv("FILTER_TEST_LONG") ? 3000 : 1200);
	samples_mutate(&corpus, corpus.n / 2);
	RUN(test_loops);
	RUN(test_metadata);
	RUN(test_expressions);
	fprintf(stderr, "%u programs, %u runs, %u of them match\n", expressions, runs, matches);
	samples_done(&corpus);
	return check_status();
}
