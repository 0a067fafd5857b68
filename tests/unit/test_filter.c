/* SPDX-License-Identifier: BSD-3-Clause */
/* Compilation, dumps and user space verdicts of filters. tests/bpf/test_filter.c has those of the kernel. */
#include <errno.h>
#include <linux/filter.h>
#include <stdlib.h>
#include <unistd.h>

#include "../bpf/packets.h"
#include "../bpf/reference.h"
#include "check.h"
#include "filter/filter.h"

static struct samples corpus = { .seed = 0x2545f4914f6cdd1du };

static int compile_for(const char *expr, int dlt, bool live, struct filter_code *ret, char *err)
{
	const struct filter_compile_opts opts = { .dlt = dlt, .netmask = 0xffffff, .live = live };

	return filter_compile(expr, &opts, ret, err);
}

/* The index of the first instruction with this code, and k from then on; -1 none. */
static int find_insn(const struct filter_code *code, uint16_t op, uint32_t k)
{
	for (uint32_t i = 0; i < code->n; i++)
		if (code->insns[i].code == op && code->insns[i].k == k)
			return (int)i;
	return -1;
}

static void test_errors(void)
{
	char err[FILTER_ERR_LEN];
	struct filter_code code = { 0 };

	CHECK_INT(compile_for("tcp prot 80", DLT_EN10MB, false, &code, err), -EINVAL);
	CHECK_STR(err, "can't parse filter expression: syntax error");
	CHECK_INT(compile_for("host 1.2.3.4.5", DLT_EN10MB, false, &code, err), -EINVAL);
	CHECK(err[0]);
	CHECK_INT(compile_for("port 70000", DLT_RAW, true, &code, err), -EINVAL);
	CHECK_STR(err, "illegal port number 70000 > 65535");
	CHECK_INT(compile_for("arp", DLT_RAW, false, &code, err), -EOPNOTSUPP);
	CHECK(err[0]);
	CHECK_INT(compile_for("vlan 10", DLT_RAW, false, &code, err), -EOPNOTSUPP);
	CHECK_INT(compile_for("type mgt", DLT_EN10MB, false, &code, err), -EOPNOTSUPP);
	CHECK_INT(compile_for("ip and not ip", DLT_EN10MB, false, &code, err), -EINVAL);
	CHECK_STR(err, "expression rejects all packets");
	CHECK(code.insns == NULL);
}

/* A file may come from any system, and knows no directions. */
static void test_saved(void)
{
	struct filter_compile_opts opts = { .dlt = DLT_NULL, .saved = true };
	char err[FILTER_ERR_LEN];
	struct filter_code code = { 0 };
	uint32_t family = 0;

	CHECK_INT(filter_compile("ip6", &opts, &code, err), 0);
	CHECK_INT(code.n, 6);
	family = code.n == 6 ? code.insns[1].k : 0;
	filter_done(&code);
	opts.swapped = true;
	CHECK_INT(filter_compile("ip6", &opts, &code, err), 0);
	CHECK_INT(code.n, 6);
	CHECK(code.n == 6 && code.insns[1].k == __builtin_bswap32(family));
	filter_done(&code);
	opts.dlt = DLT_EN10MB;
	CHECK(filter_compile("inbound", &opts, &code, err) != 0);
	CHECK_STR(err, "inbound/outbound not supported on Ethernet when reading savefiles");
}

static void test_empty(void)
{
	char err[FILTER_ERR_LEN];
	struct filter_code code;

	CHECK_INT(compile_for("", DLT_EN10MB, true, &code, err), 0);
	CHECK_INT(code.n, 1);
	CHECK_INT(code.insns[0].k, 262144);
	CHECK(filter_match(&code, NULL, 0, 0, NULL));
	filter_done(&code);
	CHECK(filter_match(&code, NULL, 0, 0, NULL)); /* zeroed */
	CHECK_INT(filter_reject(&code), 0);
	CHECK(!filter_match(&code, NULL, 0, 0, NULL));
	filter_done(&code);
	filter_done(NULL);
}

static void test_live(void)
{
	const uint16_t ldh = BPF_LD | BPF_H | BPF_ABS, ldb = BPF_LD | BPF_B | BPF_ABS;
	struct filter_meta meta = { .vlan_present = true, .vlan_tci = 0x200a, .vlan_proto = 0x8100, .ifindex = 3 };
	uint8_t packet[60] = { [12] = 8, [14] = 0x45 };
	char err[FILTER_ERR_LEN];
	struct filter_code code;
	int rc;

	rc = compile_for("vlan 10 and ip", DLT_EN10MB, true, &code, err);
	if (rc == -EPERM)
		CHECK_SKIP("needs CAP_NET_RAW");
	CHECK_INT(rc, 0);
	CHECK(find_insn(&code, ldb, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)) >= 0);
	CHECK(filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	meta.vlan_tci = 11;
	CHECK(!filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	filter_done(&code);

	CHECK_INT(compile_for("vlan 10 and ip", DLT_EN10MB, false, &code, err), 0);
	CHECK(find_insn(&code, ldb, (uint32_t)(SKF_AD_OFF + SKF_AD_VLAN_TAG_PRESENT)) < 0);
	filter_done(&code);

	CHECK_INT(compile_for("outbound and ifindex 3", DLT_EN10MB, true, &code, err), 0);
	CHECK(find_insn(&code, ldh, (uint32_t)(SKF_AD_OFF + SKF_AD_PKTTYPE)) >= 0);
	CHECK(!filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	meta.pkt_type = 4;
	CHECK(filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	CHECK(!filter_match(&code, packet, sizeof(packet), sizeof(packet), NULL));
	filter_done(&code);
}

static void test_live_raw_ip(void)
{
	uint8_t packet[40] = { 0x45, [9] = 6 };
	struct filter_meta meta = { .ifindex = 3, .pkt_type = 4 };
	char err[FILTER_ERR_LEN];
	struct filter_code code;

	if (geteuid() != 0 || access("/dev/net/tun", R_OK | W_OK))
		CHECK_SKIP("needs root and /dev/net/tun");
	if (compile_for("outbound and tcp", DLT_RAW, true, &code, err))
		CHECK_FAIL("%s", err);
	CHECK(filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	packet[9] = 17;
	CHECK(!filter_match_live(&code, packet, sizeof(packet), sizeof(packet), &meta, NULL));
	filter_done(&code);
}

static void test_malformed_code(void)
{
	static const struct {
		uint32_t n;
		struct filter_insn insns[3];
	} bad[] = {
		{ 0, { { 0 } } },
		{ 1, { { .code = BPF_LD | BPF_IMM } } },	 /* falls off the end */
		{ 1, { { .code = BPF_JMP | BPF_JA, .k = 0 } } }, /* jumps off the end */
		{ 2, { { .code = BPF_JMP | BPF_JA, .k = (uint32_t)-2 }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_JMP | BPF_JEQ, .jt = 1 }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_LD | BPF_MEM, .k = 16 }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_STX, .k = 16 }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_ALU | BPF_DIV }, { .code = BPF_RET } } },
		{ 2, { { .code = 0x100 }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_LDX | BPF_ABS }, { .code = BPF_RET } } },
		{ 2, { { .code = BPF_ALU | 0xb0 }, { .code = BPF_RET } } },
		{ 1, { { .code = BPF_RET | BPF_X } } },
	};
	struct filter_code code;

	for (size_t i = 0; i < sizeof(bad) / sizeof(bad[0]); i++)
		if (filter_code_new(bad[i].insns, bad[i].n, &code) != -EINVAL)
			CHECK_FAIL("program %zu is taken", i);
}

static void test_loop_ends(void)
{
	static const struct filter_insn insns[] = { { .code = BPF_LD | BPF_IMM, .k = 1 },
						    { .code = BPF_JMP | BPF_JA, .k = (uint32_t)-2 },
						    { .code = BPF_RET, .k = 1 } };
	struct filter_code code;

	CHECK_INT(filter_code_new(insns, 3, &code), 0);
	CHECK(!filter_match(&code, NULL, 0, 0, NULL));
	filter_done(&code);
}

/* libpcap does not zero M[], and writes code that reads what was never stored ("not geneve" on radiotap): its verdict is
 * a matter of chance then. */
static bool reads_chance(const struct filter_code *code)
{
	uint32_t stored = 0, read = 0;

	for (uint32_t i = 0; i < code->n; i++) {
		const struct filter_insn *p = &code->insns[i];

		if (p->code == BPF_ST || p->code == BPF_STX)
			stored |= 1u << p->k;
		if (p->code == (BPF_LD | BPF_MEM) || p->code == (BPF_LDX | BPF_MEM))
			read |= 1u << p->k;
	}
	return read & ~stored;
}

/* What lies further is never read. */
static bool same_within_reach(const struct filter_code *code, const struct sample *p, uint32_t caplen, bool want)
{
	const uint32_t reach = filter_reach(code), n = caplen < reach ? caplen : reach;
	uint8_t *data = malloc(n + 1); /* so that ASan sees it */
	bool got;

	memcpy(data + 1, p->data, n);
	got = filter_match(code, data + 1, n, p->len, NULL);
	free(data);
	return got == want;
}

/* One expression on packets of the corpus, cut short too, for one link type. */
static void compare(const char *expr, int dlt, uint32_t seed, uint32_t *compared)
{
	char err[FILTER_ERR_LEN];
	struct filter_code code;

	if (compile_for(expr, dlt, false, &code, err))
		return;
	for (uint32_t i = seed % 7; i < corpus.n && !reads_chance(&code); i += 7) {
		const struct sample *p = &corpus.v[i];
		uint32_t caplen = seed % 3 ? p->len : p->len / 2;
		/* Exactly as long as it says, so that ASan sees what libpcap's interpreter would not. */
		bool want = reference_match(&code, p->data, caplen, p->len),
		     got = filter_match(&code, p->data, caplen, p->len, NULL);

		++*compared;
		if (got == want && same_within_reach(&code, p, caplen, got))
			continue;
		snprintf(check_why, sizeof(check_why), "'%.200s' for link type %d gives %d, not %d, on packet %u", expr,
			 dlt, got, want, i);
		break;
	}
	filter_done(&code);
}

static void test_verdicts(void)
{
	/* Ethernet, raw IP, null, Linux cooked 1 and 2, 802.11 with radiotap, PPP, IPv4, frame relay */
	static const int dlts[] = { 1, 1, 1, 12, 0, 113, 276, 127, 9, 228, 107 };
	const char *top = getenv("TOP");
	uint32_t compared = 0, n = 0;
	char path[4096], line[2048];
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/bpf/expressions.txt", top ? top : ".");
	f = fopen(path, "r");
	CHECK(f != NULL);
	samples_generate(&corpus, 1500);
	samples_mutate(&corpus, 1500);
	while (fgets(line, sizeof(line), f) && !check_why[0]) {
		line[strcspn(line, "\n")] = '\0';
		for (uint32_t i = 0; i < 3 && line[0] != '#' && !check_why[0]; i++, n++)
			compare(line, dlts[n % (sizeof(dlts) / sizeof(dlts[0]))], n, &compared);
	}
	fclose(f);
	samples_done(&corpus);
	if (!check_why[0])
		CHECK(compared > 100000);
}

static void test_reach(void)
{
	static const struct {
		const char *expr;
		uint32_t reach;
	} exprs[] = {
		{ "", 0 },
		{ "len > 100", 0 },
		{ "ip", 14 },
		{ "ether[100:2] = 1", 102 },
		{ "tcp port 80", 14 + 60 + 4 },
		{ "tcp[12] = 1", 14 + 60 + 13 },
		{ "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 1", 14 + 60 + 60 + 4 },
		{ "ip[ip[0]] = 1", 14 + 255 + 1 },
		{ "ip[ip[0] * 2 + 3] = 1", 14 + 2 * 255 + 3 + 1 },
		{ "ip[(ip[2:2] % 100) / 3] = 1", 14 + 33 + 1 },
		{ "ip[ip[2:2] | 1] = 1", UINT32_MAX },
		{ "ip[ip[4:4]] = 1", UINT32_MAX },
		{ "ip[len - 1] = 1", UINT32_MAX },
		{ "ip6 protochain 6", UINT32_MAX },
		{ "ether[0x7fffffff] = 1", 0 }, /* fails */
	};

	for (size_t i = 0; i < sizeof(exprs) / sizeof(exprs[0]); i++) {
		struct filter_code code;
		char err[FILTER_ERR_LEN];

		if (compile_for(exprs[i].expr, DLT_EN10MB, false, &code, err))
			CHECK_FAIL("%s: %s", exprs[i].expr, err);
		if (filter_reach(&code) != exprs[i].reach)
			CHECK_FAIL("%s: %u, not %u", exprs[i].expr, filter_reach(&code), exprs[i].reach);
		filter_done(&code);
	}
}

static bool output_of(const char *command, char *ret, size_t size)
{
	FILE *f = popen(command, "r");
	size_t n;

	if (!f)
		return false;
	n = fread(ret, 1, size - 1, f);
	ret[n] = '\0';
	return pclose(f) == 0 && n > 0;
}

static void dump_one(const char *expr, const char *name, int dlt, int level)
{
	const struct filter_compile_opts opts = { .dlt = dlt, .netmask = FILTER_NETMASK_UNKNOWN };
	char want[1 << 16], command[512], err[FILTER_ERR_LEN], *got = NULL;
	struct filter_code code;
	size_t size;
	FILE *out;

	snprintf(command, sizeof(command), "tcpdump -y %s -%.*s '%s' 2>/dev/null", name, level, "ddd", expr);
	if (!output_of(command, want, sizeof(want)))
		CHECK_FAIL("cannot run %s", command);
	CHECK_INT(filter_compile(expr, &opts, &code, err), 0);
	out = open_memstream(&got, &size);
	filter_dump(&code, level, out);
	fclose(out);
	if (strcmp(got, want))
		snprintf(check_why, sizeof(check_why), "'%s' -%.*s is not as tcpdump prints it: %.200s", expr, level,
			 "ddd", got);
	free(got);
	filter_done(&code);
}

static void test_dumps(void)
{
	static const char *const exprs[] = { "",
					     "tcp port 443",
					     "ip6 protochain 6",
					     "tcp[tcpflags] & tcp-syn != 0",
					     "len > 100 and ip[ip[0] & 15] / 3 = 1",
					     "host 10.0.0.1 or net 10.0.0.0/8" };

	if (access("/usr/bin/tcpdump", X_OK))
		CHECK_SKIP("tcpdump is not installed");
	for (size_t i = 0; i < sizeof(exprs) / sizeof(exprs[0]); i++)
		for (int level = 1; level <= 3 && !check_why[0]; level++) {
			dump_one(exprs[i], "EN10MB", DLT_EN10MB, level);
			if (!check_why[0])
				dump_one(exprs[i], "RAW", DLT_RAW, level);
		}
}

static void test_names_in_expressions(void)
{
	static const char *const none[] = {
		"",
		"tcp",
		"tcp port 80",
		"host 10.0.0.1 and not udp portrange 80-90",
		"net 10.0.0.0/8 or net 10.1 mask 255.255.0.0",
		"ether host 00:11:22:33:44:55",
		"ip6 host fe80::1",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0 && ip[2:2] > 0x5dc",
		"vlan 100 and ip6 proto 58",
	};
	static const char *const some[] = {
		"host example.com",   "localhost",	"port http", "ip proto \\tcp", "net loopback",
		"portrange ssh-http", "gateway router", "host 3com", "proto ospf",     "tcp port 80 or h.b.c",
		"ether host a",	      "host \\a:b",
	};

	for (size_t i = 0; i < sizeof(none) / sizeof(none[0]); i++)
		if (filter_has_names(none[i]))
			CHECK_FAIL("%s", none[i]);
	for (size_t i = 0; i < sizeof(some) / sizeof(some[0]); i++)
		if (!filter_has_names(some[i]))
			CHECK_FAIL("%s", some[i]);
}

int main(void)
{
	RUN(test_errors);
	RUN(test_saved);
	RUN(test_empty);
	RUN(test_saved);
	RUN(test_live);
	RUN(test_live_raw_ip);
	RUN(test_malformed_code);
	RUN(test_loop_ends);
	RUN(test_verdicts);
	RUN(test_reach);
	RUN(test_dumps);
	RUN(test_names_in_expressions);
	return check_status();
}
