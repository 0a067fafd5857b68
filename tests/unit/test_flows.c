/* SPDX-License-Identifier: BSD-3-Clause */
/* The table of flows: what is put in is what the rows have, however small it is; who is whose; retransmissions. */
#include <pcap/dlt.h>
#include <stdlib.h>

#include "check.h"
#include "flows/flows.h"

static const struct iface eth0 = { .id = 0, .dlt = DLT_RAW, .name = (char *)"eth0" },
			  eth1 = { .id = 1, .dlt = DLT_RAW, .name = (char *)"eth1" };
static const enum flows_by ways[] = { FLOWS_BY_PROCESS, FLOWS_BY_FLOW, FLOWS_BY_CONTAINER, FLOWS_BY_POD,
				      FLOWS_BY_USER };

static struct annotation process(uint64_t serial, uint32_t pid, const char *name)
{
	return (struct annotation){
		.serial = serial,
		.has = ANNOT_PROCESS | ANNOT_USER | ANNOT_THREAD,
		.process = { .pid = pid, .cmd = str_of(name) },
		.uid = pid % 3,
		.thread = str_of("worker"),
		.tid = pid + 1,
	};
}

static struct flows_sample sample(const struct annotation *a, enum direction dir, uint16_t port, uint64_t ns)
{
	return (struct flows_sample){
		.iface = &eth0,
		.annot = a,
		.dir = dir,
		.tuple = { .src = { 10, 0, 0, 1 },
			   .dst = { 10, 0, 0, 2 },
			   .sport = port,
			   .dport = 80,
			   .family = 4,
			   .proto = 6 },
		.packets = 1,
		.bytes = 100,
		.first = ns,
		.last = ns,
	};
}

static struct flows_sample answer(struct flows_sample s)
{
	const struct headers_tuple t = s.tuple;

	memcpy(s.tuple.src, t.dst, 16);
	memcpy(s.tuple.dst, t.src, 16);
	s.tuple.sport = t.dport;
	s.tuple.dport = t.sport;
	s.dir = s.dir == DIR_NONE ? DIR_NONE : s.dir == DIR_OUT ? DIR_IN : DIR_OUT;
	return s;
}

static struct flows *table(size_t flows, size_t owners)
{
	const struct flows_config config = { .flows_max = flows, .owners_max = owners };
	struct flows *f = NULL;

	flows_new(&f, &config);
	return f;
}

static void test_both_ways_are_one_flow(void)
{
	const struct annotation curl = process(1, 7, "/usr/bin/curl");
	struct flows *f = table(0, 0);
	struct flows_sample s = sample(&curl, DIR_OUT, 1000, 5), back = answer(s);
	struct flow *a = flows_add(f, &s), *b;
	struct flows_row *rows;

	back.last = back.first = 9;
	back.bytes = 1000;
	b = flows_add(f, &back);
	CHECK(a && a == b);
	CHECK_INT(a->n.way[FLOWS_OUT].bytes, 100);
	CHECK_INT(a->n.way[FLOWS_IN].bytes, 1000);
	CHECK_INT(a->n.first, 5);
	CHECK_INT(a->n.last, 9);
	CHECK_INT(flows_rows(f, FLOWS_BY_PROCESS, FLOWS_SORT_BYTES, &rows), 1);
	CHECK_INT(rows->annot->process.pid, 7);
	CHECK_INT(rows->tuple.sport, 1000);
	CHECK(!(rows->annot->has & ANNOT_THREAD));
	free(rows);
	flows_free(f);
}

/* A file that knows neither owners nor directions. */
static void test_without_direction(void)
{
	struct flows *f = table(0, 0);
	const struct flows_sample s = sample(NULL, DIR_NONE, 1000, 5), back = answer(s);

	flows_add(f, &s);
	CHECK(flows_add(f, &s) == flows_add(f, &back));
	CHECK_INT(flows_add(f, &back)->n.way[FLOWS_IN].packets, 2);
	flows_free(f);
}

static void test_interfaces_count_apart(void)
{
	struct flows *f = table(0, 0);
	struct flows_sample s = sample(NULL, DIR_OUT, 1000, 5);
	const struct flow *a = flows_add(f, &s);

	s.iface = &eth1;
	CHECK(a != flows_add(f, &s));
	CHECK_INT(flows_ifaces(f), 2);
	CHECK_INT(flows_total(f).way[FLOWS_OUT].packets, 2);
	flows_free(f);
}

struct sums {
	uint64_t packets[FLOWS_WAYS], bytes[FLOWS_WAYS], retransmits, resets;
};

static struct sums sums_of(struct flows *f, enum flows_by by)
{
	struct flows_row *rows = NULL;
	const ssize_t n = flows_rows(f, by, FLOWS_SORT_BYTES, &rows);
	struct sums s = { 0 };

	for (ssize_t i = 0; i < n; i++) {
		for (int way = 0; way < FLOWS_WAYS; way++) {
			s.packets[way] += rows[i].n.way[way].packets;
			s.bytes[way] += rows[i].n.way[way].bytes;
		}
		s.retransmits += rows[i].n.retransmits;
		s.resets += rows[i].n.resets;
	}
	free(rows);
	return s;
}

static struct flows_sample random_sample(const struct annotation *owners, uint64_t now)
{
	const int who = rand() % 40;
	struct flows_sample s =
		sample(who < 39 ? &owners[who] : NULL, (enum direction)(rand() % 3), (uint16_t)(rand() % 50), now);

	s.iface = rand() % 2 ? &eth0 : &eth1;
	s.bytes = (uint64_t)(rand() % 2000);
	s.packets = 1 + (uint64_t)(rand() % 3);
	s.resets = rand() % 7 == 0;
	s.retransmits = rand() % 5 == 0;
	s.others = rand() % 100 == 0;
	return rand() % 2 ? answer(s) : s;
}

static void check_sums(struct flows *f, const struct sums *in)
{
	const struct flows_counts total = flows_total(f);

	for (int way = 0; way < FLOWS_WAYS; way++) {
		CHECK_INT(total.way[0].packets + total.way[1].packets, in->packets[0]);
		CHECK_INT(total.way[0].bytes + total.way[1].bytes, in->bytes[0]);
	}
	for (size_t i = 0; i < sizeof(ways) / sizeof(ways[0]); i++) {
		const struct sums out = sums_of(f, ways[i]);

		CHECK_INT(out.packets[FLOWS_IN], total.way[FLOWS_IN].packets);
		CHECK_INT(out.packets[FLOWS_OUT], total.way[FLOWS_OUT].packets);
		CHECK_INT(out.bytes[FLOWS_IN], total.way[FLOWS_IN].bytes);
		CHECK_INT(out.bytes[FLOWS_OUT], total.way[FLOWS_OUT].bytes);
		CHECK_INT(out.retransmits, in->retransmits);
		CHECK_INT(out.resets, in->resets);
	}
}

static void test_nothing_is_lost(void)
{
	struct annotation owners[39];

	for (uint32_t i = 0; i < 39; i++)
		owners[i] = process(i + 1, i / 2 + 1, i % 2 ? "/bin/a" : "/bin/b");
	srand(7);
	for (int round = 0; round < 30; round++) {
		struct flows *f = table(1 + (size_t)(rand() % 600), 1 + (size_t)(rand() % 60));
		struct sums in = { 0 };

		for (uint64_t now = 1; now < 3000; now++) {
			const struct flows_sample s = random_sample(owners, now);

			in.packets[0] += s.packets;
			in.bytes[0] += s.bytes;
			in.resets += s.resets;
			in.retransmits += s.retransmits;
			flows_add(f, &s);
			if (rand() % 500 == 0)
				flows_expire(f, now - 200, now - 20);
			if (rand() % 500 == 0)
				flows_tick(f);
		}
		check_sums(f, &in);
		flows_free(f);
		if (check_why[0])
			return;
	}
}

struct segment {
	uint8_t p[20 + 20 + 100];
	struct packet packet;
};

static void segment(struct segment *s, uint32_t seq, uint8_t flags, uint32_t len)
{
	static const uint8_t head[] = {
		0x45, 0, 0, 0, 0, 0, 0, 0, 64, 6, 0, 0, 10, 0, 0, 1, 10, 0, 0, 2, 3, 232, 0, 80
	};

	*s = (struct segment){ .packet = { .sec = 1, .dir = DIR_OUT, .iface = &eth0 } };
	memcpy(s->p, head, sizeof(head));
	s->p[3] = (uint8_t)(40 + len);
	for (int i = 0; i < 4; i++)
		s->p[24 + i] = (uint8_t)(seq >> (24 - 8 * i));
	s->p[32] = 0x50;
	s->p[33] = flags;
	s->packet.data = s->p;
	s->packet.caplen = s->packet.len = 40 + len;
}

static void test_retransmits(void)
{
	static const struct {
		uint32_t seq, len, expected;
		uint8_t flags;
	} steps[] = {
		{ 0xfffffff0, 0, 0, 2 },			     /* SYN */
		{ 0xfffffff0, 0, 1, 2 },			     /* again */
		{ 0xfffffff1, 0, 0, 16 }, { 0xfffffff1, 20, 0, 24 }, /* over the end of the numbers */
		{ 5, 10, 0, 24 },	  { 0xfffffff1, 20, 1, 24 }, { 5, 10, 1, 24 },
		{ 14, 1, 0, 16 },						       /* keep-alive */
		{ 14, 0, 0, 16 },	  { 15, 0, 0, 17 },			       /* FIN */
		{ 15, 0, 1, 17 },	  { 16, 0, 0, 16 },	     { 500, 0, 0, 2 }, /* the ports are used again */
		{ 501, 5, 0, 24 },
	};
	struct flows *f = table(0, 0);
	struct flows_sample sample;
	struct segment s;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		segment(&s, steps[i].seq, steps[i].flags, steps[i].len);
		flows_packet(f, &s.packet, &sample);
		if (sample.retransmits != steps[i].expected)
			CHECK_FAIL("step %zu: %u", i, sample.retransmits);
	}
	CHECK_INT(flows_total(f).retransmits, 4);
	CHECK_INT(flows_total(f).connections, 2);
	flows_free(f);
}

static void count_gone(void *arg, struct flow *flow)
{
	(void)flow;
	++*(int *)arg;
}

static void test_expire(void)
{
	int gone = 0;
	const struct flows_config config = { .gone = count_gone, .arg = &gone };
	struct flows *f = NULL;
	struct flows_sample a = sample(NULL, DIR_OUT, 1, 100), b = sample(NULL, DIR_OUT, 2, 200), c;

	CHECK_INT(flows_new(&f, &config), 0);
	flows_add(f, &a);
	b.tcp_flags = 4;
	flows_add(f, &b);
	c = sample(NULL, DIR_OUT, 3, 300);
	flows_add(f, &c);
	flows_expire(f, 150, 150);
	CHECK_INT(gone, 1);
	flows_expire(f, 150, 250);
	CHECK_INT(gone, 2);
	CHECK_INT(flows_total(f).way[FLOWS_OUT].packets, 3);
	CHECK_INT(sums_of(f, FLOWS_BY_FLOW).packets[FLOWS_OUT], 3);
	flows_free(f);
}

/* What was closed, or reset, is that no longer once the ports are used again. */
static void test_ports_used_again(void)
{
	static const struct {
		uint8_t flags;
		bool ended;
	} steps[] = { { 2, false }, { 4, true }, { 2, false }, { 24, false }, { 20, true } };
	struct flows *f = table(0, 0);
	struct flows_sample sample;
	struct segment s;

	for (size_t i = 0; i < sizeof(steps) / sizeof(steps[0]); i++) {
		segment(&s, (uint32_t)i * 1000, steps[i].flags, 0);
		CHECK_INT(flows_packet(f, &s.packet, &sample)->reset, steps[i].ended);
	}
	flows_free(f);
}

static void test_rates_and_order(void)
{
	const struct annotation a = process(1, 1, "/bin/a"), b = process(2, 2, "/bin/b");
	struct flows *f = table(0, 0);
	const struct flows_sample one = sample(&a, DIR_OUT, 1, 1), two = sample(&b, DIR_OUT, 2, 2);
	struct flows_row *rows;

	flows_add(f, &one);
	flows_add(f, &one);
	flows_tick(f);
	flows_add(f, &two);
	flows_tick(f);
	CHECK_INT(flows_rows(f, FLOWS_BY_PROCESS, FLOWS_SORT_BYTES, &rows), 2);
	CHECK_INT(rows[0].annot->process.pid, 1);
	CHECK_INT(rows[0].n.recent, 0);
	CHECK_INT(rows[1].n.recent, 100);
	free(rows);
	flows_rows(f, FLOWS_BY_PROCESS, FLOWS_SORT_RATE, &rows);
	CHECK_INT(rows[0].annot->process.pid, 2);
	free(rows);
	flows_clear(f);
	CHECK_INT(flows_rows(f, FLOWS_BY_FLOW, FLOWS_SORT_RATE, &rows), 0);
	free(rows);
	flows_free(f);
}

static const enum flows_sort orders[] = { FLOWS_SORT_BYTES,	  FLOWS_SORT_PACKETS, FLOWS_SORT_RATE,
					  FLOWS_SORT_RETRANSMITS, FLOWS_SORT_NAME,    FLOWS_SORT_LAST,
					  FLOWS_SORT_AVERAGE };

static bool is_even(void *arg, const struct flows_row *row)
{
	(void)arg;
	return row->tuple.sport % 2 == 0;
}

/* Of all rows in order, those that are wanted. */
static size_t wanted_rows(struct flows_row *rows, size_t n)
{
	size_t kept = 0;

	for (size_t i = 0; i < n; i++) {
		if (is_even(NULL, &rows[i]))
			rows[kept++] = rows[i];
	}
	return kept;
}

static void test_first_rows(void)
{
	struct annotation owners[20];
	struct flows *f = table(0, 0);
	struct flows_row *all, *first;

	for (uint32_t i = 0; i < 20; i++)
		owners[i] = process(i + 1, i, i % 2 ? "/bin/odd" : "/bin/even");
	for (unsigned i = 0; i < 3000; i++) {
		struct flows_sample s = sample(&owners[rand() % 20], DIR_OUT, (uint16_t)(rand() % 500), 1 + i);

		s.bytes = (uint64_t)rand() % 1000;
		s.retransmits = rand() % 3 == 0;
		flows_add(f, &s);
		if (i == 1500)
			flows_tick(f);
	}
	flows_tick(f);
	for (size_t o = 0; o < sizeof(orders) / sizeof(orders[0]); o++) {
		static const size_t mosts[] = { 0, 1, 2, 10, 500, 100000 };
		ssize_t n = flows_rows(f, FLOWS_BY_FLOW, orders[o], &all);
		const size_t wanted = wanted_rows(all, (size_t)n);

		for (size_t m = 0; m < sizeof(mosts) / sizeof(mosts[0]); m++) {
			const struct flows_pick pick = { .wanted = is_even, .most = mosts[m] };
			size_t of;

			n = flows_rows_first(f, FLOWS_BY_FLOW, orders[o], &pick, &first, &of);
			CHECK_INT(of, wanted);
			CHECK_INT(n, mosts[m] < wanted ? mosts[m] : wanted);
			for (ssize_t i = 0; i < n; i++) {
				CHECK_MEM(&first[i].tuple, &all[i].tuple, sizeof(all[i].tuple));
				CHECK(first[i].annot == all[i].annot);
			}
			free(first);
		}
		free(all);
	}
	flows_free(f);
}

int main(void)
{
	RUN(test_both_ways_are_one_flow);
	RUN(test_without_direction);
	RUN(test_interfaces_count_apart);
	RUN(test_nothing_is_lost);
	RUN(test_retransmits);
	RUN(test_expire);
	RUN(test_ports_used_again);
	RUN(test_rates_and_order);
	RUN(test_first_rows);
	return check_status();
}
