/* SPDX-License-Identifier: BSD-3-Clause */
#include "reader/reader.h"

#include <errno.h>
#include <lz4frame.h>
#include <pcap/dlt.h>
#include <sys/stat.h>
#include <zlib.h>
#include <zstd.h>

#include "capfile.h"
#include "check.h"

static const uint8_t bytes[300] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };

#define CHECK_HAS(text, part)                                                                                          \
	do {                                                                                                           \
		if (!strstr(text, part))                                                                               \
			CHECK_FAIL("\"%s\" is not in \"%s\"", part, text);                                             \
	} while (0)

static void test_reader_pcap(void)
{
	static const struct {
		uint32_t magic, frac;
	} kinds[] = { { 0xa1b2c3d4, 123456 }, { 0xa1b23c4d, 123456789 } };

	for (unsigned i = 0; i < 4; i++) {
		struct capfile c = { .big = i & 1 };
		struct readout ro;

		cf_pcap_header(&c, kinds[i / 2].magic, 65535, 1);
		cf_pcap_record(&c, 1700000000, kinds[i / 2].frac, 60, 90, bytes);
		/* Seconds are unsigned. */
		cf_pcap_record(&c, 0xfffffff0, 0, 0, 0, bytes);
		ro = cf_read_bytes(c.b.p, c.b.len);
		CHECK_INT(ro.run, 0);
		CHECK_STR(ro.text.p, i / 2 ? "iface 0  dlt 1 snaplen 65535\n"
					     "packet if 0 1700000000.123456789 60/90 dir 0\n"
					     "packet if 0 4294967280.000000000 0/0 dir 0\n"
					   : "iface 0  dlt 1 snaplen 65535\n"
					     "packet if 0 1700000000.123456000 60/90 dir 0\n"
					     "packet if 0 4294967280.000000000 0/0 dir 0\n");
		ro_done(&ro);
		buf_done(&c.b);
	}
}

static void test_reader_pcap_kuznetzov(void)
{
	struct capfile c = { .big = true };
	struct readout ro;

	cf_pcap_header(&c, 0xa1b2cd34, 64, 1);
	for (unsigned i = 0; i < 2; i++) {
		cf_pcap_record(&c, 5, 6, 0, 100, bytes);
		c.b.len -= 8; /* the lengths once more, with the real one */
		cf32(&c, 78);
		cf32(&c, 100);
		cf32(&c, 3); /* interface, protocol, packet type */
		cf32(&c, 0x08000100);
		cf_bytes(&c, bytes, 78);
	}
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_STR(ro.text.p, "iface 0  dlt 1 snaplen 78\npacket if 0 5.000006000 78/100 dir 0\n"
			     "packet if 0 5.000006000 78/100 dir 0\n");
	CHECK_INT(ro.run, 0);
	ro_done(&ro);
	buf_done(&c.b);
}

static int keep_data(void *arg, const struct packet *p)
{
	memcpy(arg, p->data, p->caplen);
	return 0;
}

/* The other byte order includes the headers that the capturing host made up; in is big endian where we are little. */
static void test_reader_pseudo_headers(void)
{
	static const struct {
		uint16_t linktype;
		uint8_t in[64], out[64];
	} cases[] = {
		{ 239,
		  { 2, 0, 0, 7, 0, 8, 0, 1, 1, 2, 3, 4, 0, 6, 0, 9, 5, 5, 0, 0 },
		  { 2, 0, 0, 7, 8, 0, 1, 0, 1, 2, 3, 4, 6, 0, 9, 0, 5, 5, 0, 0 } },
		{ 113, { [15] = 0x0c, [16] = 1, 2, 3, 4, 5 }, { [15] = 0x0c, [16] = 4, 3, 2, 1, 5 } },
		{ 113, { [14] = 8, [16] = 1, 2, 3, 4, 5 }, { [14] = 8, [16] = 1, 2, 3, 4, 5 } },
		{ 189,
		  { 1, 2, 3, 4, 5, 6, 7, 8, [9] = 3, [12] = 1, 2, [40] = 1, 2 },
		  { 8, 7, 6, 5, 4, 3, 2, 1, [9] = 3, [12] = 2, 1, [40] = 1, 2 } },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const bool little = __BYTE_ORDER__ == __ORDER_LITTLE_ENDIAN__;
		const uint8_t *in = little ? cases[i].in : cases[i].out, *out = little ? cases[i].out : cases[i].in;
		struct capfile c = { .big = true };
		uint8_t got[64] = { 0 };
		const struct reader_handler h = { .arg = got, .packet = keep_data };
		const char *path = cf_temp_name();
		struct reader *r;

		cf_pcap_header(&c, 0xa1b2c3d4, 65535, cases[i].linktype);
		cf_pcap_record(&c, 1, 2, 64, 64, in);
		cf_write(path, c.b.p, c.b.len);
		CHECK_INT(reader_open(&r, path), 0);
		CHECK_INT(reader_run(r, &h), 0);
		CHECK_MEM(got, out, 64);
		reader_free(r);
		unlink(path);
		buf_done(&c.b);
	}
}

/* Link types that libpcap names otherwise, FCS length, snapshot length of 0, and packets beyond it. */
static void test_reader_pcap_header(void)
{
	struct capfile c = { 0 };
	struct readout ro;

	cf_pcap_header(&c, 0xa1b2c3d4, 0, 101 | 0x24000000);
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_STR(ro.text.p, "iface 0  dlt 12 snaplen 262144\n");
	ro_done(&ro);
	c.b.len = 0;
	cf_pcap_header(&c, 0xa1b2c3d4, 10, 1);
	cf_pcap_record(&c, 1, 0, 20, 30, bytes);
	cf_pcap_record(&c, 2, 0, 5, 5, bytes);
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_STR(ro.text.p, "iface 0  dlt 1 snaplen 10\npacket if 0 1.000000000 10/30 dir 0\n"
			     "packet if 0 2.000000000 5/5 dir 0\n");
	ro_done(&ro);
	c.b.len = 0;
	cf_pcap_header(&c, 0xa1b2c3d4, 10, 0x00010001);
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_INT(ro.open, -EBADMSG);
	CHECK_HAS(ro.err, "savefile linktype reserved field not zero");
	ro_done(&ro);
	buf_done(&c.b);
}

static void test_reader_pcap_huge_record(void)
{
	struct capfile c = { 0 };
	struct readout ro;

	cf_pcap_header(&c, 0xa1b2c3d4, 65535, 1);
	cf_pcap_record(&c, 1, 0, 4, 4, bytes);
	cf_pcap_record(&c, 1, 0, 0, 4, bytes);
	memset(c.b.p + c.b.len - 8, 0x7f, 4);
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_INT(ro.run, -EBADMSG);
	CHECK_INT(ro.packets, 1);
	CHECK_HAS(ro.err, "invalid packet capture length 2139062143, bigger than snaplen of 65535, at byte offset 44");
	ro_done(&ro);
	buf_done(&c.b);
}

static void build_rich_section(struct capfile *c)
{
	size_t start;

	cf_section(c, "first");
	cf_iface(c, 1, 262144, "eth0", 9, 0);
	cf_iface(c, 101, 100, "tun0", 255, 1000);
	cf_iface(c, 113, 0, "bin0", 0x80 | 20, 0);
	cf_iface(c, 1, 96, "pico0", 12, -10);
	cf_end(c, cf_packet(c, 0, 1700000000123456789, 60, 1500, bytes));
	cf_end(c, cf_packet(c, 1, 2000001, 21, 21, bytes));
	cf_end(c, cf_packet(c, 2, (5ull << 20) | (1 << 19), 3, 3, bytes));
	start = cf_packet(c, 3, 20999999999999, 7, 8, bytes);
	cf_option32(c, EPB_FLAGS, 2);
	cf_option_str(c, OPT_COMMENT, "a note");
	cf_option_str(c, OPT_COMMENT, "PID: 12\nCmd: /bin/x\nArgs: x -y");
	cf32(c, 0);
	cf_end(c, start);
	start = cf_begin(c, PCAPNG_SPB);
	cf32(c, 300);
	cf_bytes(c, bytes, 300);
	cf_end(c, start);
	start = cf_begin(c, PCAPNG_PB);
	cf16(c, 0);
	cf16(c, 3);
	cf32(c, 0);
	cf32(c, 77);
	cf32(c, 5);
	cf32(c, 6);
	cf_bytes(c, bytes, 5);
	cf_end(c, start);
	start = cf_begin(c, 0x0bad);
	cf32(c, 32473);
	cf_bytes(c, bytes, 5);
	cf_end(c, start);
	start = cf_begin(c, 0x12345678);
	cf_bytes(c, bytes, 8);
	cf_end(c, start);
}

static const char rich_text[] = "iface 0 eth0 dlt 1 snaplen 262144\n"
				"iface 1 tun0 dlt 12 snaplen 100\n"
				"iface 2 bin0 dlt 113 snaplen 0\n"
				"iface 3 pico0 dlt 1 snaplen 96\n"
				"packet if 0 1700000000.123456789 60/1500 dir 0\n"
				"packet if 1 1002.000001000 21/21 dir 0\n"
				"packet if 2 5.500000000 3/3 dir 0\n"
				"packet if 3 10.999999999 7/8 dir 2 pid 12 args x -y\n"
				"packet if 0 0.000000000 300/300 dir 0\n"
				"packet if 0 0.000000077 5/6 dir 0\n"
				"block bad len 12\n";

static void test_reader_pcapng(void)
{
	for (unsigned big = 0; big < 2; big++) {
		struct capfile c = { .big = big };
		struct readout ro;
		struct buf want = { 0 };

		build_rich_section(&c);
		ro = cf_read_bytes(c.b.p, c.b.len);
		CHECK_STR(ro.err, "");
		CHECK_INT(ro.run, 0);
		buf_printf(&want, "%sblock 12345678 len 8%s\n", rich_text, big ? " swapped" : "");
		buf_put(&want, "", 1);
		CHECK_STR(ro.text.p, want.p);
		buf_done(&want);
		ro_done(&ro);
		buf_done(&c.b);
	}
}

/* Sections number their interfaces anew and may differ in byte order. */
static void test_reader_sections(void)
{
	struct capfile c = { 0 };
	struct readout ro;

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	cf_end(&c, cf_packet(&c, 0, 1, 4, 4, bytes));
	c.big = true;
	cf_section(&c, "second");
	cf_iface(&c, 113, 0, "b", 9, 0);
	cf_end(&c, cf_packet(&c, 0, 2, 4, 4, bytes));
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_STR(ro.text.p, "iface 0 a dlt 1 snaplen 0\npacket if 0 0.000000001 4/4 dir 0\n"
			     "iface 1 b dlt 113 snaplen 0\npacket if 1 0.000000002 4/4 dir 0\n");
	ro_done(&ro);
	cf_section(&c, NULL);
	cf_end(&c, cf_packet(&c, 0, 2, 4, 4, bytes));
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_INT(ro.run, -EBADMSG);
	CHECK_INT(ro.packets, 2);
	CHECK_HAS(ro.err, "packet block before any Interface Description Blocks");
	ro_done(&ro);
	buf_done(&c.b);
}

static void test_reader_bad_blocks(void)
{
	static const struct {
		size_t at; /* bytes into the packet's block */
		uint32_t value;
		const char *message;
	} cases[] = {
		{ 4, 8, "has a length of 8 < 12" },
		{ 4, 38, "has a length of 38 that is not a multiple of 4" },
		{ 4, 0x20000000, "pcapng block size 536870912 > maximum" },
		{ 4, 32, "block total length in header and trailer don't match" },
		{ 8, 1, "a packet arrived on interface 1, but there's no Interface Description Block for that" },
		{ 20, 9, "is too short" },
		{ 20, 0xffffffff, "is too short" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capfile c = { 0 };
		struct readout ro;
		char offset[64];
		size_t start;

		cf_section(&c, NULL);
		cf_iface(&c, 1, 0, "a", 9, 0);
		cf_end(&c, cf_packet(&c, 0, 1, 4, 4, bytes));
		start = c.b.len;
		cf_end(&c, cf_packet(&c, 0, 1, 8, 8, bytes));
		memcpy(c.b.p + start + cases[i].at, &cases[i].value, 4);
		ro = cf_read_bytes(c.b.p, c.b.len);
		CHECK_INT(ro.run, -EBADMSG);
		CHECK_INT(ro.packets, 1);
		CHECK_HAS(ro.err, cases[i].message);
		snprintf(offset, sizeof(offset), "at byte offset %zu", start);
		CHECK_HAS(ro.err, offset);
		ro_done(&ro);
		buf_done(&c.b);
	}
}

static void test_reader_bad_iface_options(void)
{
	static const struct {
		uint16_t code, len;
		const char *message;
	} cases[] = {
		{ IF_TSRESOL, 2, "if_tsresol option with length 2 != 1" },
		{ IF_TSOFFSET, 4, "if_tsoffset option with length 4 != 8" },
		{ IF_TSRESOL, 1, "resolution 10^-66 is too high" },
	};
	static const uint8_t value[8] = { 66 };

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		struct capfile c = { 0 };
		struct readout ro;
		size_t start;

		cf_section(&c, NULL);
		start = cf_begin(&c, PCAPNG_IDB);
		cf32(&c, 1);
		cf32(&c, 0);
		cf_option(&c, cases[i].code, value, cases[i].len);
		cf_end(&c, start);
		ro = cf_read_bytes(c.b.p, c.b.len);
		CHECK_INT(ro.open, -EBADMSG);
		CHECK_HAS(ro.err, cases[i].message);
		ro_done(&ro);
		buf_done(&c.b);
	}
}

/* Cut at every offset: the packets in front of the cut come, then the error names the record that is cut. */
static void check_cuts(const struct buf *file, const size_t *ends, unsigned n)
{
	for (size_t cut = 0; cut < file->len; cut++) {
		struct readout ro = cf_read_bytes(file->p, cut);
		unsigned whole = 0;
		char offset[64];
		size_t start;

		while (whole < n && ends[whole + 1] <= cut)
			whole++;
		start = ends[whole];
		CHECK_INT(ro.packets, whole);
		if (cut == start && cut >= ends[0]) {
			CHECK_STR(ro.err, "");
			CHECK_INT(ro.run, 0);
		} else {
			CHECK_INT(ro.open ? ro.open : ro.run, -EBADMSG);
			snprintf(offset, sizeof(offset), "at byte offset %zu\n", start);
			if (cut >= ends[0])
				CHECK_HAS(ro.err, offset);
			CHECK_HAS(ro.err, ":");
		}
		ro_done(&ro);
	}
}

static void test_reader_cut_pcap(void)
{
	struct capfile c = { 0 };
	size_t ends[5];

	cf_pcap_header(&c, 0xa1b2c3d4, 65535, 1);
	ends[0] = c.b.len;
	for (unsigned i = 1; i < 5; i++) {
		cf_pcap_record(&c, 1, 0, 7 * i, 100, bytes);
		ends[i] = c.b.len;
	}
	check_cuts(&c.b, ends, 4);
	buf_done(&c.b);
}

static void test_reader_cut_pcapng(void)
{
	for (unsigned big = 0; big < 2; big++) {
		struct capfile c = { .big = big };
		size_t ends[5];

		cf_section(&c, "x");
		cf_iface(&c, 1, 0, "a", 9, 0);
		ends[0] = c.b.len;
		for (unsigned i = 1; i < 5; i++) {
			const size_t start = cf_packet(&c, 0, 1, 7 * i, 100, bytes);

			cf_option_str(&c, OPT_COMMENT, "PID: 12\nCmd: /bin/x\nArgs: x");
			cf_end(&c, start);
			ends[i] = c.b.len;
		}
		check_cuts(&c.b, ends, 4);
		buf_done(&c.b);
	}
}

static void test_reader_truncation_wording(void)
{
	struct capfile c = { 0 };
	struct readout ro;

	cf_pcap_header(&c, 0xa1b2c3d4, 65535, 1);
	cf_pcap_record(&c, 1, 0, 50, 100, bytes);
	ro = cf_read_bytes(c.b.p, 24 + 7);
	CHECK_HAS(ro.err, "truncated dump file; tried to read 16 header bytes, only got 7, at byte offset 24");
	ro_done(&ro);
	ro = cf_read_bytes(c.b.p, 24 + 16 + 11);
	CHECK_HAS(ro.err, "truncated dump file; tried to read 50 captured bytes, only got 11, at byte offset 24");
	ro_done(&ro);
	ro = cf_read_bytes(c.b.p, 3);
	CHECK_HAS(ro.err, "truncated dump file; tried to read 4 file header bytes, only got 3");
	ro_done(&ro);
	ro = cf_read_bytes("GET / HTTP/1.0\r\n", 16);
	CHECK_HAS(ro.err, "unknown file format");
	ro_done(&ro);
	buf_done(&c.b);
}

static void test_reader_paths(void)
{
	struct readout ro = cf_read("/nowhere/x.pcap");

	CHECK_INT(ro.open, -ENOENT);
	CHECK_HAS(ro.err, "/nowhere/x.pcap: No such file or directory");
	ro_done(&ro);
	ro = cf_read("/");
	CHECK_INT(ro.open, -EISDIR);
	CHECK_HAS(ro.err, "/: is a directory");
	ro_done(&ro);
}

/* The three compressions, also in several members, and cut short. */
static struct buf gzip_of(const struct buf *plain)
{
	struct buf out = { 0 };

	for (unsigned part = 0; part < 2; part++) {
		const size_t half = plain->len / 2, n = part ? plain->len - half : half;
		z_stream z = { 0 };

		deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY);
		buf_reserve(&out, n + 200);
		z.next_in = (Bytef *)plain->p + (part ? half : 0);
		z.avail_in = (uInt)n;
		z.next_out = (Bytef *)out.p + out.len;
		z.avail_out = (uInt)n + 200;
		deflate(&z, Z_FINISH);
		out.len += n + 200 - z.avail_out;
		deflateEnd(&z);
	}
	return out;
}

static struct buf zstd_of(const struct buf *plain)
{
	struct buf out = { 0 };
	const size_t bound = ZSTD_compressBound(plain->len);
	ZSTD_CCtx *cctx = ZSTD_createCCtx();

	buf_reserve(&out, bound);
	ZSTD_CCtx_setParameter(cctx, ZSTD_c_checksumFlag, 1);
	out.len = ZSTD_compress2(cctx, out.p, bound, plain->p, plain->len);
	ZSTD_freeCCtx(cctx);
	return out;
}

static struct buf lz4_of(const struct buf *plain)
{
	struct buf out = { 0 };
	const LZ4F_preferences_t prefs = { .frameInfo.contentChecksumFlag = LZ4F_contentChecksumEnabled };
	const size_t bound = LZ4F_compressFrameBound(plain->len, &prefs);

	buf_reserve(&out, bound);
	out.len = LZ4F_compressFrame(out.p, bound, plain->p, plain->len, &prefs);
	return out;
}

static void test_reader_compressed(void)
{
	static struct buf (*const pack[])(const struct buf *) = { gzip_of, zstd_of, lz4_of };
	struct capfile c = { 0 };
	uint8_t noise[256];

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	for (unsigned i = 0; i < 5000; i++) {
		for (unsigned k = 0; k < sizeof(noise); k++)
			noise[k] = (uint8_t)rand();
		cf_end(&c, cf_packet(&c, 0, i, sizeof(noise), 256, noise));
	}
	for (unsigned i = 0; i < 3; i++) {
		struct buf packed = pack[i](&c.b);
		struct readout ro = cf_read_bytes(packed.p, packed.len);

		CHECK_STR(ro.err, "");
		CHECK_INT(ro.packets, 5000);
		ro_done(&ro);
		ro = cf_read_bytes(packed.p, packed.len / 2);
		CHECK_INT(ro.run, -EBADMSG);
		CHECK(ro.packets > 1500 && ro.packets < 2600);
		CHECK_HAS(ro.err, "data ends too early");
		ro_done(&ro);
		packed.p[packed.len / 2] ^= 0x55;
		memset(packed.p + packed.len / 2 + 10, 0x11, 1000);
		ro = cf_read_bytes(packed.p, packed.len);
		CHECK_INT(ro.run, -EBADMSG);
		ro_done(&ro);
		buf_done(&packed);
	}
	buf_done(&c.b);
}

static void test_reader_unsupported_compression(void)
{
	struct readout ro = cf_read_bytes("\xfd"
					  "7zXZ\0\0\0",
					  8);

	CHECK_HAS(ro.err, "compressed with xz");
	ro_done(&ro);
}

/* Equal comments give the same annotation, however many lie between; memory stays bounded. */
static void test_reader_annotation_cache(void)
{
	struct capfile c = { 0 };
	struct readout ro;

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "a", 9, 0);
	for (unsigned i = 0; i < 30000; i++) {
		const size_t start = cf_packet(&c, 0, i, 0, 0, bytes);
		char comment[64];

		snprintf(comment, sizeof(comment), "PID: %u\nCmd: x\nArgs: y", i % 2 ? 1 : i);
		cf_option_str(&c, OPT_COMMENT, comment);
		cf_end(&c, start);
	}
	ro = cf_read_bytes(c.b.p, c.b.len);
	CHECK_INT(ro.packets, 30000);
	/* The last packet is of pid 1, which was the second annotation and has been in use all the time. */
	CHECK_INT(ro.last_serial, 2);
	ro_done(&ro);
	buf_done(&c.b);
}

/* Damaged in every way: no crash, no endless loop, and no read outside of the file (sanitizers). */
static void test_reader_mutations(void)
{
	struct capfile c = { 0 }, big = { .big = true };

	build_rich_section(&c);
	build_rich_section(&big);
	srand(1);
	for (unsigned i = 0; i < 3000; i++) {
		struct buf *source = i % 2 ? &c.b : &big.b, copy = { 0 };
		struct readout ro;

		buf_put(&copy, source->p, source->len);
		for (int k = rand() % 6 + 1; k; k--) {
			const size_t at = (size_t)rand() % copy.len;

			copy.p[at] = rand() % 3 ? (char)rand() : (char)(rand() % 2 ? 0xff : 0);
		}
		if (rand() % 4 == 0)
			copy.len = (size_t)rand() % copy.len;
		ro = cf_read_bytes(copy.p, copy.len);
		CHECK(ro.err[0] || (!ro.open && !ro.run));
		ro_done(&ro);
		buf_done(&copy);
	}
	buf_done(&c.b);
	buf_done(&big.b);
}

int main(void)
{
	RUN(test_reader_pcap);
	RUN(test_reader_pcap_kuznetzov);
	RUN(test_reader_pseudo_headers);
	RUN(test_reader_pcap_header);
	RUN(test_reader_pcap_huge_record);
	RUN(test_reader_pcapng);
	RUN(test_reader_sections);
	RUN(test_reader_bad_blocks);
	RUN(test_reader_bad_iface_options);
	RUN(test_reader_cut_pcap);
	RUN(test_reader_cut_pcapng);
	RUN(test_reader_truncation_wording);
	RUN(test_reader_paths);
	RUN(test_reader_compressed);
	RUN(test_reader_unsupported_compression);
	RUN(test_reader_annotation_cache);
	RUN(test_reader_mutations);
	return check_status();
}
