/* SPDX-License-Identifier: BSD-3-Clause */
/* Interfaces of several link types in one file: what libpcap can read, and the headers that packets get for that. */
#include <pcap/pcap.h>
#include <sys/stat.h>

#include "capfile.h"
#include "check.h"
#include "output/file.h"
#include "output/output.h"
#include "pass.h"
#include "util/log.h"

static char dir[] = "/tmp/file_link.XXXXXX", path[64];

static struct iface eth0 = { .id = 0, .ifindex = 2, .dlt = DLT_EN10MB, .snaplen = 96, .name = (char *)"eth0" };
static struct iface tun0 = { .id = 1, .ifindex = 3, .dlt = DLT_RAW, .snaplen = 96, .name = (char *)"tun0" };
static struct iface tun1 = { .id = 2, .ifindex = 4, .dlt = DLT_RAW, .snaplen = 96, .name = (char *)"tun1" };
static struct iface eth1 = { .id = 3, .ifindex = 5, .dlt = DLT_EN10MB, .snaplen = 96, .name = (char *)"eth1" };

static const uint8_t frame[60] = { 2, 0, 0, 0, 0, 1, 2, 0, 0, 0, 0, 2, 8, 0, 0x45 }, ip4[96] = { 0x45 },
		     ip6[40] = { 0x60 };

static struct output *begin(const char *name, struct file_config config)
{
	struct output *o = NULL;

	snprintf(path, sizeof(path), "%s/%s", dir, name);
	config.path = path;
	config.context = ANNOT_ALL;
	if (output_file_new(&o, &config))
		return NULL;
	return o;
}

static void know_all(struct output *o)
{
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	CHECK_INT(o->ops->iface(o, &tun0), 0);
	CHECK_INT(o->ops->iface(o, &tun1), 0);
	CHECK_INT(o->ops->iface(o, &eth1), 0);
}

static void put(struct output *o, const struct iface *iface, const uint8_t *data, uint32_t len)
{
	const struct packet p = {
		.sec = 1700000000, .caplen = len, .len = len + 100, .data = data, .iface = iface, .dir = DIR_OUT
	};

	CHECK_INT(o->ops->packet(o, &p), 0);
}

static void end(struct output *o)
{
	CHECK_INT(o->ops->finish(o), 0);
	o->ops->free(o);
}

/* How many packets libpcap finds; *dlt, and what it says at the end. */
static int with_libpcap(int *dlt, char err[PCAP_ERRBUF_SIZE])
{
	pcap_t *p = pcap_open_offline(path, err);
	struct pcap_pkthdr *h;
	const u_char *data;
	int n = 0, ret;

	if (!p)
		return -1;
	*dlt = pcap_datalink(p);
	*err = '\0';
	while ((ret = pcap_next_ex(p, &h, &data)) == 1)
		n++;
	if (ret == PCAP_ERROR)
		snprintf(err, PCAP_ERRBUF_SIZE, "%s", pcap_geterr(p));
	pcap_close(p);
	return n;
}

static void libpcap_reads(int packets, int dlt)
{
	char err[PCAP_ERRBUF_SIZE];
	int got = -1;

	CHECK_INT(with_libpcap(&got, err), packets);
	CHECK_STR(err, "");
	CHECK_INT(got, dlt);
}

/* An idle device without link header keeps nobody from reading; a file without packets can be read, too. */
static void test_link_idle(void)
{
	struct output *o = begin("idle.pcapng", (struct file_config){ 0 });
	struct readout ro;

	know_all(o);
	end(o);
	libpcap_reads(0, DLT_EN10MB);
	o = begin("idle.pcapng", (struct file_config){ 0 });
	know_all(o);
	put(o, &eth1, frame, 60);
	put(o, &eth0, frame, 60);
	end(o);
	libpcap_reads(2, DLT_EN10MB);
	ro = cf_read(path);
	CHECK_STR(ro.text.p, "iface 0 eth1 dlt 1 snaplen 96\npacket if 0 1700000000.000000000 60/160 dir 2\n"
			     "iface 1 eth0 dlt 1 snaplen 96\npacket if 1 1700000000.000000000 60/160 dir 2\n"
			     "block 5 len 64\nblock 5 len 64\n");
	ro_done(&ro);
}

/* LINKTYPE_RAW is 101, DLT_RAW 12, and libpcap compares the one with the other. */
static void test_link_raw_only(void)
{
	struct output *o = begin("raw.pcapng", (struct file_config){ 0 });
	struct readout ro;

	know_all(o);
	put(o, &tun0, ip4, 20);
	put(o, &tun1, ip4, 20);
	put(o, &tun0, ip6, 40);
	end(o);
	libpcap_reads(3, DLT_RAW);
	ro = cf_read(path);
	CHECK(strstr(ro.text.p, "iface 0 tun0 dlt 12 snaplen 96"));
	CHECK(strstr(ro.text.p, "iface 1 tun1 dlt 12 snaplen 96"));
	ro_done(&ro);
}

/* Counts are not lost: of the same kind in a block of their own, else in a comment. */
static void test_link_counts(void)
{
	struct output *o = begin("counts.pcapng", (struct file_config){ 0 });
	struct buf got;

	eth1.received = eth1.dropped = 7;
	tun0.received = 5;
	tun0.dropped = 4;
	tun1.received = 3;
	know_all(o);
	put(o, &eth0, frame, 60);
	end(o);
	eth1.received = eth1.dropped = tun0.received = tun0.dropped = tun1.received = 0;
	libpcap_reads(1, DLT_EN10MB);
	got = cf_slurp(path);
	CHECK(memmem(got.p, got.len, "eth1", 4));
	CHECK(memmem(got.p, got.len, "tun0: 5 received, 4 dropped; tun1: 3 received, 0 dropped", 56));
	buf_done(&got);
}

/* Each file of a rotation has the interfaces of its own packets. */
static void test_link_rotation(void)
{
	struct output *o = begin("many.pcapng", (struct file_config){ .rotate_bytes = 100 });

	know_all(o);
	put(o, &eth0, frame, 60);
	put(o, &tun1, ip4, 20);
	put(o, &eth1, frame, 60);
	end(o);
	libpcap_reads(1, DLT_EN10MB);
	snprintf(path, sizeof(path), "%s/many.pcapng1", dir);
	libpcap_reads(1, DLT_RAW);
	snprintf(path, sizeof(path), "%s/many.pcapng2", dir);
	libpcap_reads(1, DLT_EN10MB);
}

static int saved_stderr = -1;

static void listen_stderr(void)
{
	char name[64];
	int fd;

	snprintf(name, sizeof(name), "%s/stderr", dir);
	fd = open(name, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0600);
	saved_stderr = dup(2);
	dup2(fd, 2);
	close(fd);
}

static struct buf said(void)
{
	char name[64];
	struct buf text;

	dup2(saved_stderr, 2);
	close(saved_stderr);
	snprintf(name, sizeof(name), "%s/stderr", dir);
	text = cf_slurp(name);
	buf_putc(&text, '\0');
	return text;
}

static void test_link_mixed(void)
{
	struct output *o;
	struct buf text;
	char err[PCAP_ERRBUF_SIZE];
	struct readout ro;
	int dlt;

	listen_stderr();
	o = begin("mixed.pcapng", (struct file_config){ 0 });
	know_all(o);
	put(o, &eth0, frame, 60);
	put(o, &tun0, ip4, 20);
	put(o, &tun1, ip4, 20);
	end(o);
	text = said();
	CHECK(strstr(text.p, "\"tun0\" have another link type than those of \"eth0\""));
	CHECK(!strstr(text.p, "tun1"));
	buf_done(&text);
	CHECK_INT(with_libpcap(&dlt, err), 1);
	ro = cf_read(path);
	CHECK_INT(ro.packets, 3);
	ro_done(&ro);
}

static void test_link_add_ethernet(void)
{
	static const uint8_t want[] = { 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0x08, 0, 0x45 };
	static const uint8_t want6[] = { 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 0, 1, 0x86, 0xdd, 0x60 };
	const char *const names[] = { "ether.pcapng", "ether.pcap" };

	for (int i = 0; i < 2; i++) {
		struct output *o = begin(names[i], (struct file_config){ .add_ethernet = true, .pcap = i });
		struct readout ro;
		struct buf got;

		know_all(o);
		put(o, &tun0, ip4, 96);
		put(o, &eth0, frame, 60);
		put(o, &tun1, ip6, 40);
		end(o);
		libpcap_reads(3, DLT_EN10MB);
		ro = cf_read(path);
		/* As long as the snapshot length allows. */
		CHECK(strstr(ro.text.p, " 96/210 "));
		CHECK(strstr(ro.text.p, " 60/160 "));
		CHECK(strstr(ro.text.p, " 54/154 "));
		ro_done(&ro);
		got = cf_slurp(path);
		CHECK(memmem(got.p, got.len, want, sizeof(want)));
		CHECK(memmem(got.p, got.len, want6, sizeof(want6)));
		buf_done(&got);
	}
}

/* Known before the file begins: cooked, as tcpdump's file of -i any. */
static void test_link_cooked(void)
{
	static const uint8_t want[] = { 8, 0, 0, 0, 0, 0, 0, 2, 0, 1, 4, 6, 2, 0, 0, 0, 0, 2, 0, 0, 0x45 };
	static const uint8_t want_raw[] = {
		0x86, 0xdd, 0, 0, 0, 0, 0, 3, 0xff, 0xfe, 4, 0, 0, 0, 0, 0, 0, 0, 0, 0, 0x60
	};
	struct output *o = begin("cooked.pcap", (struct file_config){ .pcap = true });
	struct readout ro;
	struct buf got;

	know_all(o);
	put(o, &eth0, frame, 60);
	put(o, &eth0, frame, 13);
	put(o, &tun0, ip6, 40);
	put(o, &tun0, ip4, 96);
	end(o);
	libpcap_reads(4, DLT_LINUX_SLL2);
	ro = cf_read(path);
	CHECK_STR(ro.text.p, "iface 0  dlt 276 snaplen 96\n"
			     "packet if 0 1700000000.000000000 66/166 dir 0\n"
			     "packet if 0 1700000000.000000000 20/119 dir 0\n"
			     "packet if 0 1700000000.000000000 60/160 dir 0\n"
			     "packet if 0 1700000000.000000000 96/216 dir 0\n");
	ro_done(&ro);
	got = cf_slurp(path);
	CHECK(memmem(got.p, got.len, want, sizeof(want)));
	CHECK(memmem(got.p, got.len, want_raw, sizeof(want_raw)));
	buf_done(&got);
}

/* One that comes later does not end the capture: its packets are missing, which is said once and counted. */
static void test_link_left_out(void)
{
	struct output *o;
	struct buf text;

	listen_stderr();
	o = begin("late.pcap", (struct file_config){ .pcap = true });
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	put(o, &eth0, frame, 60);
	CHECK_INT(o->ops->iface(o, &tun0), 0);
	put(o, &tun0, ip4, 20);
	put(o, &tun0, ip4, 20);
	put(o, &eth0, frame, 60);
	end(o);
	text = said();
	CHECK(strstr(text.p, "late.pcap: packets of \"tun0\" are left out"));
	CHECK(strstr(text.p, "2 packets left out"));
	buf_done(&text);
	libpcap_reads(2, DLT_EN10MB);
}

/* The next file of a rotation has both. */
static void test_link_left_out_until(void)
{
	struct output *o;
	struct buf text;

	listen_stderr();
	o = begin("until.pcap", (struct file_config){ .pcap = true, .rotate_bytes = 60 });
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	put(o, &eth0, frame, 13);
	CHECK_INT(o->ops->iface(o, &tun0), 0);
	put(o, &tun0, ip4, 20);
	put(o, &eth0, frame, 60);
	put(o, &tun0, ip4, 20);
	end(o);
	text = said();
	CHECK(strstr(text.p, "until.pcap: 1 packet left out"));
	buf_done(&text);
	libpcap_reads(2, DLT_EN10MB);
	snprintf(path, sizeof(path), "%s/until.pcap1", dir);
	libpcap_reads(1, DLT_LINUX_SLL2);
}

/* A file stays as it is, whatever libpcap makes of it, its numbers for raw IP too; unless it is to become alike. */
static void test_link_rewritten(void)
{
	for (int alike = 0; alike < 2; alike++) {
		struct reader_handler h = { .iface = pass_iface, .packet = pass_packet, .block = pass_block };
		struct capfile c = { 0 };
		struct reader *r;
		struct buf got;
		char in[64];

		cf_section(&c, NULL);
		cf_iface(&c, 101, 96, "tun0", 9, 0);
		cf_iface(&c, 12, 96, "tun1", 9, 0);
		cf_iface(&c, 101, 96, "tun2", 9, 0);
		cf_iface(&c, 1, 96, "eth0", 9, 0);
		cf_end(&c, cf_packet(&c, 3, 5, 60, 60, frame));
		cf_end(&c, cf_packet(&c, 1, 5, 20, 20, ip4));
		snprintf(in, sizeof(in), "%s/in", dir);
		cf_write(in, c.b.p, c.b.len);
		CHECK_INT(reader_open(&r, in), 0);
		h.arg = begin("rewritten.pcapng", (struct file_config){ .add_ethernet = alike });
		CHECK_INT(reader_run(r, &h), 0);
		end(h.arg);
		reader_free(r);
		got = cf_slurp(path);
		CHECK_INT(got.len == c.b.len && memcmp(got.p, c.b.p, got.len) == 0, !alike);
		if (alike)
			libpcap_reads(2, DLT_EN10MB);
		buf_done(&got);
		buf_done(&c.b);
	}
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(test_link_idle);
	RUN(test_link_raw_only);
	RUN(test_link_counts);
	RUN(test_link_rotation);
	RUN(test_link_mixed);
	RUN(test_link_add_ethernet);
	RUN(test_link_cooked);
	RUN(test_link_left_out);
	RUN(test_link_left_out_until);
	RUN(test_link_rewritten);
	snprintf(path, sizeof(path), "rm -rf %s", dir);
	return system(path) ? 1 : check_status();
}
