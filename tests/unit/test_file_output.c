/* SPDX-License-Identifier: BSD-3-Clause */
#include "output/output.h"

#include <dirent.h>
#include <errno.h>
#include <limits.h>
#include <pcap/dlt.h>
#include <signal.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/wait.h>

#include "capfile.h"
#include "check.h"
#include "format/comments.h"
#include "pass.h"

static const uint8_t bytes[300] = { 1, 2, 3, 4, 5, 6, 7, 8, 9 };
static char dir[] = "/tmp/file_output.XXXXXX";

static const char *in_dir(const char *name)
{
	static char path[4][PATH_MAX];
	static unsigned turn;

	turn = (turn + 1) % 4;
	snprintf(path[turn], sizeof(path[turn]), "%s/%s", dir, name);
	return path[turn];
}

static void empty_dir(void)
{
	DIR *d = opendir(dir);
	struct dirent *e;

	while ((e = readdir(d))) {
		if (e->d_name[0] != '.')
			unlink(in_dir(e->d_name));
	}
	closedir(d);
}

/* Names in the directory, sorted, joined by blanks. */
static const char *list_dir(void)
{
	static char text[1024];
	struct dirent **names;
	const int n = scandir(dir, &names, NULL, alphasort);

	text[0] = '\0';
	for (int i = 0; i < n; i++) {
		if (names[i]->d_name[0] != '.')
			snprintf(text + strlen(text), sizeof(text) - strlen(text), "%s%s", *text ? " " : "",
				 names[i]->d_name);
		free(names[i]);
	}
	free(names);
	return text;
}

static struct output *open_output(struct file_config config, const char *path)
{
	struct output *o = NULL;

	config.path = path;
	config.context = ANNOT_ALL;
	return output_file_new(&o, &config) ? NULL : o;
}

static int close_output(struct output *o)
{
	const int ret = o->ops->finish(o);

	o->ops->free(o);
	return ret;
}

static struct iface eth0 = {
	.id = 0,
	.ifindex = 2,
	.netns = 4026531840u,
	.dlt = DLT_EN10MB,
	.snaplen = 262144,
	.name = (char *)"eth0",
	.description = (char *)"the first",
	.filter = (char *)"tcp port 80",
	.received = 10,
	.dropped = 1,
};
static struct iface tun0 = {
	.id = 1,
	.ifindex = 3,
	.netns = 4026532999u,
	.other_netns = true,
	.dlt = DLT_RAW,
	.snaplen = 100,
	.name = (char *)"tun0",
	.netns_path = (char *)"/run/netns/a, b",
	.netns_name = (char *)"a, netNsPath: /proc/self/ns/net, b",
};

static struct annotation owner(unsigned pid, const char *args)
{
	return (struct annotation){
		.serial = pid,
		.has = ANNOT_PROCESS,
		.process = { .pid = pid, .cmd = str_of("/bin/x"), .args = str_of(args) },
	};
}

static int put(struct output *o, const struct iface *iface, unsigned n, enum direction d, const struct annotation *a)
{
	const struct packet p = {
		.sec = 1700000000 + n,
		.nsec = 123456789,
		.caplen = n,
		.len = n + 100,
		.data = bytes,
		.iface = iface,
		.dir = d,
		.annot = a,
	};

	return o->ops->packet(o, &p);
}

/* What a test expects on standard error is kept from the report. */
static int silence(void)
{
	const int saved = dup(2), null = open("/dev/null", O_WRONLY);

	dup2(null, 2);
	close(null);
	return saved;
}

static void unsilence(int saved)
{
	dup2(saved, 2);
	close(saved);
}

static void test_output_live(void)
{
	const struct annotation a = owner(12, "a\nb\\n"), b = owner(12 + 4096, "c");
	struct output *o = open_output((struct file_config){ 0 }, in_dir("live.pcapng"));
	struct readout ro;
	int saved;

	CHECK(o);
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	CHECK_INT(put(o, &eth0, 61, DIR_OUT, &a), 0);
	CHECK_INT(put(o, &eth0, 62, DIR_IN, &b), 0);
	CHECK_INT(o->ops->iface(o, &tun0), 0);
	saved = silence();
	CHECK_INT(put(o, &tun0, 63, DIR_NONE, NULL), 0);
	unsilence(saved);
	CHECK_INT(put(o, &eth0, 0, DIR_IN, &a), 0);
	CHECK_INT(close_output(o), 0);
	ro = cf_read(in_dir("live.pcapng"));
	CHECK_STR(ro.err, "");
	CHECK_STR(ro.text.p, "iface 0 eth0 dlt 1 snaplen 262144\n"
			     "packet if 0 1700000061.123456789 61/161 dir 2 pid 12 args a\nb\\n\n"
			     "packet if 0 1700000062.123456789 62/162 dir 1 pid 4108 args c\n"
			     "iface 1 tun0 dlt 12 snaplen 100\n"
			     "packet if 1 1700000063.123456789 63/163 dir 0\n"
			     "packet if 0 1700000000.123456789 0/100 dir 1 pid 12 args a\nb\\n\n"
			     "block 5 len 64\nblock 5 len 64\n");
	ro_done(&ro);
	empty_dir();
}

static unsigned times(const char *path, const char *text)
{
	char all[4096], *at = all;
	FILE *f = fopen(path, "r");
	const size_t n = f ? fread(all, 1, sizeof(all), f) : 0;
	unsigned found = 0;

	if (f)
		fclose(f);
	while ((at = memmem(at, n - (size_t)(at - all), text, strlen(text)))) {
		at += strlen(text);
		found++;
	}
	return found;
}

/* Each file tells ancestors, and the peer's labels, with the first packet of those that tell the same. */
static void test_told_once(void)
{
	struct annotation a = owner(12, "a"), b = owner(13, "b");
	struct output *o = open_output((struct file_config){ 0 }, in_dir("once.pcapng"));

	a.has |= ANNOT_ANCESTORS;
	a.ancestors = str_of("sh.7");
	b.has |= ANNOT_PEER_ANCESTORS | ANNOT_PEER_CONTAINER | ANNOT_PEER_IMAGE | ANNOT_PEER_POD_LABELS;
	b.peer_ancestors = str_of("zsh.8");
	b.peer_container =
		(struct container_desc){ str_of("i0"), str_of("web"), str_of("nginx"), str_of("{\"k\":\"v\"}") };
	b.peer_pod.labels = str_of("{\"p\":\"q\"}");
	CHECK(o);
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	for (unsigned i = 0; i < 3; i++) {
		CHECK_INT(put(o, &eth0, 61, DIR_OUT, &a), 0);
		CHECK_INT(put(o, &eth0, 61, DIR_IN, &b), 0);
	}
	CHECK_INT(close_output(o), 0);
	CHECK_INT(times(in_dir("once.pcapng"), "PID: 12"), 3);
	CHECK_INT(times(in_dir("once.pcapng"), "Ancestors: sh.7"), 1);
	CHECK_INT(times(in_dir("once.pcapng"), "PeerAncestors: zsh.8"), 1);
	CHECK_INT(times(in_dir("once.pcapng"), "PeerContainerId: i0"), 3);
	CHECK_INT(times(in_dir("once.pcapng"), "PeerContainerImage: nginx"), 1);
	CHECK_INT(times(in_dir("once.pcapng"), "PeerContainerLabels: {\"k\":\"v\"}"), 1);
	CHECK_INT(times(in_dir("once.pcapng"), "PeerPodLabels: {\"p\":\"q\"}"), 1);
	empty_dir();
}

static int keep_iface(void *arg, const struct iface *iface)
{
	const struct iface **kept = arg;

	kept[iface->id] = iface;
	return 0;
}

static int ignore_packet(void *arg, const struct packet *p)
{
	return 0;
}

/* Of a packet of a file, all comments are left out, and it had no other options. */
static void test_nothing_told(void)
{
	const struct file_config config = { .path = in_dir("none.pcapng"),
					    .context = ANNOT_USER,
					    .compact_comments = true };
	const struct annotation a = owner(7, "-a");
	struct packet p = { .caplen = 10, .len = 10, .data = bytes, .iface = &eth0, .annot = &a };
	struct buf options = { 0 };
	struct output *o;

	annotation_encode(&annotation_schema, &options, &a, ANNOT_ALL);
	p.options = (const uint8_t *)options.p;
	p.options_len = options.len;
	CHECK_INT(output_file_new(&o, &config), 0);
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	CHECK_INT(o->ops->packet(o, &p), 0);
	CHECK_INT(close_output(o), 0);
	buf_done(&options);
	unlink(config.path);
}

static void test_output_iface_fields(void)
{
	struct output *o = open_output((struct file_config){ 0 }, in_dir("f"));
	const struct iface *kept[2] = { 0 };
	const struct reader_handler h = { .arg = kept, .iface = keep_iface, .packet = ignore_packet };
	struct reader *r;
	int saved = silence();

	CHECK_INT(put(o, &eth0, 1, DIR_IN, NULL), 0);
	CHECK_INT(put(o, &tun0, 1, DIR_IN, NULL), 0);
	unsilence(saved);
	CHECK_INT(close_output(o), 0);
	CHECK_INT(reader_open(&r, in_dir("f")), 0);
	CHECK_INT(reader_dlt(r), DLT_EN10MB);
	CHECK(reader_is_pcapng(r));
	CHECK_INT(reader_run(r, &h), 0);
	CHECK_STR(kept[0]->name, "eth0");
	CHECK_STR(kept[0]->description, "the first");
	CHECK_STR(kept[0]->filter, "tcp port 80");
	CHECK_INT(kept[0]->ifindex, 2);
	CHECK_INT(kept[0]->netns, 4026531840u);
	CHECK(!kept[0]->other_netns && kept[0]->from_file);
	CHECK_STR(kept[0]->netns_path, "/proc/self/ns/net");
	CHECK(!kept[0]->netns_name);
	CHECK_INT(kept[1]->netns, 4026532999u);
	CHECK(kept[1]->other_netns);
	CHECK_STR(kept[1]->netns_path, "/run/netns/a, b");
	CHECK_STR(kept[1]->netns_name, "a, netNsPath: /proc/self/ns/net, b");
	CHECK_STR(kept[1]->name, "tun0");
	CHECK(strstr((const char *)kept[1]->options + 4, "tun0@a, netNsPath: "));
	reader_free(r);
	empty_dir();
}

static int rewrite(const char *from, const char *to, struct file_config config)
{
	struct reader_handler h = { .iface = pass_iface, .packet = pass_packet, .block = pass_block };
	struct output *o;
	struct reader *r;
	int ret = reader_open(&r, from);

	o = open_output(config, to);
	if (ret || !o)
		return -1;
	h.arg = o;
	ret = reader_run(r, &h);
	if (close_output(o))
		ret = -1;
	reader_free(r);
	return ret;
}

/* A file with everything that we do not write ourselves. */
static void build_foreign(struct capfile *c)
{
	static const char *const comments[] = { "a note", "PID: 12\nCmd: /bin/x\nArgs: x -y", "another" };
	size_t start;

	cf_section(c, "a comment of the section");
	start = cf_begin(c, PCAPNG_IDB);
	cf16(c, 147);
	cf16(c, 0);
	cf32(c, 96);
	cf_option_str(c, OPT_COMMENT, "who plugged this in?");
	cf_option_str(c, IF_NAME, "odd0");
	cf_option64(c, IF_SPEED, 10000000000);
	cf_option(c, IF_TSRESOL, "\x0c", 1);
	cf_option64(c, IF_TSOFFSET, (uint64_t)-5);
	cf_option32(c, OPT_CUSTOM_BIN, 32473);
	cf32(c, 0);
	cf_end(c, start);
	cf_iface(c, 1, 0, "eth0", 0x80 | 30, 0);
	start = cf_begin(c, PCAPNG_NRB);
	cf16(c, 1);
	cf16(c, 13);
	cf_bytes(c, "\x0a\x00\x00\x01router", 11);
	cf_bytes(c, "\0\0", 2);
	cf_pad(c);
	cf32(c, 0);
	cf_end(c, start);
	start = cf_begin(c, PCAPNG_DSB);
	cf32(c, 0x544c534b);
	cf32(c, 10);
	cf_bytes(c, "CLIENT_...", 10);
	cf_end(c, start);
	start = cf_packet(c, 0, 0x123456789abcdef0, 3, 4, bytes);
	cf_option32(c, EPB_FLAGS, 0x12345671);
	cf_option(c, EPB_HASH,
		  "\x02"
		  "abcd",
		  5);
	cf_option64(c, EPB_DROPCOUNT, 77);
	for (unsigned i = 0; i < 3; i++)
		cf_option_str(c, OPT_COMMENT, comments[i]);
	cf_option64(c, EPB_PACKETID, 78);
	cf_option32(c, EPB_QUEUE, 79);
	cf_option(c, EPB_VERDICT, "\0x", 2);
	cf32(c, 0);
	cf_end(c, start);
	cf_end(c, cf_packet(c, 1, 99, 300, 300, bytes));
	start = cf_begin(c, PCAPNG_CB);
	cf32(c, 32473);
	cf_bytes(c, bytes, 7);
	cf_end(c, start);
	start = cf_begin(c, PCAPNG_ISB);
	cf32(c, 1);
	cf32(c, 1);
	cf32(c, 2);
	cf_option64(c, ISB_IFRECV, 5);
	cf32(c, 0);
	cf_end(c, start);
	cf_section(c, NULL);
	cf_iface(c, 113, 0, "second", 9, 0);
	cf_end(c, cf_packet(c, 0, 5, 5, 5, bytes));
}

/* Byte for byte the same. */
static void test_output_rewrite(void)
{
	struct capfile c = { 0 }, big = { .big = true };
	struct buf got;

	build_foreign(&c);
	build_foreign(&big);
	cf_write(in_dir("in"), c.b.p, c.b.len);
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ 0 }), 0);
	got = cf_slurp(in_dir("out"));
	CHECK_INT(got.len, c.b.len);
	CHECK_MEM(got.p, c.b.p, c.b.len);
	buf_done(&got);
	/* From the other byte order it becomes the same file. */
	cf_write(in_dir("in"), big.b.p, big.b.len);
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ 0 }), 0);
	got = cf_slurp(in_dir("out"));
	CHECK_INT(got.len, c.b.len);
	/* ISB times are two 32-bit fields, and so on: every field of known blocks is turned. */
	CHECK_MEM(got.p, c.b.p, c.b.len);
	buf_done(&got);
	buf_done(&c.b);
	buf_done(&big.b);
	empty_dir();
}

/* Names and secrets serve the packets of later files, too. */
static void test_output_rotate_blocks(void)
{
	struct capfile c = { 0 };
	struct readout ro;
	char name[32];
	size_t start;
	unsigned n = 0;

	cf_section(&c, NULL);
	cf_iface(&c, 1, 0, "eth0", 9, 0);
	for (unsigned type = PCAPNG_NRB; type <= PCAPNG_DSB; type += PCAPNG_DSB - PCAPNG_NRB) {
		start = cf_begin(&c, type);
		cf_bytes(&c, bytes, 40);
		cf_end(&c, start);
	}
	for (unsigned i = 0; i < 30; i++)
		cf_end(&c, cf_packet(&c, 0, i, 200, 200, bytes));
	cf_write(in_dir("in"), c.b.p, c.b.len);
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ .rotate_bytes = 2000 }), 0);
	for (;; n++) {
		snprintf(name, sizeof(name), n ? "out%u" : "out", n);
		if (access(in_dir(name), F_OK))
			break;
		ro = cf_read(in_dir(name));
		CHECK_STR(ro.err, "");
		CHECK(strstr(ro.text.p, "block 4 len 40\nblock a len 40\npacket if 0"));
		CHECK_INT(ro.blocks, 3);
		ro_done(&ro);
	}
	CHECK(n > 2);
	buf_done(&c.b);
	empty_dir();
}

static void test_output_pcap(void)
{
	struct capfile c = { 0 };
	struct buf got;

	for (unsigned nano = 0; nano < 2; nano++) {
		c.b.len = 0;
		cf_pcap_header(&c, nano ? 0xa1b23c4d : 0xa1b2c3d4, 65535, 101 | 0x24000000);
		cf_pcap_record(&c, 0xfffffff0, 999999, 60, 90, bytes);
		cf_pcap_record(&c, 1, 0xffffffff, 0, 90, bytes);
		cf_write(in_dir("in"), c.b.p, c.b.len);
		CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ .pcap = true, .nano = nano }), 0);
		got = cf_slurp(in_dir("out"));
		CHECK_INT(got.len, c.b.len);
		CHECK_MEM(got.p, c.b.p, c.b.len);
		buf_done(&got);
	}
	buf_done(&c.b);
	empty_dir();
}

static void test_output_pcap_two_link_types(void)
{
	struct output *o = open_output((struct file_config){ .pcap = true }, in_dir("x.pcap"));
	struct iface radio = tun0;
	int saved;

	radio.dlt = DLT_IEEE802_11;
	CHECK_INT(o->ops->iface(o, &eth0), 0);
	saved = silence();
	CHECK_INT(o->ops->iface(o, &radio), -ENOTRECOVERABLE);
	unsilence(saved);
	CHECK_INT(put(o, &eth0, 1, DIR_IN, NULL), -ENOTRECOVERABLE);
	CHECK_INT(close_output(o), 0);
	empty_dir();
}

static uint32_t pcap_header_word(const struct iface *iface, unsigned word)
{
	struct output *o = open_output((struct file_config){ .pcap = true }, in_dir("x.pcap"));
	uint32_t header[6] = { 0 };
	FILE *f;

	o->ops->iface(o, iface);
	close_output(o);
	f = fopen(in_dir("x.pcap"), "re");
	if (!f || fread(header, sizeof(header), 1, f) != 1)
		word = 0;
	if (f)
		fclose(f);
	empty_dir();
	return header[word];
}

static void test_output_pcap_header(void)
{
	enum { SNAPLEN = 4, NETWORK = 5 };
	struct iface iface = { .dlt = DLT_EN10MB, .snaplen = 96, .name = (char *)"", .from_file = true, .fcs_len = 4 };

	CHECK_INT(pcap_header_word(&iface, SNAPLEN), 96);
	CHECK_INT(pcap_header_word(&iface, NETWORK), 0x24000001);
	/* There are four bits for it. */
	iface.fcs_len = 64;
	CHECK_INT(pcap_header_word(&iface, NETWORK), 1);
	iface.fcs_len = 0;
	/* Of a pcapng file, whose other interfaces may have longer packets. */
	iface.options = (const uint8_t *)"";
	CHECK_INT(pcap_header_word(&iface, SNAPLEN), 262144);
	iface.dlt = DLT_DBUS;
	CHECK_INT(pcap_header_word(&iface, SNAPLEN), 128 << 20);
}

/* Only packets that are written count; without any, the header tells of the first interface. */
static void test_output_pcap_of_mixed_file(void)
{
	struct capfile c = { 0 };
	struct readout ro;
	int saved;

	cf_section(&c, NULL);
	cf_iface(&c, 113, 100, "cooked", 9, 0);
	cf_iface(&c, 1, 200, "ether", 9, 0);
	cf_write(in_dir("in"), c.b.p, c.b.len);
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ .pcap = true }), 0);
	ro = cf_read(in_dir("out"));
	CHECK_STR(ro.text.p, "iface 0  dlt 113 snaplen 262144\n");
	ro_done(&ro);
	cf_end(&c, cf_packet(&c, 1, 5, 5, 5, bytes));
	cf_write(in_dir("in"), c.b.p, c.b.len);
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ .pcap = true }), 0);
	ro = cf_read(in_dir("out"));
	CHECK_STR(ro.text.p, "iface 0  dlt 1 snaplen 262144\npacket if 0 0.000000000 5/5 dir 0\n");
	ro_done(&ro);
	cf_end(&c, cf_packet(&c, 0, 5, 5, 5, bytes));
	cf_write(in_dir("in"), c.b.p, c.b.len);
	saved = silence();
	CHECK_INT(rewrite(in_dir("in"), in_dir("out"), (struct file_config){ .pcap = true }), -ENOTRECOVERABLE);
	unsilence(saved);
	buf_done(&c.b);
	empty_dir();
}

/* Names as tcpdump gives them; every file is whole, and has its interfaces. */
static void test_output_rotate_size(void)
{
	static const struct {
		unsigned files, packets;
		const char *names;
	} cases[] = {
		{ 0, 12,
		  "f.pcapng f.pcapng1 f.pcapng10 f.pcapng11 f.pcapng2 f.pcapng3 f.pcapng4 f.pcapng5 f.pcapng6 "
		  "f.pcapng7 f.pcapng8 f.pcapng9" },
		{ 1, 12, "f.pcapng" },
		{ 3, 12, "f.pcapng0 f.pcapng1 f.pcapng2" },
		{ 11, 12,
		  "f.pcapng00 f.pcapng01 f.pcapng02 f.pcapng03 f.pcapng04 f.pcapng05 f.pcapng06 f.pcapng07 "
		  "f.pcapng08 f.pcapng09 f.pcapng10" },
		{ 100, 2, "f.pcapng00 f.pcapng01" },
	};

	for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
		const struct file_config config = { .rotate_bytes = 100, .rotate_files = cases[i].files };
		struct output *o = open_output(config, in_dir("f.pcapng"));
		struct readout ro;

		CHECK_INT(o->ops->iface(o, &eth0), 0);
		CHECK_INT(o->ops->iface(o, &tun0), 0);
		for (unsigned n = 0; n < cases[i].packets; n++)
			CHECK_INT(put(o, &tun0, n, DIR_IN, NULL), 0);
		CHECK_INT(close_output(o), 0);
		CHECK_STR(list_dir(), cases[i].names);
		ro = cf_read(in_dir(cases[i].files ? "f.pcapng01" : "f.pcapng1"));
		if (cases[i].files != 1 && cases[i].files != 3) {
			CHECK_INT(ro.run, 0);
			CHECK_INT(ro.ifaces, 1);
			CHECK_INT(ro.packets, 1);
		}
		ro_done(&ro);
		empty_dir();
	}
}

static void test_output_rotate_time(void)
{
	struct output *o =
		open_output((struct file_config){ .rotate_seconds = 1, .rotate_files = 2 }, in_dir("g-%Y-%s.pcapng"));
	int ret = 0, saved = silence();
	unsigned n = 0;

	for (; n < 400 && !ret; n++) {
		ret = put(o, &eth0, 5, DIR_IN, NULL);
		usleep(10000);
	}
	unsilence(saved);
	CHECK_INT(ret, -ECANCELED);
	CHECK(n > 90 && n < 400);
	CHECK_INT(close_output(o), 0);
	CHECK_INT(strlen(list_dir()), 2 * strlen("g-2026-1234567890.pcapng") + 1);
	empty_dir();
}

/* The command gets the finished file's name, whatever is in it, and leaves no zombie. */
/* Waits until a file has so many bytes; a busy machine may take its time to run a command. */
static void await_size(const char *path, off_t size)
{
	struct stat st = { .st_size = -1 };

	for (unsigned n = 0; n < 2000 && (stat(path, &st) || st.st_size < size); n++)
		usleep(5000);
}

static void test_output_command(void)
{
	const struct file_config config = { .rotate_bytes = 100, .command = in_dir("cmd"), .pcap = true };
	const char *script = "#!/bin/sh\necho \"$#:$1\" >>\"${0%/*}/log\"\n";
	struct output *o;
	struct buf log;
	char want[256];

	cf_write(in_dir("cmd"), script, strlen(script));
	chmod(in_dir("cmd"), 0700);
	o = open_output(config, in_dir("a b;$(x)"));
	for (unsigned n = 0; n < 3; n++) {
		CHECK_INT(put(o, &eth0, 200, DIR_IN, NULL), 0);
		/* The commands run side by side: the next one is started when this one has written its line. */
		if (n > 0)
			await_size(in_dir("log"), n * (off_t)strlen(in_dir("1:a b;$(x)\n")));
	}
	CHECK_INT(close_output(o), 0);
	CHECK_INT(waitpid(-1, NULL, WNOHANG), -1);
	log = cf_slurp(in_dir("log"));
	buf_put(&log, "", 1);
	snprintf(want, sizeof(want), "1:%s/a b;$(x)\n1:%s/a b;$(x)1\n", dir, dir);
	CHECK_STR(log.p, want);
	buf_done(&log);
	empty_dir();
}

static void test_output_reopen(void)
{
	struct output *o = open_output((struct file_config){ 0 }, in_dir("x"));
	struct readout ro;

	CHECK_INT(put(o, &eth0, 1, DIR_IN, NULL), 0);
	CHECK_INT(output_file_rotate(o), 0); /* still there: must not be emptied */
	CHECK_INT(put(o, &eth0, 2, DIR_IN, NULL), 0);
	CHECK_INT(rename(in_dir("x"), in_dir("x.1")), 0);
	CHECK_INT(output_file_rotate(o), 0);
	CHECK_INT(put(o, &eth0, 3, DIR_IN, NULL), 0);
	CHECK_INT(close_output(o), 0);
	ro = cf_read(in_dir("x.1"));
	CHECK_INT(ro.packets, 2);
	ro_done(&ro);
	ro = cf_read(in_dir("x"));
	CHECK_INT(ro.packets, 1);
	CHECK_INT(ro.ifaces, 1);
	ro_done(&ro);
	empty_dir();
}

/* A file that may not grow: it ends behind a whole record, at every limit, and says so once. */
static int fill_up(unsigned limit, bool pcap)
{
	const struct rlimit lim = { limit, RLIM_INFINITY };
	struct output *o = open_output((struct file_config){ .pcap = pcap }, in_dir("full"));
	const struct annotation a = owner(5, "x");
	int ret = 0;

	setrlimit(RLIMIT_FSIZE, &lim);
	for (unsigned n = 0; n < 300 && !ret; n++) {
		ret = put(o, &eth0, n % 200, DIR_IN, &a);
		if (!ret && n % 7 == 0)
			ret = o->ops->flush(o);
	}
	if (ret != -EFBIG || put(o, &eth0, 1, DIR_IN, NULL) != -EFBIG)
		return 1;
	return close_output(o) ? 2 : 0;
}

static void test_output_no_space(void)
{
	for (unsigned i = 0; i < 60; i++) {
		const bool pcap = i % 2;
		struct readout ro;
		struct stat st;
		int status;
		const pid_t pid = fork();

		if (pid == 0) {
			signal(SIGXFSZ, SIG_IGN);
			_exit(fill_up(2000 + i * 13, pcap));
		}
		waitpid(pid, &status, 0);
		CHECK_INT(status, 0);
		ro = cf_read(in_dir("full"));
		CHECK_STR(ro.err, "");
		CHECK_INT(ro.run, 0);
		CHECK(ro.packets > 0);
		CHECK_INT(stat(in_dir("full"), &st), 0);
		CHECK(st.st_size <= 2000 + (off_t)i * 13);
		ro_done(&ro);
		empty_dir();
	}
}

static void test_output_full_device(void)
{
	struct output *o = open_output((struct file_config){ 0 }, "/dev/full");

	CHECK(o);
	CHECK_INT(put(o, &eth0, 1, DIR_IN, NULL), 0);
	CHECK_INT(o->ops->flush(o), -ENOSPC);
	CHECK_INT(o->ops->flush(o), -ENOSPC);
	CHECK_INT(close_output(o), 0);
}

static void test_output_broken_pipe(void)
{
	struct output *o;
	int fds[2], ret = 0;
	char path[64];

	CHECK_INT(pipe(fds), 0);
	snprintf(path, sizeof(path), "/dev/fd/%d", fds[1]);
	signal(SIGPIPE, SIG_IGN);
	o = open_output((struct file_config){ .packet_buffered = true }, path);
	CHECK(o);
	CHECK_INT(put(o, &eth0, 1, DIR_IN, NULL), 0);
	close(fds[0]);
	for (unsigned i = 0; i < 3 && !ret; i++)
		ret = put(o, &eth0, 1, DIR_IN, NULL);
	CHECK_INT(ret, -EPIPE);
	CHECK_INT(close_output(o), 0);
	close(fds[1]);
}

static void test_output_bad_paths(void)
{
	const int saved = silence();
	struct output *none = open_output((struct file_config){ 0 }, "/nowhere/at/all.pcapng");
	struct output *rotated = open_output((struct file_config){ .rotate_bytes = 1 }, "-");
	struct output *empty = open_output((struct file_config){ 0 }, "");

	unsilence(saved);
	CHECK(!none && !rotated && !empty);
}

static void test_output_owner(void)
{
	struct output *o;
	struct stat st;

	if (geteuid() != 0)
		CHECK_SKIP("needs root");
	o = open_output((struct file_config){ .set_owner = true, .uid = 12345, .gid = 54321 }, in_dir("owned"));
	CHECK(o);
	CHECK_INT(stat(in_dir("owned"), &st), 0);
	CHECK_INT(st.st_uid, 12345);
	CHECK_INT(st.st_gid, 54321);
	CHECK_INT(close_output(o), 0);
	empty_dir();
}

int main(void)
{
	if (!mkdtemp(dir))
		return 1;
	RUN(test_output_live);
	RUN(test_told_once);
	RUN(test_nothing_told);
	RUN(test_output_iface_fields);
	RUN(test_output_rewrite);
	RUN(test_output_pcap);
	RUN(test_output_pcap_two_link_types);
	RUN(test_output_pcap_header);
	RUN(test_output_pcap_of_mixed_file);
	RUN(test_output_rotate_size);
	RUN(test_output_rotate_time);
	RUN(test_output_rotate_blocks);
	RUN(test_output_command);
	RUN(test_output_reopen);
	RUN(test_output_no_space);
	RUN(test_output_full_device);
	RUN(test_output_broken_pipe);
	RUN(test_output_bad_paths);
	RUN(test_output_owner);
	empty_dir();
	rmdir(dir);
	return check_status();
}
