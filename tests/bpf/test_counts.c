/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel counts against what src/headers.c finds in the same packets; full tables; and retransmissions. */
#include <arpa/inet.h>
#include <bpf/bpf.h>
#include <bpf/libbpf.h>
#include <netinet/in.h>
#include <pcap/dlt.h>
#include <ptcpdump/config.h>
#include <sys/mman.h>
#include <unistd.h>

#include "capture/count_packet.h"
#include "check.h"
#include "count_host.skel.h"
#include "packets.h"

enum { FIN = 1, SYN = 2, RST = 4, ACK = 16, SEQS = 1024, MANY = 4096, FLOWS_MAX = 4096 };

struct table {
	struct count_host *host;
	struct count_slot *slots;
	size_t n, mapped;
	uint32_t per_cpu, ncpus;
};

/* Everything that is counted, as samples; others are in others. */
struct found {
	struct flows_sample v[FLOWS_MAX];
	size_t n;
	struct flows_sample others;
};

static int table_open(struct table *t, uint32_t slots)
{
	const size_t page = (size_t)sysconf(_SC_PAGESIZE);
	struct count_host *host = count_host__open();
	uint32_t ncpus = (uint32_t)libbpf_num_possible_cpus();
	int err;

	*t = (struct table){ .host = host, .per_cpu = COUNT_FRONT + slots, .ncpus = ncpus };
	if (!host)
		return -ENOENT;
	t->n = (size_t)COUNT_HALVES * ncpus * t->per_cpu;
	host->rodata->counting = 1;
	host->rodata->attrib_off = 1;
	host->rodata->count_slots = slots;
	host->rodata->count_cpus = ncpus;
	host->rodata->count_seqs = SEQS;
	bpf_map__set_max_entries(host->maps.ptcp_counts, (uint32_t)t->n);
	bpf_map__set_max_entries(host->maps.ptcp_seqs, SEQS);
	bpf_map__set_max_entries(host->maps.ptcp_scratch, ncpus);
	bpf_map__set_value_size(host->maps.ptcp_scratch, sizeof(struct event_packet) + COUNT_WORK_MAX);
	err = count_host__load(host);
	if (err)
		return err;
	t->mapped = (t->n * sizeof(struct count_slot) + page - 1) / page * page;
	t->slots = mmap(NULL, t->mapped, PROT_READ | PROT_WRITE, MAP_SHARED, bpf_map__fd(host->maps.ptcp_counts), 0);
	return t->slots == MAP_FAILED ? -errno : 0;
}

static void table_close(struct table *t)
{
	munmap(t->slots, t->mapped);
	count_host__destroy(t->host);
}

static void half_set(const struct table *t, uint32_t half)
{
	const uint32_t zero = 0;
	const struct capture_control control = { .count_half = half };

	bpf_map_update_elem(bpf_map__fd(t->host->maps.ptcp_control), &zero, &control, BPF_ANY);
}

/* What the program returns. */
static int count(const struct table *t, const uint8_t *data, uint32_t len)
{
	LIBBPF_OPTS(bpf_test_run_opts, opts, .data_in = data, .data_size_in = len, .repeat = 1);

	if (bpf_prog_test_run_opts(bpf_program__fd(t->host->progs.host_count), &opts))
		return -errno;
	return (int)opts.retval;
}

static void sample_merge(struct flows_sample *to, const struct flows_sample *s)
{
	to->packets += s->packets;
	to->bytes += s->bytes;
	to->tcp_flags |= s->tcp_flags;
	to->syns += s->syns;
	to->resets += s->resets;
	to->fins += s->fins;
	to->retransmits += s->retransmits;
}

static void found_add(struct found *f, const struct flows_sample *s)
{
	if (s->others) {
		sample_merge(&f->others, s);
		return;
	}
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].dir == s->dir && memcmp(&f->v[i].tuple, &s->tuple, sizeof(s->tuple)) == 0) {
			sample_merge(&f->v[i], s);
			return;
		}
	}
	if (f->n < FLOWS_MAX)
		f->v[f->n++] = *s;
}

static void table_read(const struct table *t, struct found *f)
{
	for (size_t i = 0; i < t->n; i++) {
		if (i % t->per_cpu && t->slots[i].packets) {
			const struct flows_sample s = count_sample(&t->slots[i], 0);

			found_add(f, &s);
		}
	}
}

static uint64_t packets_of(const struct found *f)
{
	uint64_t n = f->others.packets;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].packets;
	return n;
}

static uint64_t bytes_of(const struct found *f)
{
	uint64_t n = f->others.bytes;

	for (size_t i = 0; i < f->n; i++)
		n += f->v[i].bytes;
	return n;
}

static void put_be(uint8_t *to, uint32_t value, int bytes)
{
	while (bytes--)
		*to++ = (uint8_t)(value >> 8 * bytes);
}

struct tcp {
	uint16_t port;
	uint32_t seq, len;
	uint8_t flags;
};

/* An Ethernet frame of at least 60 bytes. Returns its length. */
static uint32_t frame_tcp(uint8_t *p, const struct tcp *tcp, bool v6)
{
	const uint32_t network = v6 ? 40 : 20, len = 14 + network + 20 + tcp->len;
	uint8_t *ip = p + 14, *t = ip + network;

	memset(p, 0, len < 60 ? 60 : len);
	put_be(p + 12, v6 ? 0x86dd : 0x800, 2);
	if (v6) {
		ip[0] = 0x60;
		put_be(ip + 4, 20 + tcp->len, 2);
		ip[6] = IPPROTO_TCP;
		ip[23] = 1;
		ip[39] = 2;
	} else {
		ip[0] = 0x45;
		put_be(ip + 2, len - 14, 2);
		ip[9] = IPPROTO_TCP;
		put_be(ip + 12, 0x0a000001, 4);
		put_be(ip + 16, 0x0a000002, 4);
	}
	put_be(t, tcp->port, 2);
	put_be(t + 2, 80, 2);
	put_be(t + 4, tcp->seq, 4);
	t[12] = 5 << 4;
	t[13] = tcp->flags;
	return len < 60 ? 60 : len;
}

/* A well-formed packet of one of some hundred flows. */
static uint32_t frame_random(uint8_t *p, struct samples *s)
{
	const struct tcp tcp = {
		.port = (uint16_t)(1 + rnd(s, 50)),
		.seq = rnd(s, 1 << 30),
		.len = rnd(s, 3) ? rnd(s, 1000) : 0,
		.flags = (uint8_t)PICK(s, SYN, SYN | ACK, ACK, ACK | FIN, RST),
	};
	const bool v6 = rnd(s, 2);
	const uint32_t len = frame_tcp(p, &tcp, v6);
	uint8_t *ip = p + 14;

	ip[v6 ? 23 : 15] = (uint8_t)rnd(s, 3);
	if (rnd(s, 2))
		ip[v6 ? 6 : 9] = (uint8_t)PICK(s, IPPROTO_UDP, IPPROTO_SCTP, v6 ? IPPROTO_ICMPV6 : IPPROTO_ICMP, 47);
	if (!v6 && !rnd(s, 8))
		put_be(ip + 6, PICK(s, 0x2000, 0x2010, 0x0020), 2);
	if (!rnd(s, 12)) {
		memmove(p + 16, p + 12, len - 12);
		put_be(p + 12, 0x81000005, 4);
		return len + 4;
	}
	if (!rnd(s, 12))
		put_be(p + 12, PICK(s, 0x806, 0x88cc), 2);
	return len;
}

static struct flows_sample expected(const uint8_t *data, uint32_t len, bool egress)
{
	const struct iface iface = { .dlt = DLT_EN10MB };
	const struct packet packet = { .data = data, .len = len, .caplen = len, .iface = &iface };
	struct headers h;

	headers_parse(&h, &packet);
	return (struct flows_sample){
		.dir = egress ? DIR_OUT : DIR_IN,
		.tuple = h.tuple,
		.packets = 1,
		.bytes = len,
		.tcp_flags = h.tcp_flags,
		.syns = (h.tcp_flags & (SYN | ACK)) == SYN,
		.resets = (h.tcp_flags & RST) != 0,
		.fins = (h.tcp_flags & FIN) != 0,
	};
}

static const struct flows_sample *find(const struct found *f, const struct flows_sample *s)
{
	for (size_t i = 0; i < f->n; i++) {
		if (f->v[i].dir == s->dir && memcmp(&f->v[i].tuple, &s->tuple, sizeof(s->tuple)) == 0)
			return &f->v[i];
	}
	return NULL;
}

static void compare(const struct found *got, const struct found *want)
{
	CHECK_INT(got->others.packets, 0);
	CHECK_INT(got->n, want->n);
	for (size_t i = 0; i < want->n; i++) {
		const struct flows_sample *w = &want->v[i], *g = find(got, w);

		if (!g)
			CHECK_FAIL("family %u protocol %u port %u is missing", w->tuple.family, w->tuple.proto,
				   w->tuple.sport);
		CHECK_INT(g->packets, w->packets);
		CHECK_INT(g->bytes, w->bytes);
		CHECK_INT(g->tcp_flags, w->tcp_flags);
		CHECK_INT(g->syns, w->syns);
		CHECK_INT(g->resets, w->resets);
		CHECK_INT(g->fins, w->fins);
	}
}

/* In both halves, and from any CPU. */
static void test_packets(void)
{
	static struct found got, want;
	struct samples s = { .seed = 42 };
	uint8_t frame[2048];
	struct table t;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	CHECK_INT(table_open(&t, MANY), 0);
	for (int i = 0; i < 6000; i++) {
		const uint32_t len = frame_random(frame, &s);
		const bool egress = rnd(&s, 2);
		const struct flows_sample w = expected(frame, len, egress);

		if (i == 3000)
			half_set(&t, 1);
		t.host->bss->egress = egress;
		found_add(&want, &w);
		CHECK_INT(count(&t, frame, len), 0);
	}
	table_read(&t, &got);
	compare(&got, &want);
	table_close(&t);
}

/* Of whatever comes, none is lost, though some are said to be of others. */
static void check_sum(uint32_t slots, bool others)
{
	static struct found got;
	struct samples s = { .seed = 7 };
	uint64_t packets = 0, bytes = 0;
	struct table t;

	memset(&got, 0, sizeof(got));
	samples_generate(&s, 2000);
	samples_mutate(&s, 2000);
	CHECK_INT(table_open(&t, slots), 0);
	for (uint32_t i = 0; i < s.n; i++) {
		const int err = count(&t, s.v[i].data, s.v[i].len);

		/* Some packets the kernel refuses to run a program with. */
		if (err == -EINVAL)
			continue;
		CHECK_INT(err, 0);
		packets++;
		bytes += s.v[i].len;
	}
	table_read(&t, &got);
	CHECK(packets > s.n / 2);
	CHECK_INT(packets_of(&got), packets);
	CHECK_INT(bytes_of(&got), bytes);
	CHECK_INT(got.others.packets > 0, others);
	table_close(&t);
	samples_done(&s);
}

static void test_sum(void)
{
	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	check_sum(MANY * 4, false);
}

static void test_full(void)
{
	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	check_sum(16, true);
}

/* Owners keep flows apart; a cookie only while it may tell another one. */
static void test_owners(void)
{
	static struct found got;
	const struct tcp tcp = { .port = 1, .flags = ACK };
	uint8_t frame[128];
	struct table t;
	const uint32_t len = frame_tcp(frame, &tcp, false);
	size_t used = 0;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	CHECK_INT(table_open(&t, MANY), 0);
	for (uint32_t i = 0; i < 40; i++) {
		t.host->bss->src.tgid = i & 1;
		t.host->bss->src.tid = i;
		t.host->bss->src.flags = i & 2 ? OWNER_F_PROVISIONAL : 0;
		t.host->bss->src.cookie = i & 4;
		CHECK_INT(count(&t, frame, len), 0);
	}
	for (size_t i = 0; i < t.n; i++)
		used += i % t.per_cpu && t.slots[i].packets;
	table_read(&t, &got);
	CHECK_INT(packets_of(&got), 40);
	/* Each CPU that the test ran on has its own. */
	CHECK(used >= 6 && used <= 6 * t.ncpus);
	table_close(&t);
}

struct step {
	struct tcp tcp;
	uint32_t again; /* retransmissions from the beginning on */
};

static void check_steps(const struct step *steps, size_t n, bool v6)
{
	static struct found got;
	uint8_t frame[2048];
	struct table t;

	CHECK_INT(table_open(&t, MANY), 0);
	for (size_t i = 0; i < n; i++) {
		memset(&got, 0, sizeof(got));
		CHECK_INT(count(&t, frame, frame_tcp(frame, &steps[i].tcp, v6)), 0);
		table_read(&t, &got);
		if (got.v[0].retransmits != steps[i].again)
			CHECK_FAIL("step %zu: %u, not %u", i, got.v[0].retransmits, steps[i].again);
	}
	table_close(&t);
}

static void test_retransmits(void)
{
	static const struct step steps[] = {
		{ { 5, 1000, 0, SYN }, 0 },	     { { 5, 1000, 0, SYN }, 1 },
		{ { 5, 1001, 0, ACK }, 1 },	     { { 5, 1001, 0, ACK }, 1 }, /* takes no number */
		{ { 5, 1001, 500, ACK }, 1 },	     { { 5, 1501, 500, ACK }, 1 },
		{ { 5, 1001, 500, ACK }, 2 }, /* lost before the one that came last */
		{ { 5, 1501, 500, ACK }, 3 },	     { { 5, 1501, 700, ACK }, 4 }, /* some of it is new */
		{ { 5, 2200, 1, ACK }, 4 },					   /* whether the peer is alive */
		{ { 5, 2201, 0, ACK | FIN }, 4 },    { { 5, 2201, 0, ACK | FIN }, 5 },
		{ { 5, 900, 0, SYN }, 5 }, /* another connection, whose numbers are behind */
		{ { 5, 901, 100, ACK }, 5 },	     { { 5, 0xffffff00, 0, SYN }, 5 },
		{ { 5, 0xffffff01, 1000, ACK }, 5 }, /* past the end of the numbers */
		{ { 5, 0xffffff01, 1000, ACK }, 6 }, { { 5, 745, 10, ACK }, 6 },
	};

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	check_steps(steps, sizeof(steps) / sizeof(steps[0]), false);
	if (!check_why[0])
		check_steps(steps, sizeof(steps) / sizeof(steps[0]), true);
}

/* What stands for counted packets where single ones are asked about: src/capture/owners.c and nat.c. */
static void test_headers(void)
{
	struct samples s = { .seed = 3 };
	uint8_t frame[2048], headers[COUNT_HEADERS_MAX];
	struct table t;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	CHECK_INT(table_open(&t, MANY), 0);
	for (int i = 0; i < 2000; i++)
		CHECK_INT(count(&t, frame, frame_random(frame, &s)), 0);
	for (size_t i = 0; i < t.n; i++) {
		if (i % t.per_cpu && t.slots[i].packets && t.slots[i].key.protocol != 0x8100) {
			const struct flows_sample want = count_sample(&t.slots[i], 0);
			const struct flows_sample got =
				expected(headers, count_headers(&t.slots[i], false, headers), false);

			CHECK_INT(memcmp(&got.tuple, &want.tuple, sizeof(got.tuple)), 0);
		}
	}
	table_close(&t);
}

int main(void)
{
	RUN(test_packets);
	RUN(test_sum);
	RUN(test_full);
	RUN(test_owners);
	RUN(test_retransmits);
	RUN(test_headers);
	return check_status();
}
