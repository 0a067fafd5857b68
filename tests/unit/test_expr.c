/* SPDX-License-Identifier: BSD-3-Clause */
/* Process terms: where they are found, what libpcap gets instead, what is refused. test_expr_verdict.c runs the code. */
#include <errno.h>
#include <pcap/dlt.h>
#include <stdlib.h>

#include "check.h"
#include "filter/code.h"
#include "filter/expr.h"
#include "util/buf.h"

/* T0 to T9 in exact stand for the terms. */
static void numbered(char *to, size_t size, const char *exact, uint32_t first)
{
	size_t n = 0;

	while (*exact && n + 24 < size) {
		if (exact[0] == 'T' && exact[1] >= '0' && exact[1] <= '9') {
			n += (size_t)snprintf(to + n, size - n, "byte 0x%x = 1",
					      first + (uint32_t)(exact[1] - '0') * FILTER_TERM_SPACING);
			exact += 2;
		} else {
			to[n++] = *exact++;
		}
	}
	to[n] = '\0';
}

/* "src pid 7, not pname curl": of what is negative, too. */
static void listed(struct buf *b, const struct filter_expr *e)
{
	for (uint32_t i = 0; i < e->n; i++) {
		if (i)
			buf_puts(b, ", ");
		if (e->terms[i].negative)
			buf_puts(b, "not ");
		filter_term_put(b, &e->terms[i]);
	}
	buf_putc(b, '\0');
}

static const struct {
	const char *text, *exact, *terms;
} found[] = {
	{ "pid 7", "T0", "pid 7" },
	{ "  pid\t7 ", "  T0 ", "pid 7" },
	{ "port 53 and pid 7", "port 53 and T0", "pid 7" },
	{ "not pname sshd", "not T0", "not pname sshd" },
	{ "!pname sshd", "!T0", "not pname sshd" },
	{ "not not pid 7", "not not T0", "pid 7" },
	{ "not (tcp or not pid 7)", "not (tcp or not T0)", "pid 7" },
	{ "not (tcp or pid 7) and pid 8", "not (tcp or T0) and T1", "not pid 7, pid 8" },
	{ "src pid 7 or dst pid 8", "T0 or T1", "src pid 7, dst pid 8" },
	{ "src or dst pid 7", "T0", "pid 7" },
	{ "dst||src pid 7", "T0", "pid 7" },
	{ "src and dst pid 7", "T0", "src and dst pid 7" },
	{ "src and src pid 7", "src and T0", "src pid 7" },
	{ "src host 10.0.0.1 and src pid 7", "src host 10.0.0.1 and T0", "src pid 7" },
	{ "pname (curl or wget or \"Web Content\")", "(T0 or T1 or T2)",
	  "pname curl, pname wget, pname \"Web Content\"" },
	{ "tcp and not src pid(1 or (2 and not 3))", "tcp and not (T0 or (T1 and not T2))",
	  "not src pid 1, not src pid 2, src pid 3" },
	{ "pname (tcp||not udp)&&ip", "(T0||not T1)&&ip", "pname tcp, not pname udp" },
	{ "unknown", "T0", "unknown" },
	{ "tcp and not src unknown", "tcp and not T0", "not src unknown" },
	{ "unknown and pid 7", "T0 and T1", "unknown, pid 7" },
	{ "pname 'it is'or tcp", "T0 or tcp", "pname \"it is\"" },
	{ "pname \"a \\\" \\\\ \\* b\"", "T0", "pname \"a \\\" \\\\ \\\\* b\"" },
	{ "pname '\\x'", "T0", "pname \"\\\\x\"" },
	{ "pname \\[x and label [=x", "T0 and T1", "pname \"\\\\[x\", label [=x" },
	{ "pname '=x' or pname \"!=\" or exe ~/x", "T0 or T1 or T2", "pname \"=x\", pname \"!=\", exe ~/x" },
	{ "pname 'and' or exe \"(x)\"", "T0 or T1", "pname \"and\", exe \"(x)\"" },
	{ "pname and-more", "T0", "pname and-more" },
	{ "exe /usr/bin/*", "T0", "exe /usr/bin/*" },
	{ "cmdline '*--config /etc/x*'", "T0", "cmdline \"*--config /etc/x*\"" },
	{ "parent sshd and parent 1", "T0 and T1", "parent sshd, parent 1" },
	{ "uid 0 or uid www-data or uid 4294967294", "T0 or T1 or T2", "uid 0, uid www-data, uid 4294967294" },
	{ "container web or pod api.prod", "T0 or T1", "container web, pod api.prod" },
	{ "label app=web or label tier", "T0 or T1", "label app=web, label tier" },
	{ "label \"a b=c d\"", "T0", "label \"a b=c d\"" },
	{ "netns 4026531840 or netns container:web", "T0 or T1", "netns 4026531840, netns container:web" },
	{ "pid 7@host", "T0", "pid 7@host" },
	{ "pid 4194304", "T0", "pid 4194304" },
	{ "tcp[0] & 1 != 0 and pid 7", "tcp[0] & 1 != 0 and T0", "pid 7" },
	{ "pname a\nor pname b", "T0\nor T1", "pname a, pname b" },
	{ "ether host 00:11:22:33:44:55 or pid 7", "ether host 00:11:22:33:44:55 or T0", "pid 7" },
};

static void found_one(size_t i)
{
	struct filter_expr *e;
	struct buf terms = { 0 };
	char err[FILTER_ERR_LEN] = "", exact[512];

	if (filter_expr_new(&e, found[i].text, err))
		CHECK_FAIL("%s: %s", found[i].text, err);
	numbered(exact, sizeof(exact), found[i].exact, e->first);
	listed(&terms, e);
	if (strcmp(e->text, found[i].text))
		CHECK_FAIL("%s has text %s", found[i].text, e->text);
	if (strcmp(e->exact, exact))
		CHECK_FAIL("%s is %s", found[i].text, e->exact);
	if (strcmp(terms.p, found[i].terms))
		CHECK_FAIL("%s has terms %s", found[i].text, terms.p);
	buf_done(&terms);
	filter_expr_free(e);
}

static void test_found(void)
{
	for (size_t i = 0; i < sizeof(found) / sizeof(found[0]) && !check_why[0]; i++)
		found_one(i);
}

static void unchanged(const char *text)
{
	struct filter_expr *e;
	char err[FILTER_ERR_LEN] = "";

	if (filter_expr_new(&e, text, err))
		CHECK_FAIL("%s: %s", text, err);
	if (e->n || e->terms || e->exact != e->text || strcmp(e->text, text))
		CHECK_FAIL("%s has %u terms: %s", text, e->n, e->exact);
	filter_expr_free(e);
}

static void test_left_to_libpcap(void)
{
	static const char *const texts[] = {
		"",
		" ",
		"host pid",
		"host pod and tcp",
		"src pod or exe",
		"host a or pod",
		"host (pod or exe)",
		"host a and (pid)",
		"port (80 or uid)",
		"\\pod",
		"host a or \\pod 7",
		"host a or \\unknown",
		"tcp pid 7",
		"ip src pid 7",
		"pid",
		"pid and tcp",
		"(pid)",
		"pid & 1 = 1",
		"pids 7",
		"pid-7",
		"apid 7",
		"PID 7",
		"host unknown",
		"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
		"src",
		"src or dst",
		"src or dst port 80",
		"\"pid 7\"",
		"((((((((((((((((((((((((((((((((((((",
		"))))",
		"ip[0] != 1 and ! tcp",
	};

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]) && !check_why[0]; i++)
		unchanged(texts[i]);
}

/* The expressions that test_filter.c of tests/bpf compares. */
static void test_old_expressions(void)
{
	const char *top = getenv("TOP");
	char path[4096], line[2048];
	unsigned n = 0;
	FILE *f;

	snprintf(path, sizeof(path), "%s/tests/bpf/expressions.txt", top ? top : ".");
	f = fopen(path, "r");
	CHECK(f);
	while (fgets(line, sizeof(line), f) && !check_why[0]) {
		line[strcspn(line, "\n")] = '\0';
		unchanged(line);
		n += line[0] != '#';
	}
	fclose(f);
	if (!check_why[0])
		CHECK(n > 500);
}

static void test_refused(void)
{
	static const struct {
		const char *text, *err;
	} refused[] = {
		{ "pid abc", "pid abc: not a number (pname takes names; several: pid (7 or 8))" },
		{ "tcp and not src pid 7,8", "src pid 7,8: not a number (pname takes names; several: pid (7 or 8))" },
		{ "pid=7", "pid =: a process term has no operator: write pid 7" },
		{ "tcp and not src pid == 7", "pid ==: a process term has no operator: write src pid 7" },
		{ "pid != 7", "pid !=: a process term has no operator: write not pid 7" },
		{ "src pid!=7", "pid !=: a process term has no operator: write not src pid 7" },
		{ "pname != 'Web Content'",
		  "pname !=: a process term has no operator: write not pname \"Web Content\"" },
		{ "pname = curl", "pname =: a process term has no operator: write pname curl" },
		{ "pname (curl or =wget)", "pname =: a process term has no operator: write pname wget" },
		{ "pname =", "pname =: a process term has no operator: write pname ..." },
		{ "pname = \"curl", "pname =: a process term has no operator: write pname ..." },
		{ "pid != (7 or 8)", "pid !=: a process term has no operator: write not pid ..." },
		{ "pid > 7", "pid >: a process term has no operator: write all values, pid (A or B)" },
		{ "uid <= 999", "uid <=: a process term has no operator: write all values, uid (A or B)" },
		{ "label != app=web", "label !=: a process term has no operator: write not label app=web" },
		{ "pid -7", "pid -7: not a number (pname takes names; several: pid (7 or 8))" },
		{ "pid 0x7", "pid 0x7: not a number (pname takes names; several: pid (7 or 8))" },
		{ "pid (7 or abc)", "pid abc: not a number (pname takes names; several: pid (7 or 8))" },
		{ "pid 0", "pid 0: not a number from 1 to 4194304" },
		{ "pid 4194305", "pid 4194305: not a number from 1 to 4194304" },
		{ "pid '7 '", "pid \"7 \": not a number (pname takes names; several: pid (7 or 8))" },
		{ "parent 0@host", "parent 0@host: not a number from 1 to 4194304" },
		{ "parent 0", "parent 0: not a number from 1 to 4194304" },
		{ "uid 4294967295", "uid 4294967295: not a number below 4294967295" },
		{ "uid 99999999999", "uid 99999999999: not a number below 4294967295" },
		{ "pname \"\"", "pname \"\": an empty value matches nothing" },
		{ "label =x", "label \"=x\": no key: a label is KEY or KEY=VALUE" },
		{ "pname \"curl", "pname: the quote behind it has no end" },
		{ "pname a'b'", "pname a: goes on behind the value: put the whole value in quotes" },
		{ "pname a(b)", "pname a: goes on behind the value: put the whole value in quotes" },
		{ "tcp and not src pname a[bc", "src pname a[bc: nothing closes its '[' ('\\[' is the character)" },
		{ "pname (x or [!)", "pname [: nothing closes its '[' ('\\[' is the character)" },
		{ "parent [", "parent [: nothing closes its '[' ('\\[' is the character)" },
		{ "label a=[", "label a=[: nothing closes its '[' ('\\[' is the character)" },
		{ "exe '/bin/\\'", "exe \"/bin/\\\\\": nothing follows its last '\\'" },
		{ "port (80 or pid 7)", "pid: stands among the values in a parenthesis: close that first" },
		{ "port (80 or (443 or pid 7))", "pid: stands among the values in a parenthesis: close that first" },
		{ "pname (curl wget)", "pname: several values in parentheses have and or or between them" },
		{ "pname not sshd", "pname: not stands in front of it: not pname ..." },
		{ "pname !sshd", "pname: not stands in front of it: not pname ..." },
	};

	for (size_t i = 0; i < sizeof(refused) / sizeof(refused[0]); i++) {
		struct filter_expr *e;
		char err[FILTER_ERR_LEN] = "";

		if (filter_expr_new(&e, refused[i].text, err) != -EINVAL)
			CHECK_FAIL("%s is taken", refused[i].text);
		if (strcmp(err, refused[i].err))
			CHECK_FAIL("%s: %s", refused[i].text, err);
	}
}

static int compile(const char *text, int dlt, struct filter_expr **e, struct filter_code *code,
		   char err[FILTER_ERR_LEN])
{
	struct filter_compile_opts opts = { .dlt = dlt };
	int rc = filter_expr_new(e, text, err);

	if (rc)
		return rc;
	opts.expr = *e;
	rc = filter_compile((*e)->exact, &opts, code, err);
	if (rc)
		filter_expr_free(*e);
	return rc;
}

/* What libpcap refuses, with a better message than "syntax error". */
static void test_hints(void)
{
	static const struct {
		const char *text, *err;
	} hints[] = {
		{ "pid 1 or 2", "'2' is not another value of pid: several stand in parentheses, pid (A or B)" },
		{ "pname curl or not wget",
		  "'wget' is not another value of pname: several stand in parentheses, pname (A or B)" },
		{ "pname (curl or wget) or 10.0.0.1",
		  "'10.0.0.1' is not another value of pname: several stand in parentheses, pname (A or B)" },
		{ "pid 7 or tcp and port 80 443", "can't parse filter expression: syntax error" },
		{ "tcp pid 7",
		  "pid: a process term begins the expression or stands after and, or, not or a parenthesis (tcp and "
		  "pid ...)" },
	};

	for (size_t i = 0; i < sizeof(hints) / sizeof(hints[0]); i++) {
		struct filter_expr *e;
		struct filter_code code;
		char err[FILTER_ERR_LEN] = "";

		if (compile(hints[i].text, DLT_EN10MB, &e, &code, err) != -EINVAL)
			CHECK_FAIL("%s is taken", hints[i].text);
		if (strcmp(err, hints[i].err))
			CHECK_FAIL("%s: %s", hints[i].text, err);
	}
}

static void dump_is(const char *text, int level, const char *want)
{
	struct filter_code code;
	struct filter_expr *e;
	char err[FILTER_ERR_LEN] = "", *got = NULL;
	size_t size;
	FILE *out;

	if (compile(text, DLT_EN10MB, &e, &code, err))
		CHECK_FAIL("%s: %s", text, err);
	out = open_memstream(&got, &size);
	filter_dump(&code, level, out);
	fclose(out);
	if (strcmp(got, want))
		snprintf(check_why, sizeof(check_why), "%s -%.*s: %s", text, level, "ddd", got);
	free(got);
	filter_done(&code);
	filter_expr_free(e);
}

static void test_dumps(void)
{
	dump_is("ip and not src pname \"Web Content\"", 1,
		"(000) ldh      [12]\n"
		"(001) jeq      #0x800           jt 2\tjf 5\n"
		"(002) term     src pname \"Web Content\"\n"
		"(003) jeq      #0x1             jt 5\tjf 4\n"
		"(004) ret      #262144\n"
		"(005) ret      #0\n");
	if (!check_why[0])
		dump_is("pname 'a\033b'", 1,
			"(000) term     pname \"a\\x1bb\"\n"
			"(001) jeq      #0x1             jt 2\tjf 3\n"
			"(002) ret      #262144\n"
			"(003) ret      #0\n");
	if (!check_why[0])
		dump_is("pid 7 or pid 8", 3,
			"6\n48 0 0 4294964224\n21 2 0 1\n48 0 0 4294964225\n21 0 1 1\n6 0 0 262144\n6 0 0 0\n");
}

/* Wherever a header has moved the offset. */
static void test_offsets(void)
{
	static const char *const texts[] = {
		"pid 7",	  "vlan and pid 7",   "pppoes 1 and pid 7",
		"mpls and pid 7", "geneve and pid 7", "geneve and vlan and pppoes and mpls and pid 7"
	};
	/* Ethernet, raw IP, Linux cooked 2, 802.11 with radiotap, PPI, PF log, MPEG-2 TS in Ethernet, Juniper ATM2 */
	static const int dlts[] = { 1, 12, 276, 127, 192, 117, 274, 135 };
	unsigned compiled = 0;

	for (size_t i = 0; i < sizeof(texts) / sizeof(texts[0]); i++)
		for (size_t k = 0; k < sizeof(dlts) / sizeof(dlts[0]); k++) {
			struct filter_code code;
			struct filter_expr *e;
			char err[FILTER_ERR_LEN] = "";
			unsigned terms = 0;

			if (compile(texts[i], dlts[k], &e, &code, err))
				continue;
			for (uint32_t j = 0; j < code.n; j++)
				terms += filter_insn_term(&code.insns[j]) >= 0;
			if (terms != 1)
				CHECK_FAIL("%s on link type %d has %u terms", texts[i], dlts[k], terms);
			compiled++;
			filter_done(&code);
			filter_expr_free(e);
		}
	CHECK(compiled > 20);
}

/* As it comes over a pipe. */
static void test_code_from_elsewhere(void)
{
	const struct filter_insn unknown[] = {
		{ 0x30, 0, 0, FILTER_TERM_OFF + 1 }, { 0x15, 0, 1, 1 }, { 6, 0, 0, 1 }, { 6, 0, 0, 0 }
	};
	const struct filter_insn read[] = { { 0x30, 0, 0, FILTER_TERM_OFF }, { 0x16, 0, 0, 0 } };
	const struct filter_truth yes = { { 1 } };
	struct filter_code code, again;
	struct filter_expr *e;
	char err[FILTER_ERR_LEN];

	CHECK_INT(compile("not pid 7", DLT_EN10MB, &e, &code, err), 0);
	CHECK_INT(filter_code_new(code.insns, code.n, &again), 0);
	CHECK_INT(filter_code_set_expr(&again, e), 0);
	CHECK(again.expr == e);
	CHECK(!filter_match(&again, NULL, 0, 0, &yes));
	CHECK(filter_match(&again, NULL, 0, 0, NULL));
	filter_done(&code);
	filter_done(&again);

	CHECK_INT(filter_code_new(unknown, 4, &code), 0);
	CHECK_INT(filter_code_set_expr(&code, e), -EINVAL);
	filter_done(&code);
	CHECK_INT(filter_code_new(read, 2, &code), 0);
	CHECK_INT(filter_code_set_expr(&code, e), -EINVAL);
	filter_done(&code);
	filter_expr_free(e);

	CHECK_INT(compile("ether[0xfffff400] = 1 and pid 7", DLT_EN10MB, &e, &code, err), -EINVAL);
	CHECK_STR(err, "the expression loads bytes at offsets that are kept for process terms");
	/* without terms it fails, as any load does that far out */
	CHECK_INT(compile("not ether[0xfffff400] = 1", DLT_EN10MB, &e, &code, err), 0);
	CHECK(!filter_match(&code, NULL, 0, 0, &yes));
	CHECK(!filter_match(&code, NULL, 0, 0, NULL));
	filter_done(&code);
	filter_expr_free(e);
}

static void test_no_names(void)
{
	struct filter_expr *e;
	char err[FILTER_ERR_LEN];

	CHECK_INT(filter_expr_new(&e, "tcp port 80 and not (pname curl or exe /usr/bin/x)", err), 0);
	CHECK(filter_has_names(e->text));
	CHECK(!filter_has_names(e->exact));
	filter_expr_free(e);
}

/* Hundreds of terms, and numbers that look like theirs. */
static void test_limits(void)
{
	struct buf b = { 0 };
	struct filter_expr *e;
	char err[FILTER_ERR_LEN] = "";
	uint32_t first;

	buf_puts(&b, "pid 1");
	for (int i = 1; i < FILTER_TERMS_MAX; i++)
		buf_puts(&b, " or pid 1");
	buf_putc(&b, '\0');
	CHECK_INT(filter_expr_new(&e, b.p, err), 0);
	CHECK_INT(e->n, FILTER_TERMS_MAX);
	first = e->first;
	filter_expr_free(e);

	b.len--;
	buf_puts(&b, " or pid 1");
	buf_putc(&b, '\0');
	CHECK_INT(filter_expr_new(&e, b.p, err), -EINVAL);
	CHECK_STR(err, "more than 256 process terms in an expression");

	b.len = 0;
	buf_printf(&b, "greater %u or less 0x%x or pid 7%c", first, first + 0x1fffff, 0);
	CHECK_INT(filter_expr_new(&e, b.p, err), 0);
	CHECK_INT(e->first, first + 0x200000);
	filter_expr_free(e);

	b.len = 0;
	buf_puts(&b, "pname ");
	for (int i = 0; i < 4096; i++)
		buf_putc(&b, 'x');
	buf_putc(&b, '\0');
	CHECK_INT(filter_expr_new(&e, b.p, err), -EINVAL);
	CHECK(strstr(err, "xxx...\": the value is longer than 4095 bytes") ||
	      strstr(err, "xxx...: the value is longer"));
	buf_done(&b);
}

int main(void)
{
	RUN(test_found);
	RUN(test_left_to_libpcap);
	RUN(test_old_expressions);
	RUN(test_refused);
	RUN(test_hints);
	RUN(test_dumps);
	RUN(test_offsets);
	RUN(test_code_from_elsewhere);
	RUN(test_no_names);
	RUN(test_limits);
	return check_status();
}
