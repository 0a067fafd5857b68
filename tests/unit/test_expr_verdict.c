/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Random expressions of primitives, process terms, and, or, not, parentheses and lists of values, on random packets with
 * a random truth of each term. What the code of the exact text says is what a plain walk over the tree says that the
 * expression was written from, with libpcap's verdict on each primitive by itself; the weak code matches wherever the
 * exact one does, and no more than it has to.
 *
 * FILTER_TEST_LONG=1: 100,000 expressions. FILTER_TEST_SEED changes what is random.
 *
 * timeout: 1200
 */
#include <errno.h>
#include <linux/if_packet.h>
#include <stdlib.h>

#include "../bpf/packets.h"
#include "../bpf/reference.h"
#include "check.h"
#include "filter/expr.h"
#include "filter/filter.h"
#include "util/buf.h"

static struct samples corpus = { .seed = 0x9e3779b97f4a7c15u };

/* --- primitives ------------------------------------------------------------------------------------------- */

/* These move the offsets of all that stands behind them, so that what is compiled by itself has them in front, unrun. */
static const char *const shifts[] = { "",     "vlan",	"vlan 10", "(vlan and port 80)", "(vlan 10 and ip6)",
				      "mpls", "pppoes", "geneve" };

enum { SHIFTS = sizeof(shifts) / sizeof(shifts[0]), LIVE_SHIFTS = 5 };

static const char *const primitives[] = {
	"tcp",
	"udp",
	"ip",
	"ip6",
	"arp",
	"icmp",
	"icmp6",
	"sctp",
	"port 53",
	"port 80",
	"src port 443",
	"dst port 22",
	"tcp port 80",
	"udp port 53",
	"port (80 or 443)",
	"(port 80 or 443)",
	"(tcp dst port 22 or 23 or not 25)",
	"not port (53 or not 80)",
	"portrange 20-25",
	"host 10.0.0.1",
	"src host 10.0.0.2",
	"dst net 192.168.0.0/16",
	"net 10",
	"ip6 host 2001:db8::1",
	"src net fe80::/10",
	"host (10.0.0.1 or 10.0.0.2)",
	"ether host 02:00:00:00:00:01",
	"ether multicast",
	"broadcast",
	"multicast",
	"ip broadcast",
	"ip6 multicast",
	"less 100",
	"greater 60",
	"len > 80",
	"(len >= 0x40 and len < 200)",
	"len - 14 > 60",
	"ip proto 47",
	"ip6 proto 58",
	"proto 17",
	"ip protochain 51",
	"ether proto 0x86dd",
	"ip[0] & 0xf != 5",
	"ip[8] < 64",
	"ip[6:2] & 0x1fff = 0",
	"tcp[tcpflags] & (tcp-syn|tcp-fin) != 0",
	"tcp[((tcp[12:1] & 0xf0) >> 2):4] = 0x47455420",
	"udp[4:2] > 30",
	"tcp[40:4] != 0",
	"ether[100] = 0",
	"ether[60:2] != ether[62:2]",
	"ip6[6] = 6",
	"icmp[icmptype] = icmp-echo",
	"link[0] & 1 = 1",
	"stp",
	"llc",
	"1 = 1",
	"1 = 0",
	"2 * len > 150",
	"inbound",
	"not outbound",
	"ifindex 1",
};

enum { PRIMITIVES = sizeof(primitives) / sizeof(primitives[0]) };

/* Ethernet, Ethernet live, raw IP, null, loop, Linux cooked 1 and 2, PPP, IPv4, IPv6, 802.11 without and with radiotap,
 * PF log, USB, NFLOG, frame relay */
static const struct link {
	int dlt;
	bool live;
} links[] = { { 1, false },   { 1, true },    { 12, false },  { 12, true },   { 0, false },   { 108, false },
	      { 113, false }, { 276, false }, { 9, false },   { 228, false }, { 229, false }, { 105, false },
	      { 127, false }, { 117, false }, { 189, false }, { 239, false }, { 107, false } };

/* One link type, with what was compiled for it. */
struct world {
	struct link link;
	bool unoptimized;
	struct {
		enum { UNTRIED, GOOD, REFUSED } state;
		struct filter_code code;
	} cache[PRIMITIVES + SHIFTS][SHIFTS];
};

/* The length of the header of 802.11 and PF log is computed in front of everything, for those primitives that need it. */
static bool computes_first(const struct world *w)
{
	return w->link.dlt == 105 || w->link.dlt == 127 || w->link.dlt == 117;
}

/* And kept in a word of M[], which libpcap may give away to arithmetic that stands further left. */
static bool is_arithmetic(const char *text)
{
	return strpbrk(text, "=<>") != NULL;
}

static const struct filter_code *compiled(struct world *w, uint32_t primitive, uint32_t shift)
{
	const struct filter_compile_opts opts = { .dlt = w->link.dlt,
						  .live = w->link.live,
						  .no_optimize = w->unoptimized };
	const char *text = primitive < PRIMITIVES ? primitives[primitive] : shifts[primitive - PRIMITIVES];
	char expr[256], err[FILTER_ERR_LEN];

	if (w->cache[primitive][shift].state == UNTRIED) {
		if (shift)
			snprintf(expr, sizeof(expr), "(byte 0 & 0 and (%s)) or (%s)", shifts[shift], text);
		else
			snprintf(expr, sizeof(expr), "%s", text);
		w->cache[primitive][shift].state =
			filter_compile(expr, &opts, &w->cache[primitive][shift].code, err) ? REFUSED : GOOD;
	}
	return w->cache[primitive][shift].state == GOOD ? &w->cache[primitive][shift].code : NULL;
}

static void world_done(struct world *w)
{
	for (uint32_t i = 0; i < PRIMITIVES + SHIFTS; i++)
		for (uint32_t k = 0; k < SHIFTS; k++)
			filter_done(&w->cache[i][k].code);
	free(w);
}

/* --- expressions ------------------------------------------------------------------------------------------ */

enum node_kind { PRIMITIVE, TERM, LIST, AND, OR, NOT };

struct node {
	enum node_kind kind;
	uint32_t primitive, shift;
	const struct filter_code *code;
	enum term_kind term_kind; /* of LIST and its terms, too */
	enum term_end end;
	uint32_t value;
	uint32_t term; /* which one in the text */
	uint32_t l, r;
};

enum { NODES_MAX = 400, VALUES = 6 };

/* As typed, and what it means. */
static const char *const values[TERM_KINDS][VALUES][2] = {
	[TERM_PID] = { { "7", "7" },
		       { "1", "1" },
		       { "4194304", "4194304" },
		       { "'8'", "8" },
		       { "9@host", "9@host" },
		       { "10", "10" } },
	[TERM_PNAME] = { { "curl", "curl" },
			 { "\"Web Content\"", "Web Content" },
			 { "tcp", "tcp" },
			 { "'or'", "or" },
			 { "\"a\\\"(b)\\\\\\\\\"", "a\"(b)\\\\" },
			 { "*d", "*d" } },
	[TERM_UID] = { { "0", "0" },
		       { "www-data", "www-data" },
		       { "1000", "1000" },
		       { "\"x y\"", "x y" },
		       { "33", "33" },
		       { "port", "port" } },
	[TERM_EXE] = { { "/usr/bin/curl", "/usr/bin/curl" },
		       { "'/a b/c'", "/a b/c" },
		       { "/x*", "/x*" },
		       { "a-b", "a-b" },
		       { "0x9d1f4e00", "0x9d1f4e00" },
		       { "\\n", "\\n" } },
	[TERM_CMDLINE] = { { "'*--x=1 or y*'", "*--x=1 or y*" },
			   { "\"'\"", "'" },
			   { "-c", "-c" },
			   { "[a-z]", "[a-z]" },
			   { "\"\\*\"", "\\*" },
			   { "#", "#" } },
	[TERM_PARENT] = { { "sshd", "sshd" },
			  { "1", "1" },
			  { "host", "host" },
			  { "'&&'", "&&" },
			  { "a,b", "a,b" },
			  { "net", "net" } },
	[TERM_CONTAINER] = { { "web", "web" },
			     { "0123456789ab", "0123456789ab" },
			     { "web-*", "web-*" },
			     { "pid", "pid" },
			     { "'|'", "|" },
			     { "vlan", "vlan" } },
	[TERM_POD] = { { "api.prod", "api.prod" },
		       { "api", "api" },
		       { "\"pod\"", "pod" },
		       { "*.x", "*.x" },
		       { "a/b", "a/b" },
		       { "src", "src" } },
	[TERM_LABEL] = { { "a=b", "a=b" },
			 { "app", "app" },
			 { "\"a=b c\"", "a=b c" },
			 { "a.b/c=d", "a.b/c=d" },
			 { "a==", "a==" },
			 { "k='", NULL } },
	[TERM_NETNS] = { { "4026531840", "4026531840" },
			 { "container:web", "container:web" },
			 { "host", "host" },
			 { "\"!\"", "!" },
			 { "/proc/1/ns/net", "/proc/1/ns/net" },
			 { "x", "x" } },
};

struct expression {
	struct world *world;
	struct node nodes[NODES_MAX];
	uint32_t n, terms;
	uint32_t shift; /* of what comes next */
	bool last;	/* only terms may come: where headers vary, what moves offsets does so when it is run */
	struct buf text;
	const struct node *term[FILTER_TERMS_MAX];
	bool negative[FILTER_TERMS_MAX];
};

static uint32_t node(struct expression *x, struct node n)
{
	x->nodes[x->n] = n;
	return x->n++;
}

/* Of the kind and end of list, unless that is NULL. */
static uint32_t term(struct expression *x, const struct node *list)
{
	struct node n = { .kind = TERM, .term_kind = rnd(&corpus, TERM_KINDS), .end = rnd(&corpus, 4) };

	if (list) {
		n.term_kind = list->term_kind;
		n.end = list->end;
	}
	do
		n.value = rnd(&corpus, VALUES);
	while (n.term_kind != TERM_UNKNOWN && !values[n.term_kind][n.value][1]);
	return node(x, n);
}

/* A primitive that this link type has; a term when there is none. */
static uint32_t primitive(struct expression *x)
{
	const bool live = x->world->link.live;
	const uint32_t moves = live ? LIVE_SHIFTS : SHIFTS;

	for (int i = 0; i < 20 && !x->last; i++) {
		const uint32_t move = x->shift == 0 && rnd(&corpus, live ? 60 : 12) == 0 ? 1 + rnd(&corpus, moves - 1)
											 : 0;
		struct node n = { .kind = PRIMITIVE, .shift = x->shift };

		n.primitive = move ? PRIMITIVES + move : rnd(&corpus, PRIMITIVES);
		n.code = compiled(x->world, n.primitive, x->shift);
		if (!n.code || (computes_first(x->world) && !move && is_arithmetic(primitives[n.primitive])))
			continue;
		if (move) {
			x->shift = move;
			x->last = live || computes_first(x->world) || move == SHIFTS - 1; /* geneve */
		}
		return node(x, n);
	}
	return term(x, NULL);
}

/* In the order of the text. list: only values of it */
static uint32_t tree(struct expression *x, uint32_t size, const struct node *list)
{
	struct node n = { .kind = rnd(&corpus, 2) ? AND : OR };

	if (x->n + 20 > NODES_MAX)
		size = 1;
	if (size > 1 && rnd(&corpus, 5) == 0) {
		n.kind = NOT;
		n.l = tree(x, size - 1, list);
		return node(x, n);
	}
	if (size > 1) {
		const uint32_t left = 1 + rnd(&corpus, size - 1);

		n.l = tree(x, left, list);
		n.r = tree(x, size - left, list);
		return node(x, n);
	}
	if (list)
		return term(x, list);
	if (rnd(&corpus, 2))
		return primitive(x);
	if (rnd(&corpus, 4) == 0) {
		n = (struct node){ .kind = LIST, .term_kind = rnd(&corpus, TERM_UNKNOWN), .end = rnd(&corpus, 4) };
		n.l = tree(x, 1 + rnd(&corpus, 4), &n);
		return node(x, n);
	}
	return term(x, NULL);
}

static const char *pick(const char *const *texts, uint32_t n)
{
	return texts[rnd(&corpus, n)];
}

#define PICK_TEXT(...)                                                                                                 \
	pick((const char *const[]){ __VA_ARGS__ }, sizeof((const char *const[]){ __VA_ARGS__ }) / sizeof(char *))

static void put_words(struct buf *b, const struct node *n)
{
	if (n->end == TERM_SRC)
		buf_puts(b, "src ");
	if (n->end == TERM_DST)
		buf_puts(b, "dst ");
	if (n->end == TERM_BOTH)
		buf_puts(b, PICK_TEXT("src and dst ", "dst and src ", "src && dst "));
	if (n->end == TERM_EITHER)
		buf_puts(b, PICK_TEXT("", "", "src or dst ", "dst||src "));
	buf_puts(b, filter_term_word(n->term_kind));
}

static void write_node(struct expression *x, uint32_t i, bool negative, bool in_list);

static void write_between(struct expression *x, uint32_t i, bool negative, bool in_list, bool parentheses)
{
	buf_puts(&x->text, parentheses ? PICK_TEXT("(", "( ") : "");
	write_node(x, i, negative, in_list);
	buf_puts(&x->text, parentheses ? PICK_TEXT(")", " )") : "");
}

static bool binary(const struct node *n)
{
	return n->kind == AND || n->kind == OR;
}

static void write_term(struct expression *x, struct node *n, bool negative, bool in_list)
{
	x->negative[x->terms] = negative;
	x->term[x->terms] = n;
	n->term = x->terms++;
	if (!in_list)
		put_words(&x->text, n);
	if (n->term_kind == TERM_UNKNOWN)
		return;
	buf_puts(&x->text, in_list ? "" : PICK_TEXT(" ", "\t", "  "));
	buf_puts(&x->text, values[n->term_kind][n->value][0]);
}

static void write_node(struct expression *x, uint32_t i, bool negative, bool in_list)
{
	struct node *n = &x->nodes[i];

	switch (n->kind) {
	case PRIMITIVE:
		buf_puts(&x->text,
			 n->primitive < PRIMITIVES ? primitives[n->primitive] : shifts[n->primitive - PRIMITIVES]);
		break;
	case TERM: write_term(x, n, negative, in_list); break;
	case LIST:
		put_words(&x->text, n);
		buf_puts(&x->text, PICK_TEXT("", " "));
		write_between(x, n->l, negative, true, true);
		break;
	case NOT:
		buf_puts(&x->text, PICK_TEXT("not ", "! ", "!"));
		write_between(x, n->l, !negative, in_list, binary(&x->nodes[n->l]));
		break;
	case AND:
	case OR:
		/* Both bind alike, from the left. */
		write_between(x, n->l, negative, in_list, binary(&x->nodes[n->l]) && rnd(&corpus, 2));
		buf_puts(&x->text, n->kind == AND ? PICK_TEXT(" and ", " && ") : PICK_TEXT(" or ", " || "));
		write_between(x, n->r, negative, in_list, binary(&x->nodes[n->r]));
	}
}

/* --- verdicts --------------------------------------------------------------------------------------------- */

struct packet {
	uint8_t data[PACKET_MAX + 32];
	uint32_t caplen, len;
	struct filter_meta meta;
};

/* DEAD: a load beyond the packet, which ends a filter, whatever it might match by something else. */
enum verdict { NO, YES, DEAD };

static bool match(const struct filter_code *code, const struct packet *p, const struct filter_truth *truth)
{
	/* Exactly as long as it says, so that ASan sees what is read beyond. */
	uint8_t *data = malloc(p->caplen + 1);
	bool yes;

	memcpy(data + 1, p->data, p->caplen);
	yes = filter_match_live(code, data + 1, p->caplen, p->len, &p->meta, truth);
	free(data);
	return yes;
}

static enum verdict verdict_of(const struct filter_code *code, const struct packet *p, const struct filter_truth *truth)
{
	struct filter_code lenient = *code;

	lenient.lenient = true;
	return match(code, p, truth) ? YES : match(&lenient, p, truth) ? DEAD : NO;
}

static enum verdict walk(const struct expression *x, uint32_t i, const struct packet *p,
			 const struct filter_truth *truth)
{
	const struct node *n = &x->nodes[i];
	enum verdict v;

	switch (n->kind) {
	case PRIMITIVE: return verdict_of(n->code, p, NULL);
	case TERM: return truth->bits[n->term / 64] >> n->term % 64 & 1 ? YES : NO;
	case LIST: return walk(x, n->l, p, truth);
	case NOT: v = walk(x, n->l, p, truth); return v == DEAD ? DEAD : v == YES ? NO : YES;
	default: v = walk(x, n->l, p, truth); return v == (n->kind == AND ? YES : NO) ? walk(x, n->r, p, truth) : v;
	}
}

static enum verdict walk_all(const struct expression *x, uint32_t root, const struct packet *p,
			     const struct filter_truth *truth)
{
	for (uint32_t i = 0; computes_first(x->world) && i < x->n; i++)
		if (x->nodes[i].kind == PRIMITIVE && verdict_of(x->nodes[i].code, p, NULL) == DEAD)
			return DEAD;
	return walk(x, root, p, truth);
}

/* The generated packets are Ethernet's. */
static void rewrap(struct packet *p, int dlt, const struct sample *from)
{
	const bool v6 = from->data[12] == 0x86;
	const uint8_t *type = from->data + 12;
	uint32_t head = 0;

	memset(p, 0, sizeof(*p));
	switch (dlt) {
	case 12:
	case 228:
	case 229: break;
	case 0: head = 4, p->data[0] = v6 ? 10 : 2; break;
	case 108: head = 4, p->data[3] = v6 ? 24 : 2; break;
	case 9: head = 4, memcpy(p->data, v6 ? "\xff\3\0\x57" : "\xff\3\0\x21", 4); break;
	case 113: head = 16, p->data[5] = 6, memcpy(p->data + 14, type, 2); break;
	case 276: head = 20, memcpy(p->data, type, 2); break;
	default: head = 14; memcpy(p->data, from->data, 14);
	}
	memcpy(p->data + head, from->data + 14, from->len - 14);
	p->len = p->caplen = head + from->len - 14;
}

static void random_packet(struct packet *p, const struct link *link)
{
	static const uint8_t types[] = { PACKET_HOST, PACKET_BROADCAST, PACKET_OTHERHOST, PACKET_OUTGOING };

	rewrap(p, link->dlt, &corpus.v[rnd(&corpus, corpus.n)]);
	if (rnd(&corpus, 8) == 0)
		p->caplen = rnd(&corpus, p->len + 1);
	p->meta = (struct filter_meta){ .ifindex = 1 + rnd(&corpus, 2), .pkt_type = types[rnd(&corpus, 4)] };
	if (link->live && rnd(&corpus, 2)) {
		p->meta.vlan_present = true;
		p->meta.vlan_proto = 0x8100;
		p->meta.vlan_tci = (uint16_t)PICK(&corpus, 10, 100, 0x200a, 0);
	}
}

static void random_truth(struct filter_truth *t)
{
	for (size_t i = 0; i < sizeof(t->bits) / sizeof(t->bits[0]); i++) {
		t->bits[i] = (uint64_t)rnd(&corpus, UINT32_MAX) << 32 | rnd(&corpus, UINT32_MAX);
		if (rnd(&corpus, 3) == 0) /* few */
			t->bits[i] &= (uint64_t)rnd(&corpus, UINT32_MAX) << 32 | rnd(&corpus, UINT32_MAX);
	}
}

/* --- comparison ------------------------------------------------------------------------------------------- */

static struct {
	uint32_t expressions, refused, of_libpcap, weak_lenient, runs, matches, weak_matches, dead, needless;
} count;

/* Expressions can be longer than check_why. */
#define WRONG(...)                                                                                                     \
	do {                                                                                                           \
		if (!check_why[0]) {                                                                                   \
			fprintf(stderr, __VA_ARGS__);                                                                  \
			fprintf(stderr, "\n");                                                                         \
			snprintf(check_why, sizeof(check_why), __VA_ARGS__);                                           \
		}                                                                                                      \
	} while (0)

static void check_terms(const struct expression *x, const struct filter_expr *e)
{
	if (e->n != x->terms)
		WRONG("'%s' has %u terms, not %u", x->text.p, e->n, x->terms);
	for (uint32_t i = 0; i < e->n && !check_why[0]; i++) {
		const struct node *n = x->term[i];
		const char *value = n->term_kind == TERM_UNKNOWN ? "" : values[n->term_kind][n->value][1];

		if (e->terms[i].kind != n->term_kind || e->terms[i].end != n->end ||
		    strcmp(e->terms[i].value, value) != 0 || e->terms[i].negative != x->negative[i])
			WRONG("'%s': term %u is of kind %d and end %d, '%s', negative %d", x->text.p, i,
			      e->terms[i].kind, e->terms[i].end, e->terms[i].value, e->terms[i].negative);
	}
}

/* Where a packet has bytes that stand for terms: BYTES each, since headers add to the offset. */
enum { BYTES_AT = 4096, BYTES = 64 };

/* Whether libpcap's optimizer goes wrong on the expression as well when it has tests of the packet instead of terms. It does
 * so for "tcp port 80 or (ip or ether[100] = 1) or ip6", up to 1.10.5 at least. */
static bool libpcap_errs(const struct expression *x, const struct filter_expr *e, const struct packet *p,
			 const struct filter_truth *truth, bool want)
{
	const struct filter_compile_opts opts = { .dlt = x->world->link.dlt, .live = x->world->link.live };
	const uint32_t caplen = BYTES_AT + FILTER_TERMS_MAX * BYTES;
	uint8_t *data = calloc(caplen, 1);
	char *text = strdup(e->exact), *at = text, err[FILTER_ERR_LEN], number[16];
	struct filter_code code = { 0 };
	bool errs = false;

	memcpy(data, p->data, p->len);
	for (uint32_t i = 0; i < e->n; i++) {
		at = strstr(at, "byte 0x") + strlen("byte ");
		snprintf(number, sizeof(number), "0x%08x", BYTES_AT + i * BYTES);
		memcpy(at, number, 10);
		memset(data + BYTES_AT + i * BYTES, truth->bits[i / 64] >> i % 64 & 1, BYTES);
	}
	if (!filter_compile(text, &opts, &code, err))
		errs = filter_match_live(&code, data, caplen, p->len, &p->meta, NULL) != want;
	filter_done(&code);
	free(data);
	free(text);
	return errs;
}

/* Everything that an owner could make match: what weak may match, too. */
static struct filter_truth best_truth(const struct filter_expr *e)
{
	struct filter_truth t = { 0 };

	for (uint32_t i = 0; i < e->n; i++)
		if (!e->terms[i].negative)
			t.bits[i / 64] |= UINT64_C(1) << i % 64;
	return t;
}

/* The optimizer exchanges tests, and drops some: so it comes to other loads, which may fail, than a walk does. */
static bool explained(const struct expression *x, const struct filter_expr *e, const struct filter_code *exact,
		      const struct packet *p, const struct filter_truth *truth, enum verdict want)
{
	if (x->world->unoptimized)
		return want == DEAD && computes_first(x->world);
	if (want == DEAD || (want == YES && verdict_of(exact, p, truth) == DEAD))
		return true;
	if (!libpcap_errs(x, e, p, truth, want == YES))
		return false;
	count.of_libpcap++;
	return true;
}

static void compare_run(const struct expression *x, uint32_t root, const struct filter_expr *e,
			const struct filter_code *exact, const struct filter_code *weak, const struct packet *p,
			const struct filter_truth *truth)
{
	const enum verdict want = walk_all(x, root, p, truth);
	const bool got = match(exact, p, truth), weakly = match(weak, p, NULL);

	count.runs++;
	count.matches += got;
	count.weak_matches += weakly;
	count.dead += want == DEAD;
	if (got != (want == YES) && !explained(x, e, exact, p, truth, want))
		WRONG("'%s' gives %d, not %d, on link type %d", x->text.p, got, want, x->world->link.dlt);
	if (got && !weakly)
		WRONG("'%s' matches, but not its weak form, on link type %d", x->text.p, x->world->link.dlt);
}

static void compare_packets(const struct expression *x, uint32_t root, const struct filter_expr *e,
			    const struct filter_code *exact, const struct filter_code *weak)
{
	const struct filter_truth best = best_truth(e);

	for (int i = 0; i < 8 && !check_why[0]; i++) {
		struct packet p;
		struct filter_truth truth;

		random_packet(&p, &x->world->link);
		for (int k = 0; k < 3; k++) {
			random_truth(&truth);
			compare_run(x, root, e, exact, weak, &p, &truth);
		}
		compare_run(x, root, e, exact, weak, &p, &best);
		if (match(weak, &p, NULL) == match(exact, &p, &best))
			continue;
		count.needless++;
		if (verdict_of(exact, &p, &best) != DEAD)
			WRONG("'%s', weak, matches needlessly on link type %d", x->text.p, x->world->link.dlt);
	}
}

/* libpcap has seen that it can never match. */
static void compare_refused(const struct expression *x, uint32_t root, const char *err)
{
	count.refused++;
	if (!strstr(err, "rejects all"))
		WRONG("'%s' on link type %d: %s", x->text.p, x->world->link.dlt, err);
	for (int i = 0; i < 20; i++) {
		struct packet p;
		struct filter_truth truth;

		random_packet(&p, &x->world->link);
		random_truth(&truth);
		if (walk(x, root, &p, &truth) == YES)
			WRONG("'%s' is refused on link type %d", x->text.p, x->world->link.dlt);
	}
}

static void compare_text(const struct expression *x, uint32_t root)
{
	struct filter_compile_opts opts = { .dlt = x->world->link.dlt,
					    .live = x->world->link.live,
					    .no_optimize = x->world->unoptimized };
	struct filter_code exact = { 0 }, weak = { 0 };
	struct filter_expr *e;
	char err[FILTER_ERR_LEN] = "";
	int rc;

	if (filter_expr_new(&e, x->text.p, err)) {
		WRONG("'%s': %s", x->text.p, err);
		return;
	}
	check_terms(x, e);
	opts.expr = e;
	rc = filter_compile(e->exact, &opts, &exact, err);
	if (rc)
		compare_refused(x, root, err);
	else if (filter_weaken(&exact, NULL, &weak))
		WRONG("'%s' on link type %d has no weak form", x->text.p, opts.dlt);
	else
		compare_packets(x, root, e, &exact, &weak);
	count.expressions++;
	count.weak_lenient += weak.lenient;
	filter_done(&exact);
	filter_done(&weak);
	filter_expr_free(e);
}

static void compare(struct world *w)
{
	struct expression *x = calloc(1, sizeof(*x));
	uint32_t root;

	x->world = w;
	root = tree(x, 1 + rnd(&corpus, rnd(&corpus, 10) ? 12 : 60), NULL);
	write_node(x, root, false, false);
	buf_putc(&x->text, '\0');
	compare_text(x, root);
	buf_done(&x->text);
	free(x);
}

static bool can_live(void)
{
	const struct filter_compile_opts opts = { .dlt = 1, .live = true };
	struct filter_code code;
	char err[FILTER_ERR_LEN];

	if (filter_compile("vlan and ip", &opts, &code, err))
		return false;
	filter_done(&code);
	return true;
}

static void compare_link(uint32_t i, bool unoptimized, uint32_t expressions)
{
	struct world *w = calloc(1, sizeof(*w));

	w->link = links[i];
	w->unoptimized = unoptimized;
	while (expressions-- && !check_why[0])
		compare(w);
	world_done(w);
}

static void compare_links(bool live)
{
	const uint32_t nlinks = sizeof(links) / sizeof(links[0]);
	const uint32_t each = getenv("FILTER_TEST_LONG") ? 100000 / (2 * nlinks) + 1 : 60;

	for (uint32_t i = 0; i < nlinks && !check_why[0]; i++) {
		if (links[i].live != live)
			continue;
		/* Half of all for Ethernet. */
		compare_link(i, false, i == 0 ? nlinks * each : each);
		compare_link(i, true, each / 4);
	}
	fprintf(stderr,
		"%u expressions, %u of them never true, %u lenient; %u runs, %u match, %u weakly, %u cut short; "
		"%u needless; %u errors of libpcap's\n",
		count.expressions, count.refused, count.weak_lenient, count.runs, count.matches, count.weak_matches,
		count.dead, count.needless, count.of_libpcap);
}

static void test_verdicts(void)
{
	compare_links(false);
	if (check_why[0])
		return;
	CHECK(count.runs > 20000);
	CHECK(count.matches > count.runs / 5 && count.matches < count.runs / 5 * 4);
	CHECK(count.weak_matches < count.runs / 10 * 9);
	CHECK(count.weak_lenient < count.expressions / 4 * 3);
	CHECK(count.of_libpcap < count.runs / 1000);
	CHECK(count.dead < count.runs / 4);
	CHECK(count.refused < count.expressions / 10);
}

/* Tags in metadata, direction and interface. */
static void test_live_verdicts(void)
{
	if (!can_live())
		CHECK_SKIP("needs CAP_NET_RAW");
	compare_links(true);
}

/* --- weak forms ------------------------------------------------------------------------------------------- */

static int compile_both(const char *text, int dlt, struct filter_expr **e, struct filter_code *exact,
			struct filter_code *weak, char err[FILTER_ERR_LEN])
{
	struct filter_compile_opts opts = { .dlt = dlt };
	int rc = filter_expr_new(e, text, err);

	if (rc)
		return rc;
	opts.expr = *e;
	rc = filter_compile((*e)->exact, &opts, exact, err);
	if (rc) {
		filter_expr_free(*e);
		return rc;
	}
	return filter_weaken(exact, NULL, weak);
}

static void weak_is(const char *text, const char *plain, int dlt)
{
	const struct filter_compile_opts opts = { .dlt = dlt };
	struct filter_expr *e;
	struct filter_code exact, weak, want;
	char err[FILTER_ERR_LEN] = "";

	if (compile_both(text, dlt, &e, &exact, &weak, err))
		CHECK_FAIL("'%s' on link type %d: %s", text, dlt, err);
	if (filter_compile(plain, &opts, &want, err))
		CHECK_FAIL("'%s': %s", plain, err);
	if (weak.n != want.n || memcmp(weak.insns, want.insns, want.n * sizeof(*want.insns)) != 0)
		CHECK_FAIL("the weak form of '%s' on link type %d is not '%s'", text, dlt, plain);
	if (filter_is_open(&want) != filter_is_open(&weak))
		CHECK_FAIL("'%s' is open: %d", text, filter_is_open(&weak));
	if (weak.lenient || weak.expr)
		CHECK_FAIL("'%s' is lenient", text);
	filter_done(&exact);
	filter_done(&weak);
	filter_done(&want);
	filter_expr_free(e);
}

/* What the kernel gets in front of the owner is what it gets without terms, where these are only narrower. */
static void test_weak_code(void)
{
	static const struct {
		const char *text, *plain;
	} forms[] = {
		{ "tcp", "tcp" },
		{ "not pname sshd", "" },
		{ "pid 7 or port 80", "" },
		{ "not (pid 7 and port 80)", "" },
		{ "port 53 and pid 7", "port 53" },
		{ "pid 7 and port 53", "port 53" },
		{ "tcp and not pname sshd", "tcp" },
		{ "port 53 and not (pname a or pid (7 or 8))", "port 53" },
		{ "src pid 1 or (dst uid www and tcp port (80 or 443))", "" },
		{ "tcp[40:4] = 0x47455420 and pid 7", "tcp[40:4] = 0x47455420" },
		{ "pid 7 and tcp[((tcp[12:1] & 0xf0) >> 2):4] = 1", "tcp[((tcp[12:1] & 0xf0) >> 2):4] = 1" },
		{ "greater 100 and pid 7", "greater 100" },
		{ "pid 7 and greater 100 and less 200", "greater 100 and less 200" },
	};
	/* Ethernet, raw IP, Linux cooked 2 */
	static const int dlts[] = { 1, 12, 276 };

	for (size_t i = 0; i < sizeof(forms) / sizeof(forms[0]); i++)
		for (size_t k = 0; k < 3 && !check_why[0]; k++)
			weak_is(forms[i].text, forms[i].plain, dlts[k]);
}

/* Jumps that are too long for conditional ones; hundreds of tests that are of no use. */
static void test_long(void)
{
	const struct filter_compile_opts opts = { .dlt = 1 };
	struct filter_expr *e;
	struct filter_code exact, weak, want;
	struct buf hosts = { 0 }, text = { 0 };
	char err[FILTER_ERR_LEN] = "";

	for (int i = 0; i < 300; i++)
		buf_printf(&hosts, "%shost 10.%d.0.%d", i ? " or " : "", i % 7, i % 250);
	buf_putc(&hosts, '\0');
	buf_printf(&text, "not pid 1 and (%s) and (pid 2 or %s) and not (pid 3 and (%s))%c", hosts.p, hosts.p, hosts.p,
		   0);
	if (compile_both(text.p, 1, &e, &exact, &weak, err) || filter_compile(hosts.p, &opts, &want, err))
		CHECK_FAIL("%s", err);
	CHECK(exact.n > 600);
	CHECK(weak.n < exact.n);
	for (uint32_t i = 0; i < corpus.n; i += 3) {
		const struct sample *p = &corpus.v[i];

		CHECK_INT(filter_match(&weak, p->data, p->len, p->len, NULL),
			  filter_match(&want, p->data, p->len, p->len, NULL));
	}
	filter_done(&exact);
	filter_done(&weak);
	filter_done(&want);
	filter_expr_free(e);
	buf_done(&hosts);
	buf_done(&text);
}

/* A packet of another, too short for one test, may match by what comes behind. */
static void test_lenient(void)
{
	static const struct {
		const char *text;
		bool lenient;
	} exprs[] = {
		{ "(pid 7 and ip[60] = 1) or udp", true },
		{ "(pid 7 and port 53) or (pid 8 and port 80)", true },
		{ "((pid 7 and tcp) or pid 8) and udp", true },
		{ "not (pid 7 or ip[60] = 1) or udp", true },
		{ "not ((pid 7 or ip[60] = 1) and udp)", true },
		{ "(port 53 and pid 7) or (port 80 and pid 8)", false },
		{ "(pid 7 or (pid 8 and port 80)) and port 53", true },
		{ "pid 7 and (ip[60] = 1 or greater 50)", false },
		{ "not (pid 7 and ip[60] = 1) or udp", false },
	};

	for (size_t i = 0; i < sizeof(exprs) / sizeof(exprs[0]) && !check_why[0]; i++) {
		struct filter_expr *e;
		struct filter_code exact, weak;
		char err[FILTER_ERR_LEN] = "";

		if (compile_both(exprs[i].text, 1, &e, &exact, &weak, err))
			CHECK_FAIL("%s: %s", exprs[i].text, err);
		if (weak.lenient != exprs[i].lenient)
			CHECK_FAIL("%s: %d", exprs[i].text, weak.lenient);
		filter_done(&exact);
		filter_done(&weak);
		filter_expr_free(e);
	}
}

int main(void)
{
	if (getenv("FILTER_TEST_SEED"))
		corpus.seed ^= strtoull(getenv("FILTER_TEST_SEED"), NULL, 0) * 0x2545f4914f6cdd1du;
	samples_generate(&corpus, 3000);
	samples_mutate(&corpus, 1000);
	RUN(test_weak_code);
	RUN(test_lenient);
	RUN(test_long);
	RUN(test_verdicts);
	RUN(test_live_verdicts);
	samples_done(&corpus);
	return check_status();
}
