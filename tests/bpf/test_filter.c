/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Verdicts of translated filters in the kernel, by BPF_PROG_TEST_RUN, against libpcap's: every expression of
 * expressions.txt on generated, real, truncated and mutated packets, and random classic programs. One difference fails.
 *
 * Each expression sees other packets of the corpus. FILTER_TEST_LONG=1 gives every expression all packets of a larger
 * corpus, optimised and not, which takes an hour; FILTER_TEST_SEED changes what is random. FILTER_TEST_BENCH=1 measures
 * what a filter costs.
 *
 * timeout: 300
 */
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <errno.h>
#include <linux/filter.h>
#include <linux/if_ether.h>
#include <linux/if_packet.h>
#include <net/if.h>
#include <netinet/in.h>
#include <sched.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

#include "check.h"
#include "filter/expr.h"
#include "filter/filter.h"
#include "filter_host.skel.h"
#include "packets.h"
#include "reference.h"

/* What was compared for one kind of program. */
struct tally {
	uint32_t runs, matches, diffs, refused;
	char why[600]; /* of the first difference */
};

static struct tally tc, cgroup, sock, memory, meta, memory_meta, user, random_tc, random_memory, nonlinear, lenient;
static uint32_t expressions;
static struct filter_inject *inject;
static struct samples corpus = { .seed = 88172645463325252u };
static bool thorough, have_memory, have_several, have_nonlinear;

static void hex(char *to, size_t size, const struct sample *p)
{
	for (uint32_t i = 0; i < p->len && 2 * i + 3 < size; i++)
		snprintf(to + (size_t)2 * i, 3, "%02x", p->data[i]);
}

static void tally(struct tally *t, const char *what, const struct sample *p, uint32_t got, uint32_t want)
{
	char packet[260] = "";

	t->runs++;
	t->matches += want != 0;
	if (got == want || t->diffs++)
		return;
	hex(packet, sizeof(packet), p);
	snprintf(t->why, sizeof(t->why), "'%.200s' gives %u, not %u, on %u bytes %s", what, got, want, p->len, packet);
}

static bool run(int fd, const struct sample *p, uint32_t linear, uint32_t *ret)
{
	struct __sk_buff ctx = { .data_end = linear };
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = p->len, .repeat = 1);

	if (linear) {
		opts.ctx_in = &ctx;
		opts.ctx_size_in = sizeof(ctx);
	}
	if (bpf_prog_test_run_opts(fd, &opts))
		return false;
	*ret = opts.retval;
	return true;
}

/* The programs named are loaded, with these filters. */
static int load(const char *const *progs, const struct filter_code *l2, const struct filter_code *l3,
		struct filter_host **ret)
{
	struct filter_host *host = filter_host__open();
	struct bpf_program *prog;
	char err[FILTER_ERR_LEN];
	int rc;

	if (!host)
		return -errno;
	bpf_object__for_each_program(prog, host->obj) bpf_program__set_autoload(prog, false);
	for (; *progs; progs++)
		bpf_program__set_autoload(bpf_object__find_program_by_name(host->obj, *progs), true);
	rc = filter_inject_set(inject, host->obj, &(struct filter_codes){ .l2 = l2, .l3 = l3 }, err);
	if (!rc)
		rc = filter_host__load(host);
	if (rc) {
		filter_host__destroy(host);
		return rc;
	}
	*ret = host;
	return 0;
}

#define LOAD(l2, l3, ret, ...) load((const char *const[]){ __VA_ARGS__, NULL }, l2, l3, ret)

static int fd_of(const struct filter_host *host, const char *name)
{
	return bpf_program__fd(bpf_object__find_program_by_name(host->obj, name));
}

static bool loads(const char *name)
{
	struct filter_host *host;

	if (LOAD(NULL, NULL, &host, name))
		return false;
	filter_host__destroy(host);
	return true;
}

/* 6.19 and newer: the packet's tail lies in fragments, as after GRO or from sendfile. */
static bool nonlinear_works(void)
{
	struct filter_host *host;
	uint32_t verdict;
	bool works;

	if (LOAD(NULL, NULL, &host, "host_tc"))
		return false;
	for (uint32_t i = 0; i < corpus.n; i++) {
		if (corpus.v[i].len < 100)
			continue;
		works = run(fd_of(host, "host_tc"), &corpus.v[i], 40, &verdict);
		filter_host__destroy(host);
		return works;
	}
	return false;
}

static int compile(const char *expr, int dlt, bool live, bool unoptimized, struct filter_code *ret)
{
	const struct filter_compile_opts opts = {
		.dlt = dlt, .netmask = 0xffffff, .live = live, .no_optimize = unoptimized
	};
	char err[FILTER_ERR_LEN];

	return filter_compile(expr, &opts, ret, err);
}

static bool uses_meta(const struct filter_code *code)
{
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insns[i].code == (BPF_LD | BPF_H | BPF_ABS) ||
		    code->insns[i].code == (BPF_LD | BPF_B | BPF_ABS) ||
		    code->insns[i].code == (BPF_LD | BPF_W | BPF_ABS))
			if (code->insns[i].k >= (uint32_t)SKF_AD_OFF)
				return true;
	return false;
}

/* Every step'th packet, starting elsewhere for each expression. */
static uint32_t step_of(uint32_t packets)
{
	return thorough || corpus.n < packets ? 1 : corpus.n / packets;
}

static void compare_l2(const char *expr, const struct filter_code *code, const struct filter_host *host)
{
	uint32_t step = step_of(700), verdict;

	for (uint32_t i = expressions % step; i < corpus.n; i += step) {
		const struct sample *p = &corpus.v[i];
		uint32_t want = reference_match(code, p->data, p->len, p->len);

		tally(&user, expr, p, filter_match(code, p->data, p->len, p->len, NULL), want != 0);
		if (run(fd_of(host, "host_tc"), p, 0, &verdict))
			tally(&tc, expr, p, verdict, want);
		if (have_memory && i % 2 && run(fd_of(host, "host_memory"), p, 0, &verdict))
			tally(&memory, expr, p, verdict, want);
		if (have_nonlinear && i % 3 == 0 && p->len > 20 &&
		    run(fd_of(host, "host_tc"), p, 14 + i % (p->len - 14), &verdict))
			tally(&nonlinear, expr, p, verdict, want);
	}
}

static void compare_l3(const char *expr, const struct filter_code *code, const struct filter_host *host)
{
	uint32_t step = step_of(250), verdict;

	for (uint32_t i = expressions % step; i < corpus.n; i += step) {
		const struct sample *p = &corpus.v[i];
		uint32_t len = p->len - 14, want = reference_match(code, p->data + 14, len, len);

		if (run(fd_of(host, "host_cgroup"), p, 0, &verdict))
			tally(&cgroup, expr, p, verdict, want != 0);
		if (run(fd_of(host, "host_socket"), p, 0, &verdict))
			tally(&sock, expr, p, verdict, want);
	}
}

/* As eth_type_trans() sets it for the loopback device. */
static uint8_t pkt_type(const uint8_t *packet)
{
	static const uint8_t self[6], broadcast[6] = { 255, 255, 255, 255, 255, 255 };

	if (memcmp(packet, self, 6) == 0)
		return 0;
	if (packet[0] & 1)
		return memcmp(packet, broadcast, 6) ? 2 : 1;
	return 3;
}

/* The reference is filter_match_live(), which compare_l2() holds against libpcap where libpcap has a say. */
static void compare_meta(const char *expr, const struct filter_code *code, struct filter_host *host)
{
	static const struct {
		uint16_t proto, tci;
		bool egress;
	} cases[] = { { 0, 0, false },	      { 0, 0, true },	    { 0x8100, 10, false }, { 0x8100, 0x2064, true },
		      { 0x88a8, 300, false }, { 0x8100, 0, false }, { 0x8100, 4095, true } };
	uint32_t step = step_of(150), verdict;

	for (size_t c = 0; c < sizeof(cases) / sizeof(cases[0]); c++) {
		host->bss->vlan_proto = (uint32_t)(cases[c].proto >> 8 | (cases[c].proto & 0xff) << 8);
		host->bss->vlan_tci = cases[c].tci;
		host->bss->egress = cases[c].egress;
		for (uint32_t i = (uint32_t)c; i < corpus.n; i += step) {
			const struct sample *p = &corpus.v[i];
			struct filter_meta m = { .ifindex = 1,
						 .vlan_tci = cases[c].tci,
						 .vlan_proto = cases[c].proto,
						 .vlan_present = cases[c].proto != 0,
						 .pkt_type = cases[c].egress ? PACKET_OUTGOING : pkt_type(p->data) };

			if (!run(fd_of(host, "host_meta"), p, 0, &verdict) || verdict == UINT32_MAX)
				continue;
			tally(&meta, expr, p, verdict != 0, filter_match_live(code, p->data, p->len, p->len, &m, NULL));
			if (have_memory && run(fd_of(host, "host_memory_meta"), p, 0, &verdict))
				tally(&memory_meta, expr, p, verdict != 0,
				      filter_match_live(code, p->data, p->len, p->len, &m, NULL));
		}
	}
}

static void refused(struct tally *t, const char *expr, int rc)
{
	if (!t->refused++)
		snprintf(t->why, sizeof(t->why), "'%.300s' is not loaded: %s", expr, strerror(-rc));
}

/* The reference is filter_match(): libpcap has nothing like it. */
static void compare_lenient(const char *expr, const struct filter_code *strict)
{
	struct filter_code code = *strict;
	struct filter_host *host;
	uint32_t step = step_of(250), verdict;
	int rc;

	code.lenient = true;
	rc = LOAD(&code, NULL, &host, "host_tc", have_memory ? "host_memory" : NULL);
	if (rc) {
		refused(&lenient, expr, rc);
		return;
	}
	for (uint32_t i = expressions % step; i < corpus.n; i += step) {
		const struct sample *p = &corpus.v[i];
		const bool want = filter_match(&code, p->data, p->len, p->len, NULL);

		if (run(fd_of(host, "host_tc"), p, 0, &verdict))
			tally(&lenient, expr, p, verdict != 0, want);
		if (have_memory && run(fd_of(host, "host_memory"), p, 0, &verdict))
			tally(&lenient, expr, p, verdict != 0, want);
	}
	filter_host__destroy(host);
}

static void compare(const char *expr, bool unoptimized)
{
	struct filter_code l2 = { 0 }, l3 = { 0 }, live = { 0 };
	struct filter_host *host;
	int rc;

	if (!compile(expr, DLT_EN10MB, false, unoptimized, &l2)) {
		rc = LOAD(&l2, NULL, &host, "host_tc", have_memory ? "host_memory" : NULL);
		if (rc) {
			refused(&tc, expr, rc);
		} else {
			/* Without metadata: libpcap has none for saved packets. */
			if (!uses_meta(&l2)) {
				compare_l2(expr, &l2, host);
				if (thorough || expressions % 4 == 0)
					compare_lenient(expr, &l2);
			}
			filter_host__destroy(host);
		}
	}
	if (!compile(expr, DLT_RAW, false, unoptimized, &l3) && !uses_meta(&l3)) {
		rc = LOAD(NULL, &l3, &host, "host_cgroup", "host_socket");
		if (rc) {
			refused(&cgroup, expr, rc);
		} else {
			compare_l3(expr, &l3, host);
			filter_host__destroy(host);
		}
	}
	if (!compile(expr, DLT_EN10MB, true, unoptimized, &live) && uses_meta(&live)) {
		rc = LOAD(&live, NULL, &host, "host_meta", have_memory ? "host_memory_meta" : NULL);
		if (rc) {
			refused(&meta, expr, rc);
		} else {
			compare_meta(expr, &live, host);
			filter_host__destroy(host);
		}
	}
	expressions++;
	filter_done(&l2);
	filter_done(&l3);
	filter_done(&live);
}

static void compare_expressions(void)
{
	const char *top = getenv("TOP");
	char path[4096], line[2048];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/bpf/expressions.txt", top ? top : ".");
	f = fopen(path, "r");
	if (!f)
		return;
	compare("", false);
	while (fgets(line, sizeof(line), f)) {
		line[strcspn(line, "\n")] = '\0';
		if (line[0] == '#')
			continue;
		compare(line, false);
		if (thorough)
			compare(line, true);
	}
	fclose(f);
}

/* --- programs that libpcap would not write --------------------------------------------------- */

static uint32_t random_k(void)
{
	switch (rnd(&corpus, 6)) {
	case 0: return rnd(&corpus, 64);
	case 1: return rnd(&corpus, 256);
	case 2: return 1u << rnd(&corpus, 32);
	case 3: return 0u - rnd(&corpus, 70000);
	default: return rnd(&corpus, UINT32_MAX);
	}
}

static struct filter_insn random_load(void)
{
	uint16_t size = (uint16_t)PICK(&corpus, BPF_B, BPF_H, BPF_W);
	uint32_t near = rnd(&corpus, 12) ? rnd(&corpus, 70) : random_k();

	if (near >= (uint32_t)SKF_AD_OFF)
		near = 5;
	switch (rnd(&corpus, 8)) {
	case 0: return (struct filter_insn){ .code = BPF_LD | BPF_IMM, .k = random_k() };
	case 1: return (struct filter_insn){ .code = BPF_LDX | BPF_IMM, .k = near };
	case 2: return (struct filter_insn){ .code = BPF_LD | BPF_W | BPF_LEN };
	case 3:
		return (struct filter_insn){ .code = (uint16_t)(PICK(&corpus, BPF_LD, BPF_LDX) | BPF_MEM),
					     .k = rnd(&corpus, 16) };
	case 4: return (struct filter_insn){ .code = BPF_LDX | BPF_MSH | BPF_B, .k = near };
	case 5: return (struct filter_insn){ .code = (uint16_t)(BPF_LD | BPF_IND | size), .k = near };
	default: return (struct filter_insn){ .code = (uint16_t)(BPF_LD | BPF_ABS | size), .k = near };
	}
}

static struct filter_insn random_alu(void)
{
	uint32_t op = PICK(&corpus, BPF_ADD, BPF_SUB, BPF_MUL, BPF_DIV, BPF_MOD, BPF_AND, BPF_OR, BPF_XOR, BPF_LSH,
			   BPF_RSH, BPF_NEG);
	struct filter_insn p = { .code = (uint16_t)(BPF_ALU | op) };

	if (op == BPF_NEG)
		return p;
	if (rnd(&corpus, 2)) {
		p.code |= BPF_X;
		return p;
	}
	p.k = random_k();
	if (op == BPF_LSH || op == BPF_RSH)
		p.k &= 31;
	if (!p.k)
		p.k = 3;
	return p;
}

static struct filter_insn random_jump(uint32_t left)
{
	uint32_t reach = left < 12 ? left : 12;
	uint32_t op = PICK(&corpus, BPF_JEQ, BPF_JGT, BPF_JGE, BPF_JSET, BPF_JA);

	if (op == BPF_JA)
		return (struct filter_insn){ .code = BPF_JMP | BPF_JA, .k = rnd(&corpus, left < 30 ? left : 30) };
	return (struct filter_insn){ .code = (uint16_t)(BPF_JMP | op | PICK(&corpus, BPF_K, BPF_K, BPF_X)),
				     .k = random_k(),
				     .jt = (uint8_t)rnd(&corpus, reach),
				     .jf = (uint8_t)rnd(&corpus, reach) };
}

static struct filter_insn random_insn(uint32_t left)
{
	switch (rnd(&corpus, 12)) {
	case 0:
	case 1:
	case 2:
	case 3: return random_load();
	case 4: return (struct filter_insn){ .code = (uint16_t)PICK(&corpus, BPF_ST, BPF_STX), .k = rnd(&corpus, 16) };
	case 5: return (struct filter_insn){ .code = (uint16_t)(BPF_MISC | PICK(&corpus, BPF_TAX, BPF_TXA)) };
	case 6:
	case 7: return random_jump(left);
	case 8:
		if (rnd(&corpus, 4) == 0)
			return (struct filter_insn){ .code = BPF_RET | BPF_A };
		/* fallthrough */
	default: return random_alu();
	}
}

/* libpcap's M[] is not zeroed, unlike the kernel's and ours: what can be read is written first. */
static uint32_t random_program(struct filter_insn *insns, uint32_t n)
{
	for (uint32_t i = 0; i < 16; i++)
		insns[i] = (struct filter_insn){ .code = BPF_ST, .k = i };
	for (uint32_t i = 16; i + 1 < n; i++)
		insns[i] = random_insn(n - 1 - i);
	insns[n - 1] =
		(struct filter_insn){ .code = (uint16_t)(BPF_RET | PICK(&corpus, BPF_K, BPF_A)), .k = random_k() };
	return n;
}

/* Ethertypes that the kernel's test run does not look into. */
static struct sample random_packet(uint8_t *data)
{
	struct sample p = { .len = 40 + rnd(&corpus, rnd(&corpus, 3) ? 60 : 1500), .data = data };

	for (uint32_t i = 0; i < p.len; i++)
		data[i] = (uint8_t)(rnd(&corpus, 3) ? rnd(&corpus, 256) : rnd(&corpus, 8));
	data[12] = 0x88;
	data[13] = 0xb5;
	return p;
}

static void compare_program(const struct filter_insn *insns, uint32_t n, const char *what)
{
	uint8_t data[1600];
	struct filter_host *host;
	struct filter_code code;
	uint32_t verdict;
	int rc;

	rc = filter_code_new(insns, n, &code);
	if (!rc) {
		rc = LOAD(&code, NULL, &host, "host_tc", have_memory ? "host_memory" : NULL);
		if (rc)
			filter_done(&code);
	}
	if (rc) {
		refused(&random_tc, what, rc);
		return;
	}
	for (int i = 0; i < 40; i++) {
		struct sample p = random_packet(data);
		uint32_t want = reference_run(&code, p.data, p.len, p.len);

		tally(&user, what, &p, filter_match(&code, p.data, p.len, p.len, NULL), want != 0);
		if (run(fd_of(host, "host_tc"), &p, 0, &verdict))
			tally(&random_tc, what, &p, verdict, want);
		if (have_memory && run(fd_of(host, "host_memory"), &p, 0, &verdict))
			tally(&random_memory, what, &p, verdict, want);
	}
	filter_host__destroy(host);
	filter_done(&code);
}

static void compare_programs(void)
{
	struct filter_insn insns[80];
	char what[64];

	for (uint32_t i = 0; i < (thorough ? 20000u : 300u); i++) {
		uint32_t n = random_program(insns, 19 + rnd(&corpus, 61));

		snprintf(what, sizeof(what), "random program %u (%u instructions)", i, n);
		compare_program(insns, n, what);
	}
}

/* --- the tests ----------------------------------------------------------------------------- */

static void report(const char *name, const struct tally *t, bool possible)
{
	if (!possible)
		printf("skip - %s: this kernel cannot run such a test\n", name);
	else if (t->diffs || t->refused)
		printf("not ok - %s: %u of %u differ, %u not loaded: %s\n", name, t->diffs, t->runs, t->refused,
		       t->why);
	else if (t->matches < 50)
		printf("not ok - %s: only %u of %u match anything\n", name, t->matches, t->runs);
	else
		printf("ok - %s\n", name);
	fprintf(stderr, "%s: %u expressions, %u runs, %u match, %u differ\n", name, expressions, t->runs, t->matches,
		t->diffs);
	if (possible && (t->diffs || t->refused || t->matches < 50))
		check_failed_tests++;
}

static char *hosts(uint32_t n)
{
	char *expr = malloc(n * 40), *p = expr;

	for (uint32_t i = 0; i < n; i++)
		p += sprintf(p, "%shost 192.168.%u.%u", i ? " or " : "", i % 256, i * 7 % 256);
	return expr;
}

/* The largest filter that libpcap makes in reasonable time. */
static void test_300_hosts(void)
{
	char *expr = hosts(300);
	struct tally before = tc;

	compare(expr, false);
	free(expr);
	CHECK(tc.refused == before.refused && cgroup.refused == 0);
	CHECK(tc.runs > before.runs);
	CHECK_INT(tc.diffs, before.diffs);
}

static void test_several_stubs(void)
{
	struct sample tcp = { .len = 60, .data = (uint8_t[60]){ [12] = 8, [14] = 0x45, [23] = 6 } };
	struct sample udp = { .len = 60, .data = (uint8_t[60]){ [12] = 8, [14] = 0x45, [23] = 17 } };
	struct filter_code l2, l3;
	struct filter_host *host;
	uint32_t verdict = 0;

	if (!have_several)
		CHECK_SKIP("no bpf_loop in this kernel");
	CHECK_INT(compile("tcp", DLT_EN10MB, false, false, &l2), 0);
	/* The tc program's data starts at the Ethernet header, so an IP version of 0 is what the L3 filter sees. */
	CHECK_INT(compile("ip[23] = 17", DLT_RAW, false, false, &l3), 0);
	CHECK_INT(LOAD(&l2, &l3, &host, "host_several", "host_none", "host_tc"), 0);
	CHECK(run(fd_of(host, "host_several"), &tcp, 0, &verdict));
	CHECK_INT(verdict, 1);
	tcp.data[0] = 0x45;
	CHECK(run(fd_of(host, "host_several"), &udp, 0, &verdict));
	CHECK_INT(verdict, 0);
	udp.data[0] = 0x45;
	CHECK(run(fd_of(host, "host_several"), &udp, 0, &verdict));
	CHECK_INT(verdict, 2);
	CHECK_INT(host->bss->turns, 9);
	CHECK(run(fd_of(host, "host_none"), &udp, 0, &verdict));
	CHECK_INT(verdict, 7);
	filter_host__destroy(host);
	filter_done(&l2);
	filter_done(&l3);
}

/* What has terms is not for the kernel; what is weaker is. */
static void test_terms(void)
{
	struct sample tcp = { .len = 60, .data = (uint8_t[60]){ [12] = 8, [14] = 0x45, [23] = 6 } };
	struct sample udp = { .len = 60, .data = (uint8_t[60]){ [12] = 8, [14] = 0x45, [23] = 17 } };
	struct filter_compile_opts opts = { .dlt = DLT_EN10MB };
	struct filter_code exact, weak;
	struct filter_expr *e;
	struct filter_host *host;
	char err[FILTER_ERR_LEN];
	uint32_t verdict = 0;

	CHECK_INT(filter_expr_new(&e, "(pid 7 and ip[60:4] = 1) or tcp", err), 0);
	opts.expr = e;
	CHECK_INT(filter_compile(e->exact, &opts, &exact, err), 0);
	CHECK_INT(LOAD(&exact, NULL, &host, "host_tc"), -EOPNOTSUPP);
	CHECK_INT(filter_weaken(&exact, NULL, &weak), 0);
	CHECK_INT(LOAD(&weak, NULL, &host, "host_tc"), 0);
	CHECK(run(fd_of(host, "host_tc"), &tcp, 0, &verdict));
	CHECK(verdict); /* though it is too short for the first test */
	CHECK(run(fd_of(host, "host_tc"), &udp, 0, &verdict));
	CHECK(verdict);
	udp.len = 80;
	udp.data = (uint8_t[80]){ [12] = 8, [14] = 0x45, [23] = 17 };
	CHECK(run(fd_of(host, "host_tc"), &udp, 0, &verdict));
	CHECK_INT(verdict, 0);
	filter_host__destroy(host);
	filter_done(&exact);
	filter_done(&weak);
	filter_expr_free(e);
}

static void test_no_filter(void)
{
	struct sample p = { .len = 60, .data = (uint8_t[60]){ 0 } };
	struct filter_code none;
	struct filter_host *host;
	uint32_t verdict;

	CHECK_INT(LOAD(NULL, NULL, &host, "host_tc"), 0);
	CHECK(run(fd_of(host, "host_tc"), &p, 0, &verdict));
	CHECK_INT(verdict, 1);
	filter_host__destroy(host);
	CHECK_INT(filter_reject(&none), 0);
	CHECK_INT(LOAD(&none, NULL, &host, "host_tc"), 0);
	CHECK(run(fd_of(host, "host_tc"), &p, 0, &verdict));
	CHECK_INT(verdict, 0);
	filter_host__destroy(host);
	filter_done(&none);
}

/* Jumps further than eBPF's 16 bits, over landing pads. */
static void test_long_jumps(void)
{
	enum { N = 9000 };
	struct filter_insn *insns = calloc(N, sizeof(*insns));

	for (uint32_t i = 0; i < N; i++)
		insns[i] = i % 2 ? (struct filter_insn){ .code = BPF_ALU | BPF_XOR | BPF_K, .k = i }
				 : (struct filter_insn){ .code = BPF_LD | BPF_B | BPF_ABS, .k = i % 32 };
	for (uint32_t i = 0; i + 8500 < N; i += 50) {
		insns[i] = (struct filter_insn){ .code = BPF_JMP | BPF_JEQ | BPF_K, .k = 1, .jf = 1 };
		insns[i + 1] = (struct filter_insn){ .code = BPF_JMP | BPF_JA, .k = 8300 + i % 90 };
	}
	insns[N - 1] = (struct filter_insn){ .code = BPF_RET | BPF_A };
	compare_program(insns, N, "long jumps");
	free(insns);
	CHECK(!random_tc.refused && !random_memory.refused);
	CHECK(!random_tc.diffs && !random_memory.diffs);
}

/* Half a million paths, each with another X that matters: the verifier gives up, and says so in a known way. */
static void test_too_large(void)
{
	struct filter_insn insns[128] = { { .code = BPF_LD | BPF_W | BPF_ABS }, { .code = BPF_ST } };
	struct filter_host *host;
	struct filter_code code;
	uint32_t n = 2;
	int rc;

	for (uint32_t i = 0; i < 20; i++) {
		insns[n++] = (struct filter_insn){ .code = BPF_LD | BPF_MEM };
		insns[n++] = (struct filter_insn){ .code = BPF_JMP | BPF_JSET | BPF_K, .k = 1u << i, .jf = 3 };
		insns[n++] = (struct filter_insn){ .code = BPF_MISC | BPF_TXA };
		insns[n++] = (struct filter_insn){ .code = BPF_ALU | BPF_ADD | BPF_K, .k = 1u << i };
		insns[n++] = (struct filter_insn){ .code = BPF_MISC | BPF_TAX };
	}
	insns[n++] = (struct filter_insn){ .code = BPF_LD | BPF_B | BPF_IND };
	insns[n++] = (struct filter_insn){ .code = BPF_RET | BPF_A };
	CHECK_INT(filter_code_new(insns, n, &code), 0);
	rc = LOAD(&code, NULL, &host, "host_tc");
	filter_done(&code);
	if (!rc)
		filter_host__destroy(host);
	CHECK(rc < 0);
	CHECK(filter_refused(rc));
	CHECK(loads("host_tc"));
}

/* TCP on the loopback device: headers in the linear part, up to 64 KiB of payload in fragments. */
static void send_stream(void)
{
	struct sockaddr_in addr = { .sin_family = AF_INET, .sin_addr.s_addr = htonl(INADDR_LOOPBACK) };
	int listener = socket(AF_INET, SOCK_STREAM, 0), client = socket(AF_INET, SOCK_STREAM, 0), server;
	socklen_t len = sizeof(addr);
	static char buf[60000];

	for (size_t i = 0; i < sizeof(buf); i++)
		buf[i] = (char)(i * 7 + i / 256);
	if (bind(listener, (struct sockaddr *)&addr, len) || listen(listener, 1) ||
	    getsockname(listener, (struct sockaddr *)&addr, &len) || connect(client, (struct sockaddr *)&addr, len))
		return;
	server = accept(listener, NULL, NULL);
	for (size_t n = 1; n <= sizeof(buf); n = n < 30000 ? 3 * n : 2 * n)
		for (size_t got = 0, sent = (size_t)write(client, buf, n); got < sent;)
			got += (size_t)read(server, buf, sizeof(buf));
	close(client);
	close(server);
	close(listener);
}

/* The packets that came in by lo, as a tap sees them, held against the filter. */
static void tap_count(int tap, const struct filter_code *code, uint32_t *ret_seen, uint32_t *ret_matched)
{
	static uint8_t buf[1 << 17];
	struct sockaddr_ll from;
	socklen_t len = sizeof(from);
	ssize_t n;

	*ret_seen = *ret_matched = 0;
	while ((n = recvfrom(tap, buf, sizeof(buf), MSG_DONTWAIT, (struct sockaddr *)&from, &len)) > 0) {
		if (from.sll_pkttype == PACKET_OUTGOING)
			continue;
		++*ret_seen;
		*ret_matched += reference_match(code, buf, (uint32_t)n, (uint32_t)n) != 0;
	}
}

static void fragments_one(const char *expr, int tap, struct bpf_tc_hook *hook)
{
	LIBBPF_OPTS(bpf_tc_opts, at, .handle = 1, .priority = 1);
	uint32_t want_seen = 0, want_matched = 0;
	struct filter_host *host;
	struct filter_code code;

	CHECK_INT(compile(expr, DLT_EN10MB, false, false, &code), 0);
	CHECK_INT(LOAD(&code, NULL, &host, "host_count"), 0);
	at.prog_fd = fd_of(host, "host_count");
	CHECK_INT(bpf_tc_attach(hook, &at), 0);
	tap_count(tap, &code, &want_seen, &want_matched);
	send_stream();
	usleep(20000);
	at.prog_fd = 0;
	at.flags = at.prog_id = 0;
	CHECK_INT(bpf_tc_detach(hook, &at), 0);
	tap_count(tap, &code, &want_seen, &want_matched);
	fprintf(stderr, "fragments: '%s' seen %u nonlinear %u matched %u\n", expr, host->bss->seen,
		host->bss->nonlinear, host->bss->matched);
	CHECK_INT(host->bss->seen, want_seen);
	CHECK_INT(host->bss->matched, want_matched);
	CHECK(host->bss->nonlinear > 5);
	CHECK(host->bss->matched > 0);
	filter_host__destroy(host);
	filter_done(&code);
}

static void test_fragments(void)
{
	static const char *const exprs[] = {
		"tcp[32] >= 0",
		"tcp[40:4] > 0x1000",
		"tcp[5000:4] & 1 = 0",
		"tcp[20000:2] > 0",
		"tcp[30001] != 7",
		"ip[ip[2:2] - 1] > 100",
		"greater 20000",
		"ether[len - 4:4] > 0x40000000",
		"tcp[((tcp[12] & 0xf0) >> 2):4] = 0x00070e15",
		"ip[ip[2:2] - 5000:4] > 0",
	};
	LIBBPF_OPTS(bpf_tc_hook, hook, .ifindex = 1, .attach_point = BPF_TC_INGRESS);
	struct ifreq ifr = { .ifr_name = "lo", .ifr_flags = IFF_UP };
	int size = 64 << 20, tap;

	CHECK_INT(unshare(CLONE_NEWNET), 0);
	tap = socket(AF_PACKET, SOCK_RAW, htons(ETH_P_ALL));
	CHECK(tap >= 0);
	setsockopt(tap, SOL_SOCKET, SO_RCVBUFFORCE, &size, sizeof(size));
	CHECK_INT(ioctl(tap, SIOCSIFFLAGS, &ifr), 0);
	CHECK_INT(bpf_tc_hook_create(&hook), 0);
	for (size_t i = 0; i < sizeof(exprs) / sizeof(exprs[0]) && !check_why[0]; i++)
		fragments_one(exprs[i], tap, &hook);
	close(tap);
}

/* --- FILTER_TEST_BENCH=1 ------------------------------------------------------------------- */

/* ns per run, median. */
static double cost(const struct filter_host *host, const char *prog, const struct sample *p)
{
	uint32_t v[9];

	for (int i = 0; i < 9; i++) {
		LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = p->data, .data_size_in = p->len, .repeat = 50000);

		if (bpf_prog_test_run_opts(fd_of(host, prog), &opts))
			return -1;
		v[i] = opts.duration;
		for (int j = i; j > 0 && v[j - 1] > v[j]; j--) {
			uint32_t t = v[j];

			v[j] = v[j - 1];
			v[j - 1] = t;
		}
	}
	return v[4];
}

static void bench_one(const char *name, const char *expr, const struct sample *packets, uint32_t n)
{
	static const char *const progs[] = { "host_tc", "host_socket", "host_memory" };
	struct filter_code l2, l3;
	struct filter_host *host, *bare;

	if (compile(expr, DLT_EN10MB, false, false, &l2) || compile(expr, DLT_RAW, false, false, &l3) ||
	    LOAD(&l2, &l3, &host, "host_tc", "host_socket", "host_memory") ||
	    LOAD(NULL, NULL, &bare, "host_tc", "host_socket", "host_memory"))
		return;
	printf("%-14s", name);
	for (int i = 0; i < 3; i++)
		for (uint32_t k = 0; k < n; k++)
			printf("%s%4.0f", k ? " " : " | ",
			       cost(host, progs[i], &packets[k]) - cost(bare, progs[i], &packets[k]));
	puts("");
	filter_host__destroy(host);
	filter_host__destroy(bare);
	filter_done(&l2);
	filter_done(&l3);
}

static void bench(void)
{
	/* 10.0.0.1:1024 to 10.0.0.2:443 by TCP, the same by UDP, IPv6, ARP */
	uint8_t tcp_packet[64] = { [12] = 8, [14] = 0x45, [23] = 6, [26] = 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 1, 0xbb },
		udp_packet[64] = { [12] = 8, [14] = 0x45, [23] = 17, [26] = 10, 0, 0, 1, 10, 0, 0, 2, 4, 0, 1, 0xbb },
		ip6_packet[80] = { [12] = 0x86, 0xdd, 0x60, [20] = 6, [54] = 4, 0, 1, 0xbb },
		arp_packet[64] = { [12] = 8, 6, 0, 1, 8, 0, 6, 4 };
	const struct sample packets[] = {
		{ 64, tcp_packet }, { 64, udp_packet }, { 80, ip6_packet }, { 64, arp_packet }
	};
	char *many = hosts(100), *most = hosts(300);

	puts("ns above no filter for TCP, UDP, IPv6 TCP, ARP:\nfilter           direct access       | load_bytes          | memory");
	bench_one("tcp", "tcp", packets, 4);
	bench_one("tcp port 443", "tcp port 443", packets, 4);
	bench_one("host and port", "host 10.0.0.1 and port 443", packets, 4);
	bench_one("tcp-syn", "tcp[tcpflags] & tcp-syn != 0", packets, 4);
	bench_one("protochain", "ip6 protochain 6", packets, 4);
	bench_one("100 hosts", many, packets, 4);
	bench_one("300 hosts", most, packets, 4);
	free(many);
	free(most);
}

static int quiet(enum libbpf_print_level level, const char *format, va_list args)
{
	return level == LIBBPF_WARN && getenv("V") ? vfprintf(stderr, format, args) : 0;
}

static void corpus_make(void)
{
	const char *seed = getenv("FILTER_TEST_SEED"), *top = getenv("TOP");
	char pattern[4096];

	if (seed)
		corpus.seed ^= strtoull(seed, NULL, 0) * 0x9e3779b97f4a7c15u;
	snprintf(pattern, sizeof(pattern), "%s/build/deps/tcpdump-*/tests/*.pcap", top ? top : ".");
	samples_read(&corpus, pattern, thorough ? 20 : 3);
	fprintf(stderr, "packets of tcpdump's tests: %u\n", corpus.n);
	samples_generate(&corpus, thorough ? 4000 : 2000);
	samples_mutate(&corpus, thorough ? 4000 : 2000);
	fprintf(stderr, "packets: %u\n", corpus.n);
}

int main(void)
{
	if (geteuid() != 0) {
		puts("skip - verdicts: needs root");
		return 0;
	}
	libbpf_set_print(quiet);
	thorough = getenv("FILTER_TEST_LONG") != NULL;
	corpus_make();
	if (filter_inject_new(&inject, NULL)) {
		puts("not ok - verdicts: libbpf refuses the section handlers");
		return 1;
	}
	if (getenv("FILTER_TEST_BENCH")) {
		bench();
		filter_inject_free(inject);
		samples_done(&corpus);
		return 0;
	}
	have_memory = loads("host_memory");
	have_several = loads("host_several");
	have_nonlinear = nonlinear_works();
	RUN(test_no_filter);
	RUN(test_terms);
	RUN(test_several_stubs);
	RUN(test_300_hosts);
	RUN(test_long_jumps);
	RUN(test_too_large);
	RUN(test_fragments);
	compare_expressions();
	compare_programs();
	report("tc", &tc, true);
	report("tc_nonlinear", &nonlinear, have_nonlinear);
	report("tc_vlan_and_direction", &meta, true);
	report("cgroup_skb", &cgroup, true);
	report("socket_filter", &sock, true);
	report("kernel_memory", &memory, have_memory);
	report("kernel_memory_vlan_and_direction", &memory_meta, have_memory);
	report("user_space", &user, true);
	report("too_short_for_a_load", &lenient, true);
	report("random_programs_tc", &random_tc, true);
	report("random_programs_memory", &random_memory, have_memory);
	filter_inject_free(inject);
	samples_done(&corpus);
	return check_status();
}
