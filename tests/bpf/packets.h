/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Packets for the tests of the filter: random ones that have what the expressions of expressions.txt look for, the
 * packets of tcpdump's own tests when its source is there, and mutated and truncated copies of both.
 */
#ifndef TEST_PACKETS_H
#define TEST_PACKETS_H

#include <glob.h>
#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#define PACKET_MAX 3400 /* BPF_PROG_TEST_RUN takes a page less the room for headers */

struct sample {
	uint32_t len;
	uint8_t *data; /* allocated exactly, so that ASan sees reads beyond */
};

struct samples {
	struct sample *v;
	uint32_t n;
	uint64_t seed;
};

static uint32_t rnd(struct samples *s, uint32_t below)
{
	s->seed ^= s->seed << 13;
	s->seed ^= s->seed >> 7;
	s->seed ^= s->seed << 17;
	return (uint32_t)((s->seed >> 11) % below);
}

#define PICK(s, ...)                                                                                                   \
	((const uint32_t[]){ __VA_ARGS__ }[rnd(s, sizeof((const uint32_t[]){ __VA_ARGS__ }) / sizeof(uint32_t))])

/* A packet that is being written; what does not fit is left out. */
struct draft {
	struct samples *s;
	uint32_t n;
	uint8_t p[PACKET_MAX];
};

static void put(struct draft *d, uint32_t value, int bytes)
{
	while (bytes--)
		if (d->n < sizeof(d->p))
			d->p[d->n++] = (uint8_t)(value >> 8 * bytes);
}

static void put_random(struct draft *d, uint32_t n)
{
	while (n--)
		put(d, rnd(d->s, 4) ? rnd(d->s, 256) : 0, 1);
}

static void put_mac(struct draft *d)
{
	static const uint8_t macs[][6] = { { 2, 0, 0, 0, 0, 1 },
					   { 2, 0, 0, 0, 0, 2 },
					   { 0, 0x11, 0x22, 0x33, 0x44, 0x55 },
					   { 255, 255, 255, 255, 255, 255 },
					   { 1, 0, 0x5e, 0, 0, 1 },
					   { 0x33, 0x33, 0, 0, 0, 1 },
					   { 1, 0x80, 0xc2, 0, 0, 0 },
					   { 0 } };
	const uint8_t *mac = macs[rnd(d->s, 8)];

	for (int i = 0; i < 6; i++)
		put(d, mac[i], 1);
}

static void put_ip4_address(struct draft *d)
{
	put(d,
	    PICK(d->s, 0x0a000001, 0x0a000002, 0xc0a80101, 0xc0a801ff, 0xac100504, 0xe0000001, 0xeffffffa, 0xffffffff,
		 0x7f000001, 0x01010101, 0x08080808, 0xc0a80011, 0x80030201, 0x0a010203, 0),
	    4);
}

static void put_ip6_address(struct draft *d)
{
	uint32_t prefix = PICK(d->s, 0, 0xfe800000, 0x20010db8, 0x20010db8, 0xff020000);

	put(d, prefix, 4);
	put(d, prefix == 0x20010db8 && !rnd(d->s, 3) ? 0x00010002 : 0, 4);
	put(d, 0, 4);
	put(d, PICK(d->s, 0, 1, 1, 2, 0xff00001), 4);
}

static void put_port(struct draft *d)
{
	put(d,
	    PICK(d->s, 20, 21, 22, 23, 25, 53, 67, 80, 80, 123, 161, 443, 514, 1024, 1500, 2000, 4789, 6081, 8080,
		 33434, 65535, 0),
	    2);
}

static void put_ether(struct draft *d, int depth);
static void put_ip(struct draft *d, int depth, bool v6);

static uint32_t put_type(struct draft *d)
{
	bool v6 = rnd(d->s, 3) == 0;

	put(d, v6 ? 0x86dd : 0x0800, 2);
	return v6;
}

/* GENEVE and VXLAN, each with Ethernet inside, or IP. */
static void put_tunnel(struct draft *d, int depth)
{
	uint32_t options = PICK(d->s, 0, 0, 1, 5), vni = PICK(d->s, 0xb, 0x123456, 0);
	bool v6;

	put_port(d);
	put(d, PICK(d->s, 6081, 6081, 4789), 2);
	put(d, 8 + 8 + 4 * options, 2);
	put(d, 0, 2);
	put(d, options, 1);
	put(d, 0, 1);
	if (rnd(d->s, 2)) {
		put(d, 0x6558, 2);
		put(d, vni << 8, 4);
		put_random(d, 4 * options);
		put_ether(d, depth + 1);
	} else {
		v6 = put_type(d);
		put(d, vni << 8, 4);
		put_random(d, 4 * options);
		put_ip(d, depth + 1, v6);
	}
}

static void put_tcp(struct draft *d)
{
	uint32_t options = PICK(d->s, 0, 0, 3, 10);

	put_port(d);
	put_port(d);
	put_random(d, 8);
	put(d, (5 + options) << 4, 1);
	put(d, PICK(d->s, 2, 0x12, 0x10, 0x18, 0x11, 1, 4, 0x14, 0x29, 0x3f, 0, 0xc2, 0x52, 8, 32), 1);
	put_random(d, 6 + 4 * options);
	if (rnd(d->s, 2))
		put(d, 0x47455420, 4);
	put_random(d, PICK(d->s, 0, 1, 20, 100));
}

static void put_l4(struct draft *d, uint32_t proto, int depth)
{
	switch (proto) {
	case 6: put_tcp(d); break;
	case 17:
		if (depth < 2 && !rnd(d->s, 5)) {
			put_tunnel(d, depth);
			break;
		}
		put_port(d);
		put_port(d);
		put_random(d, 4 + PICK(d->s, 0, 1, 20, 60));
		break;
	case 132:
		put_port(d);
		put_port(d);
		put_random(d, 24);
		break;
	case 1:
		put(d, rnd(d->s, 20), 1);
		put(d, rnd(d->s, 4), 1);
		put_random(d, 30);
		break;
	case 58:
		put(d, rnd(d->s, 2) ? rnd(d->s, 5) : 128 + rnd(d->s, 28), 1);
		put(d, rnd(d->s, 4), 1);
		put_random(d, 30);
		break;
	default: put_random(d, 8 + rnd(d->s, 30));
	}
}

static uint32_t pick_proto(struct samples *s)
{
	return PICK(s, 6, 6, 6, 17, 17, 17, 1, 58, 132, 2, 103, 50, 112, 47, 89, 88, 9, 59, 0, 255, 46);
}

/* A chain of extension headers (0, 43, 60, 44) and AH; then the last protocol. */
static void put_chain(struct draft *d, uint32_t proto, int depth)
{
	while (proto == 0 || proto == 43 || proto == 60 || proto == 44 || proto == 51) {
		uint32_t next = rnd(d->s, 3) ? pick_proto(d->s) : PICK(d->s, 43, 60, 44, 51), words = rnd(d->s, 3);

		put(d, next, 1);
		if (proto == 44) {
			put(d, 0, 1);
			put(d, rnd(d->s, 2) ? 0 : rnd(d->s, 1000) << 3, 2);
			put_random(d, 4);
		} else if (proto == 51) {
			put(d, words, 1);
			put_random(d, (words + 2) * 4 - 2);
		} else {
			put(d, words, 1);
			put_random(d, 6 + 8 * words);
		}
		proto = next;
	}
	put_l4(d, proto, depth);
}

static void put_ip(struct draft *d, int depth, bool v6)
{
	uint32_t proto = rnd(d->s, 4) ? pick_proto(d->s) : PICK(d->s, 0, 43, 60, 44, 51, 51);
	uint32_t options = rnd(d->s, 4) ? 0 : PICK(d->s, 1, 3, 10);

	if (v6) {
		put(d, 6u << 28 | rnd(d->s, 1 << 28), 4);
		put(d, rnd(d->s, 1400), 2);
		put(d, proto, 1);
		put(d, 64, 1);
		put_ip6_address(d);
		put_ip6_address(d);
		put_chain(d, proto, depth);
		return;
	}
	put(d, 0x45 + options, 1);
	put(d, rnd(d->s, 3) ? 0 : rnd(d->s, 256), 1);
	put(d, 20 + 4 * options + rnd(d->s, 200), 2);
	put_random(d, 2);
	put(d, rnd(d->s, 5) ? rnd(d->s, 2) << 14 : PICK(d->s, 0x2000, 0x2005, 3, 0x1fff), 2);
	put(d, PICK(d->s, 64, 64, 1, 255), 1);
	put(d, proto, 1);
	put_random(d, 2);
	put_ip4_address(d);
	put_ip4_address(d);
	put_random(d, 4 * options);
	put_chain(d, proto == 0 || proto == 43 || proto == 60 || proto == 44 ? 6 : proto, depth);
}

static void put_arp(struct draft *d)
{
	put(d, 1, 2);
	put(d, 0x0800, 2);
	put(d, 0x0604, 2);
	put(d, PICK(d->s, 1, 2, 3, 8), 2);
	for (int i = 0; i < 2; i++) {
		put_mac(d);
		put_ip4_address(d);
	}
	put_random(d, rnd(d->s, 19));
}

static void put_mpls(struct draft *d, int depth)
{
	uint32_t labels = 1 + rnd(d->s, 3);

	while (labels--)
		put(d, PICK(d->s, 1024, 100000, 3, 16) << 12 | (labels ? 0 : 0x100) | 64, 4);
	put_ip(d, depth, rnd(d->s, 3) == 0);
}

static void put_pppoe(struct draft *d, int depth)
{
	bool v6 = rnd(d->s, 3) == 0;

	put(d, 0x1100, 2);
	put(d, PICK(d->s, 0x27, 1), 2);
	put(d, 100, 2);
	put(d, v6 ? 0x57 : 0x21, 2);
	put_ip(d, depth, v6);
}

/* 802.3: length, then LLC, SNAP or OSI. */
static void put_llc(struct draft *d)
{
	uint32_t sap = PICK(d->s, 0x42, 0xfe, 0xe0, 0xf0, 0xaa, 4);

	put(d, 46 + rnd(d->s, 100), 2);
	put(d, sap << 8 | (rnd(d->s, 5) ? sap : 5), 2);
	put(d, PICK(d->s, 3, 3, 0, 1, 5, 9, 0x73, 0x53, 0x7f, 0xf3, 0xe3, 0xbf, 0x87), 1);
	if (sap == 0xaa) {
		put(d, PICK(d->s, 0, 0, 0x080007, 0x00000c), 3);
		put(d, PICK(d->s, 0x800, 0x8137, 0x80f3, 0x809b, 0x2000, 0x86dd), 2);
		put_ip(d, 2, false);
	} else if (sap == 0xfe) {
		put(d, PICK(d->s, 0x81, 0x82, 0x83), 1);
		put(d, 0x1b0100, 3);
		put(d, PICK(d->s, 15, 16, 17, 18, 20, 24, 25, 26, 27), 1);
	}
	put_random(d, 43);
}

static void put_payload(struct draft *d, int depth)
{
	switch (rnd(d->s, 16)) {
	case 0:
		put(d, PICK(d->s, 0x806, 0x806, 0x8035), 2);
		put_arp(d);
		break;
	case 1:
		put(d, PICK(d->s, 0x8847, 0x8847, 0x8848), 2);
		put_mpls(d, depth);
		break;
	case 2:
		put(d, PICK(d->s, 0x8864, 0x8864, 0x8863), 2);
		put_pppoe(d, depth);
		break;
	case 3: put_llc(d); break;
	case 4:
		put(d,
		    PICK(d->s, 0x6000, 0x6001, 0x6002, 0x6003, 0x6004, 0x6007, 0x809b, 0x80f3, 0x8137, 0x9000, 0x88cc,
			 0x888e, 0x1234, 0x5dc, 0x600),
		    2);
		put_random(d, 4 + rnd(d->s, 60));
		break;
	default: put_ip(d, depth, put_type(d));
	}
}

static void put_ether(struct draft *d, int depth)
{
	put_mac(d);
	put_mac(d);
	for (uint32_t tags = rnd(d->s, 5) ? 0 : 1 + rnd(d->s, 3); tags; tags--) {
		put(d, PICK(d->s, 0x8100, 0x8100, 0x88a8, 0x9100), 2);
		put(d, PICK(d->s, 10, 100, 200, 300, 0, 4095, 0x200a), 2);
	}
	put_payload(d, depth);
}

static void sample_add(struct samples *s, const uint8_t *data, uint32_t len)
{
	if (len < 15 || len > PACKET_MAX) /* what BPF_PROG_TEST_RUN accepts */
		return;
	if ((s->n & (s->n - 1)) == 0)
		s->v = realloc(s->v, (s->n ? 2 * s->n : 1) * sizeof(*s->v));
	s->v[s->n].len = len;
	s->v[s->n].data = malloc(len);
	memcpy(s->v[s->n++].data, data, len);
}

static inline void samples_generate(struct samples *s, uint32_t n)
{
	struct draft d = { .s = s };

	while (n--) {
		d.n = 0;
		put_ether(&d, 0);
		if (!rnd(s, 30))
			put_random(&d, rnd(s, 1500));
		sample_add(s, d.p, d.n);
	}
}

/* The first packets of each pcap file (not pcapng) of Ethernet, in the byte order of this machine. */
static inline void samples_read(struct samples *s, const char *pattern, uint32_t from_each)
{
	uint8_t buf[PACKET_MAX];
	uint32_t head[6], rec[4];
	glob_t files;

	if (glob(pattern, 0, NULL, &files))
		return;
	for (size_t i = 0; i < files.gl_pathc; i++) {
		FILE *f = fopen(files.gl_pathv[i], "rb");

		if (!f)
			continue;
		if (fread(head, sizeof(head), 1, f) != 1 || (head[0] != 0xa1b2c3d4 && head[0] != 0xa1b23c4d) ||
		    (head[5] & 0xfffffff) != 1)
			head[0] = 0;
		for (uint32_t k = 0; head[0] && k < from_each && fread(rec, sizeof(rec), 1, f) == 1; k++) {
			if (rec[2] > sizeof(buf) || fread(buf, rec[2], 1, f) != 1)
				break;
			sample_add(s, buf, rec[2]);
		}
		fclose(f);
	}
	globfree(&files);
}

static void mutate_one(struct samples *s, uint8_t *b, uint32_t len)
{
	uint32_t changes = 1 + rnd(s, 4), at;

	switch (rnd(s, 4)) {
	case 0:
		while (changes--)
			b[rnd(s, len < 80 ? len : 80)] = (uint8_t)rnd(s, 256);
		break;
	case 1:
		while (changes--)
			b[12 + rnd(s, len - 12 < 50 ? len - 12 : 50)] ^= (uint8_t)(1u << rnd(s, 8));
		break;
	case 2:
		at = 12 + 4 * rnd(s, 3);
		if (at < len)
			b[at] = (uint8_t)PICK(s, 0x08, 0x86, 0x81, 0x88, 0x91, 0);
		break;
	default:
		if (len <= 24)
			break;
		b[rnd(s, 2) ? 23 : 20] = (uint8_t)PICK(s, 6, 17, 1, 132, 2, 51, 50, 58, 44, 0, 43, 60, 59);
		if (!rnd(s, 3))
			b[14] = (uint8_t)(PICK(s, 0x40, 0x60) | rnd(s, 16));
	}
}

static inline void samples_mutate(struct samples *s, uint32_t n)
{
	uint32_t base = s->n;
	uint8_t b[PACKET_MAX];

	while (n--) {
		const struct sample *from = &s->v[rnd(s, base)];
		uint32_t len = from->len;

		memcpy(b, from->data, len);
		if (rnd(s, 4))
			mutate_one(s, b, len);
		if (!rnd(s, 2))
			len = 15 + rnd(s, len - 14 < 100 ? len - 14 : 100);
		sample_add(s, b, len);
	}
}

static inline void samples_done(struct samples *s)
{
	for (uint32_t i = 0; i < s->n; i++)
		free(s->v[i].data);
	free(s->v);
}

#endif
