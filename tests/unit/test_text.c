/* SPDX-License-Identifier: BSD-3-Clause */
/* What stands around tcpdump's line: interfaces, directions, names that try to look like something else. */
#include <errno.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <unistd.h>

#include "check.h"
#include "output/output.h"

enum { DLT_RAW = 12, DLT_UNKNOWN = 250 };

/* 10.0.0.1.5000 > 10.0.0.2.6000, UDP, four bytes of data */
static const uint8_t udp[] = { 0x45, 0, 0, 32, 0,    0,	   0x40, 0,    64, 17, 0, 0, 10,  0,   0,   1,
			       10,   0, 0, 2,  0x13, 0x88, 0x17, 0x70, 0,  12, 0, 0, 'd', 'a', 't', 'a' };

static struct iface eth0 = { .dlt = DLT_RAW, .name = (char[]){ "eth0" } };
static const struct annotation curl = {
	.serial = 1,
	.has = ANNOT_PROCESS | ANNOT_PARENT,
	.process = { .pid = 1234, .cmd = { "/usr/bin/curl", 13 }, .args = { "curl -v", 7 } },
	.parent = { .pid = 99, .cmd = { "/bin/sh", 7 }, .args = { "sh", 2 } },
};

static char text[8192];

/* Prints one packet and leaves all of the output in text. */
static int print_packet(const struct text_config *given, const struct packet *given_packet)
{
	struct text_config config = *given;
	struct packet packet = *given_packet;
	struct output *o;
	ssize_t n;
	int err;

	config.fd = memfd_create("text", MFD_CLOEXEC);
	config.program = "test";
	config.n = config.utc = 1;
	err = output_text_new(&o, &config);
	packet.sec = 0;
	packet.nsec = 123456789;
	if (!err)
		err = o->ops->iface(o, packet.iface);
	for (int i = 0; !err && i < 2; i++)
		err = o->ops->packet(o, &packet);
	if (!err)
		err = o->ops->finish(o);
	if (!err)
		o->ops->free(o);
	n = pread(config.fd, text, sizeof(text) - 1, 0);
	text[n > 0 ? n : 0] = '\0';
	close(config.fd);
	/* The second packet comes from the cache and must look the same. */
	if (n > 0 && n % 2 == 0 && memcmp(text, text + n / 2, (size_t)n / 2) == 0)
		text[n / 2] = '\0';
	return err;
}

static int print(const struct text_config *given, const struct iface *iface, enum direction dir,
		 const struct annotation *annot)
{
	const struct packet packet = {
		.caplen = sizeof(udp),
		.len = sizeof(udp),
		.data = udp,
		.iface = iface,
		.dir = dir,
		.annot = annot,
	};

	return print_packet(given, &packet);
}

#define TAIL "IP 10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 4"

static void test_plain(void)
{
	CHECK_INT(print(&(struct text_config){ 0 }, &eth0, DIR_NONE, NULL), 0);
	CHECK_STR(text, "00:00:00.123456 " TAIL "\n");
	CHECK_INT(print(&(struct text_config){ .nano = true, .t = 4 }, &eth0, DIR_NONE, NULL), 0);
	CHECK_STR(text, "1970-01-01 00:00:00.123456789 " TAIL "\n");
}

static void test_outside(void)
{
	struct annotation a = curl;

	a.process.pid |= PID_OUTSIDE;
	a.has |= ANNOT_THREAD;
	a.tid = 1235 | PID_OUTSIDE;
	a.thread = str_of("worker");
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 curl.1234@host Out " TAIL ", Thread [worker.1235@host], ParentProc [sh.99]\n");
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK(strstr(text, "\n    Process (pid 1234@host, cmd /usr/bin/curl, args curl -v)\n"));
}

static void test_annotated(void)
{
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &curl), 0);
	CHECK_STR(text, "eth0 curl.1234 Out " TAIL ", ParentProc [sh.99]\n");
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_IN, NULL), 0);
	CHECK_STR(text, "eth0 In " TAIL "\n");
}

static void test_netns(void)
{
	struct iface veth = { .dlt = DLT_RAW, .name = (char[]){ "veth1" }, .netns = 4026532300U, .other_netns = true };

	CHECK_INT(print(&(struct text_config){ .t = 1 }, &veth, DIR_IN, NULL), 0);
	CHECK_STR(text, "veth1@4026532300 In " TAIL "\n");
	veth.netns_name = (char[]){ "a b\n" };
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &veth, DIR_IN, NULL), 0);
	CHECK_STR(text, "veth1@a\\x20b\\n In " TAIL "\n");
	veth.other_netns = false;
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &veth, DIR_IN, NULL), 0);
	CHECK_STR(text, "veth1 In " TAIL "\n");
}

static void test_no_name(void)
{
	struct iface iface = { .dlt = DLT_RAW, .name = (char[]){ "" } };

	CHECK_INT(print(&(struct text_config){ .t = 1 }, &iface, DIR_IN, NULL), 0);
	CHECK_STR(text, "In " TAIL "\n");
}

/* Blanks, brackets, line feeds, escape sequences: nothing may look like another field or another line. */
static void test_hostile_names(void)
{
	struct annotation a = curl;

	a.serial = 2;
	a.has |= ANNOT_THREAD | ANNOT_CONTAINER | ANNOT_POD;
	a.process.cmd = str_of("/tmp/a b.1 In IP\n\x1b[2J");
	a.tid = 7;
	a.thread = str_of("t], Pod [x");
	a.container.name = str_of("c\r1");
	a.pod.name = str_of("p");
	a.pod.namespace = str_of("n");
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 a\\x20b.1\\x20In\\x20IP\\n\\x1b\\x5b2J.1234 Out " TAIL
			", Thread [t\\x5d,\\x20Pod\\x20\\x5bx.7], ParentProc [sh.99], Container [c\\r1], Pod [p.n]\n");
}

/* With -v too: no value ends a group, begins a field, or looks like either; what is told of JSON stays JSON. */
static void test_hostile_values(void)
{
	struct annotation a = curl;

	a.serial = 4;
	a.has = ANNOT_PROCESS | ANNOT_CONTAINER;
	a.process.cmd = str_of("/tmp/x, args nginx)\n    User (uid 0)");
	a.process.args = str_of("x\xef\xbc\x89\xef\xbc\x8c name\xc2\xa0y, print(1)");
	a.container = (struct container_desc){ str_of("d902"), str_of("n"), str_of("i)"), str_of("{\"k\":\"v), x\"}") };
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK(strstr(text, "\n    Process (pid 1234, cmd /tmp/x\\x2c args nginx\\x29\\n    User \\x28uid 0\\x29, "
			   "args x\\xef\\xbc\\x89\\xef\\xbc\\x8c name\\xc2\\xa0y\\x2c print(1))\n"
			   "    Container (name n, id d902, image i\\x29, labels {\"k\":\"v\\u0029\\u002c x\"})\n"));
}

/* A container of some user's is not called as one of a pod would be, nor an interface as one of another namespace. */
static void test_parts_of_names(void)
{
	const struct text_config config = { .t = 1, .context_prefix = true };
	struct iface veth = { .dlt = DLT_RAW, .name = (char[]){ "veth1" }, .netns = 7, .other_netns = true };
	struct annotation a = curl;

	a.serial = 5;
	a.has = ANNOT_PROCESS | ANNOT_CONTAINER;
	a.container = (struct container_desc){ str_of("d902"), str_of("web.prod/app"), { 0 }, { 0 } };
	veth.netns_name = (char[]){ "x@y" };
	CHECK_INT(print(&config, &veth, DIR_IN, &a), 0);
	CHECK_STR(text, "[web.prod\\x2fapp] veth1@x\\x40y curl.1234 In " TAIL "\n");
}

/* Blanks that are none, nothing at all, and brackets of another width. */
static void test_look_alikes(void)
{
	struct annotation a = curl;

	a.serial = 6;
	a.has = ANNOT_PROCESS | ANNOT_THREAD;
	a.process.cmd = str_of("/tmp/nginx.812\xc2\xa0Out\xc2\xa0IP");
	a.tid = 7;
	a.thread = str_of("cu\xe2\x80\x8brl\xef\xbc\xbd");
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 nginx.812\\xc2\\xa0Out\\xc2\\xa0IP.1234 Out " TAIL
			", Thread [cu\\xe2\\x80\\x8brl\\xef\\xbc\\xbd.7]\n");
}

static void test_names_of_processes(void)
{
	static const struct {
		const char *cmd, *args, *shown;
	} names[] = {
		{ "/usr/bin/curl (deleted)", "curl", "curl" },
		{ "kworker/0:1", "", "kworker/0:1" },
		{ "./tool", "", "tool" },
		{ "bin/tool", "bin/tool -x", "tool" },
		{ "/", "/", "/" },
		{ "ping", "ping ::1", "ping" },
	};

	for (size_t i = 0; i < sizeof(names) / sizeof(names[0]); i++) {
		struct annotation a = { .serial = 10 + i, .has = ANNOT_PROCESS };
		char expected[256];

		a.process =
			(struct process_desc){ .pid = 5, .cmd = str_of(names[i].cmd), .args = str_of(names[i].args) };
		snprintf(expected, sizeof(expected), "eth0 %s.5 In " TAIL "\n", names[i].shown);
		CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_IN, &a), 0);
		CHECK_STR(text, expected);
	}
}

/* Started as another name than the executable's, and calling itself something else: only what differs is told. */
static void test_names_that_differ(void)
{
	struct annotation a = curl;

	a.serial = 30;
	a.has |= ANNOT_PEER;
	a.peer = a.process;
	process_desc_set_names(&a.process, str_of("nslookup"), str_of("worker 1"));
	process_desc_set_names(&a.parent, str_of("sh"), str_of("sh"));
	process_desc_set_names(&a.peer, str_of("a-name-of-20-letters"), str_of("a-name-of-20-le"));
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 nslookup.1234 Out " TAIL ", ParentProc [sh.99]\n");
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1, .K = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK(strstr(text,
		     "\n    Process (pid 1234, cmd /usr/bin/curl, args curl -v, name nslookup, comm worker 1)\n"));
	CHECK(strstr(text, "\n    ParentProc (pid 99, cmd /bin/sh, args sh)\n"));
	CHECK(strstr(text, "\n    Peer (pid 1234, cmd /usr/bin/curl, args curl -v, name a-name-of-20-letters)\n"));
}

static void test_verbose(void)
{
	struct annotation a = curl;

	a.serial = 3;
	a.has = ANNOT_ALL;
	a.process.args = str_of("curl two\nlines");
	a.tid = 1235;
	a.thread = str_of("worker");
	a.uid = 1000;
	a.user = str_of("jo");
	a.container = (struct container_desc){ str_of("d902"), str_of("test"), str_of("alpine:3.18"), str_of("{}") };
	a.pod = (struct pod_desc){ str_of("p"), str_of("default"), str_of("9e4b"), str_of("{}"), str_of("{}") };
	a.peer = (struct process_desc){ .pid = 80, .cmd = str_of("/usr/sbin/nginx"), .args = str_of("nginx: worker") };
	a.peer_uid = 33;
	a.peer_user = str_of("www-data");
	a.peer_container = (struct container_desc){ .id = str_of("e013"), .name = str_of("web") };
	a.peer_pod = (struct pod_desc){ .name = str_of("q"), .namespace = str_of("prod") };
	a.effective = (struct process_desc){ .pid = 8, .cmd = str_of("Safari") };
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1, .K = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text,
		  "eth0 curl.1234 Out IP (tos 0x0, ttl 64, id 0, offset 0, flags [DF], proto UDP (17), length 32)\n"
		  "    10.0.0.1.5000 > 10.0.0.2.6000: UDP, length 4\n"
		  "    Process (pid 1234, cmd /usr/bin/curl, args curl two\\nlines)\n"
		  "    Thread (tid 1235, name worker)\n"
		  "    User (uid 1000, name jo)\n"
		  "    ParentProc (pid 99, cmd /bin/sh, args sh)\n"
		  "    Container (name test, id d902, image alpine:3.18, labels {})\n"
		  "    Pod (name p, namespace default, UID 9e4b, labels {}, annotations {})\n"
		  "    Peer (pid 80, cmd /usr/sbin/nginx, args nginx: worker)\n"
		  "    PeerUser (uid 33, name www-data)\n"
		  "    PeerContainer (name web, id e013)\n"
		  "    PeerPod (name q, namespace prod)\n"
		  "    Effective (pid 8, cmd Safari, args )\n");
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1, .oneline = true }, &eth0, DIR_OUT, &curl), 0);
	CHECK(strchr(text, '\n') == text + strlen(text) - 1);
	CHECK(strstr(text, "UDP, length 4, Process (pid 1234, cmd /usr/bin/curl, args curl -v), ParentProc (pid 99"));
}

/* Of the main thread only what its name says beside that of the process. */
static void test_thread(void)
{
	static const struct {
		const char *cmd, *name, *thread;
		uint32_t tid;
		const char *shown;
	} threads[] = {
		{ "/usr/bin/curl", "curl", "curl", 5, "" },
		{ "/usr/bin/curl", "curl", "curl", 6, ", Thread [curl.6]" },
		{ "/usr/bin/curl", "curl", "resolver", 5, ", Thread [resolver.5]" },
		{ "/usr/bin/a-very-long-name-indeed", "a-very-long-name-indeed", "a-very-long-nam", 5, "" },
		{ "/usr/bin/a-very-long-name-indeed", "a-very-long-name-indeed", "a-very-long-n", 5,
		  ", Thread [a-very-long-n.5]" },
		{ "/bin/busybox", "nc", "nc", 5, "" },
		{ "/bin/busybox", "nc", "busybox", 5, ", Thread [busybox.5]" },
		{ "/usr/bin/python3.11", "a-script-with-a-long-name", "a-script-with-a", 5, "" },
	};

	for (size_t i = 0; i < sizeof(threads) / sizeof(threads[0]); i++) {
		struct annotation a = { .serial = 50 + i, .has = ANNOT_PROCESS | ANNOT_THREAD };

		a.process = (struct process_desc){ .pid = 5, .cmd = str_of(threads[i].cmd), .args = str_of("x") };
		process_desc_set_names(&a.process, str_of(threads[i].name), str_of(threads[i].thread));
		a.tid = threads[i].tid;
		a.thread = str_of(threads[i].thread);
		CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_IN, &a), 0);
		CHECK(strncmp(text + strlen(text) - 1 - strlen(threads[i].shown), threads[i].shown,
			      strlen(threads[i].shown)) == 0);
		CHECK(!strstr(text, "Thread") == !*threads[i].shown);
	}
}

static struct annotation curl_of_nginx(uint64_t serial)
{
	struct annotation a = curl;

	a.serial = serial;
	a.has |= ANNOT_PEER;
	a.peer = (struct process_desc){ .pid = 80, .cmd = str_of("/usr/sbin/nginx"), .args = str_of("nginx") };
	return a;
}

static void test_peer(void)
{
	const struct annotation a = curl_of_nginx(60);
	struct packet packet = {
		.caplen = sizeof(udp),
		.len = sizeof(udp),
		.data = udp,
		.iface = &eth0,
		.dir = DIR_OUT,
		.annot = &a,
	};
	struct annotation hidden = a;

	CHECK_INT(print_packet(&(struct text_config){ .t = 1 }, &packet), 0);
	CHECK_STR(text, "eth0 curl.1234 Out " TAIL ", ParentProc [sh.99]\n");
	CHECK_INT(print_packet(&(struct text_config){ .t = 1, .peer = true }, &packet), 0);
	CHECK_STR(text, "eth0 curl.1234 Out " TAIL ", ParentProc [sh.99], Peer [nginx.80]\n");
	packet.by_peer = true;
	CHECK_INT(print_packet(&(struct text_config){ .t = 1 }, &packet), 0);
	CHECK_STR(text, "eth0 curl.1234 Out " TAIL ", ParentProc [sh.99], Peer [nginx.80]*\n");
	CHECK_INT(print_packet(&(struct text_config){ .t = 1, .v = 1, .K = 1 }, &packet), 0);
	CHECK(strstr(text, "\n    Peer (pid 80, cmd /usr/sbin/nginx, args nginx), selected\n"));
	hidden.has &= ~(unsigned)ANNOT_PEER;
	packet.annot = &hidden;
	CHECK_INT(print_packet(&(struct text_config){ .t = 1 }, &packet), 0);
	CHECK_STR(text, "eth0 curl.1234 Out " TAIL ", ParentProc [sh.99], Peer*\n");
}

/* What is the same at both ends is said once. */
static void test_containers_of_both_ends(void)
{
	struct annotation a = { .serial = 70,
				.has = ANNOT_CONTAINER | ANNOT_POD | ANNOT_PEER_CONTAINER | ANNOT_PEER_POD };

	a.container = a.peer_container = (struct container_desc){ .id = str_of("d902"), .name = str_of("web") };
	a.pod = a.peer_pod = (struct pod_desc){ .name = str_of("p"), .namespace = str_of("n") };
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 Out " TAIL ", Container [web], Pod [p.n]\n");
	a.serial++;
	a.peer_container.id = str_of("e013");
	a.peer_pod.namespace = str_of("m");
	CHECK_INT(print(&(struct text_config){ .t = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "eth0 Out " TAIL ", Container [web], Pod [p.n], PeerContainer [web], PeerPod [p.m]\n");
}

/* In front, then not behind; the other end's stays. */
static void test_context_prefix(void)
{
	const struct text_config plain = { .t = 1, .context_prefix = true };
	const struct text_config brief = { .t = 1, .context_prefix = true, .brief = true };
	struct annotation a = { .serial = 75, .has = ANNOT_CONTAINER | ANNOT_POD | ANNOT_PEER_CONTAINER };

	a.container = (struct container_desc){ .id = str_of("d902"), .name = str_of("we b") };
	a.peer_container = (struct container_desc){ .id = str_of("e013"), .name = str_of("db") };
	a.pod = (struct pod_desc){ .name = str_of("p"), .namespace = str_of("n") };
	CHECK_INT(print(&plain, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "[p.n/we\\x20b] eth0 Out " TAIL ", PeerContainer [db]\n");
	a.serial++;
	a.has = ANNOT_CONTAINER;
	CHECK_INT(print(&plain, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "[we\\x20b] eth0 Out " TAIL "\n");
	CHECK_INT(print(&brief, &eth0, DIR_OUT, &a), 0);
	CHECK(strncmp(text, "[we\\x20b] - > eth0 IP ", 21) == 0);
	a.serial++;
	a.has = ANNOT_POD;
	CHECK_INT(print(&plain, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, "[p.n] eth0 Out " TAIL "\n");
	CHECK_INT(print(&plain, &eth0, DIR_OUT, NULL), 0);
	CHECK_STR(text, "- eth0 Out " TAIL "\n");
	CHECK_INT(print(&brief, &eth0, DIR_OUT, NULL), 0);
	CHECK(strncmp(text, "- - > eth0 IP ", 14) == 0);
	/* tcpdump's line. */
	CHECK_INT(print(&plain, &eth0, DIR_NONE, NULL), 0);
	CHECK_STR(text, TAIL "\n");
}

/* A name of any length leaves room for the rest. */
static void test_brief_context(void)
{
	const struct text_config brief = { .t = 1, .context_prefix = true, .brief = true };
	struct annotation a = curl_of_nginx(80);

	a.has |= ANNOT_CONTAINER | ANNOT_POD;
	a.container.name = str_of("a-container-of-a-long-name");
	a.pod = (struct pod_desc){ .name = str_of("a-pod-of-a-long-name-7b5cf9"), .namespace = str_of("production") };
	CHECK_INT(print(&brief, &eth0, DIR_OUT, &a), 0);
	CHECK(strncmp(text, "[a-pod-of-a..] curl.1234 > nginx.80 eth0 IP 10.", 47) == 0);
	CHECK(strlen(text) <= 85);
}

static void test_brief(void)
{
	const struct text_config brief = { .brief = true };
	struct annotation a = curl_of_nginx(80);
	struct packet packet = {
		.caplen = sizeof(udp),
		.len = sizeof(udp),
		.data = udp,
		.iface = &eth0,
		.dir = DIR_IN,
		.annot = &a,
	};

	CHECK_INT(print_packet(&brief, &packet), 0);
	CHECK_STR(text, "00:00:00.123456 curl.1234 < nginx.80 eth0 " TAIL "\n");
	packet.by_peer = true;
	packet.dir = DIR_OUT;
	CHECK_INT(print_packet(&brief, &packet), 0);
	CHECK_STR(text, "00:00:00.123456 curl.1234 > nginx.80* eth0 " TAIL "\n");
	a.has &= ~(unsigned)ANNOT_PEER;
	CHECK_INT(print_packet(&brief, &packet), 0);
	CHECK_STR(text, "00:00:00.123456 curl.1234 > * eth0 " TAIL "\n");
	packet.annot = NULL;
	CHECK_INT(print_packet(&brief, &packet), 0);
	CHECK_STR(text, "00:00:00.123456 - > eth0 " TAIL "\n");
	packet.dir = DIR_NONE;
	CHECK_INT(print_packet(&brief, &packet), 0);
	CHECK_STR(text, "00:00:00.123456 " TAIL "\n");
	CHECK_INT(print_packet(&(struct text_config){ .brief = true, .v = 1 }, &packet), -EINVAL);
}

/* TCP from [2001:db8:1111:2222:3333:4444:5555:6666].65535 to the same address, with 1,300 bytes of data. */
static size_t long_ipv6(uint8_t packet[1360])
{
	static const uint8_t address[] = { 0x20, 0x01, 0x0d, 0xb8, 0x11, 0x11, 0x22, 0x22,
					   0x33, 0x33, 0x44, 0x44, 0x55, 0x55, 0x66, 0x66 };

	memset(packet, 0, 1360);
	packet[0] = 0x60;
	packet[4] = 1320 >> 8;
	packet[5] = 1320 & 0xff;
	packet[6] = 6;
	packet[7] = 64;
	memcpy(packet + 8, address, 16);
	memcpy(packet + 24, address, 16);
	packet[40] = packet[41] = packet[42] = packet[43] = 0xff;
	packet[52] = 0x50;
	return 1360;
}

static void test_brief_is_bounded(void)
{
	struct iface iface = { .dlt = DLT_RAW, .name = (char[]){ "a-very-long-nic" }, .netns = 4026532300U };
	struct annotation a = curl_of_nginx(90);
	uint8_t data[1360];
	const struct packet packet = {
		.caplen = sizeof(data),
		.len = (uint32_t)long_ipv6(data),
		.data = data,
		.iface = &iface,
		.dir = DIR_OUT,
		.annot = &a,
	};

	CHECK_INT(print_packet(&(struct text_config){ .brief = true }, &packet), 0);
	CHECK_STR(
		text,
		"00:00:00.123456 curl.1234 > nginx.80 a-ve..g-nic IP6 2001:db..66.65535 > 2001:db..66.65535: tcp 1300\n");
	a.serial++;
	iface.other_netns = true;
	a.process = (struct process_desc){ .pid = 4194301,
					   .cmd = str_of("/usr/bin/a name \xe2\x82\xac that\x1b[2J is long"),
					   .args = str_of("x") };
	a.peer = (struct process_desc){ .pid = 4194302,
					.cmd = str_of("/usr/bin/another.one.of.them"),
					.args = str_of("x") };
	CHECK_INT(print_packet(&(struct text_config){ .brief = true }, &packet), 0);
	CHECK(strlen(text) <= 101);
	CHECK(strstr(text, ".4194301 > ") && strstr(text, ".4194302 ") &&
	      strstr(text, " IP6 2001:db..66.65535 > 2001:db..66.65535: tcp 1300\n"));
	a.serial++;
	a.process.pid |= PID_OUTSIDE;
	a.peer.pid |= PID_OUTSIDE;
	CHECK_INT(print_packet(&(struct text_config){ .brief = true }, &packet), 0);
	CHECK(strlen(text) <= 101);
	CHECK(strstr(text, ".4194301@host > ") && strstr(text, ".4194302@host ") && strstr(text, ": tcp 1300\n"));
}

/* Whatever else is in the line. */
static void test_brief_addresses(void)
{
	struct iface iface = { .dlt = DLT_RAW, .name = (char[]){ "a-very-long-nic" }, .netns = 4026532300U };
	static char name[] = "/usr/bin/a-very-long-name-of-a-program";
	struct annotation a = curl_of_nginx(90);
	uint8_t data[1360];
	struct packet packet = {
		.caplen = sizeof(data), .len = (uint32_t)long_ipv6(data), .data = data, .iface = &iface, .annot = &a
	};
	const unsigned has = a.has;

	for (unsigned i = 0; i < 64; i++) {
		a.serial++;
		a.has = i & 1 ? has : has & ~(unsigned)ANNOT_PEER;
		a.process.pid = i & 2 ? 4194301 : 1;
		a.peer.pid = i & 4 ? 4194302 : 2;
		a.process.cmd = a.peer.cmd = i & 8 ? str_of(name) : str_of("/bin/sh");
		packet.dir = i & 16 ? DIR_IN : DIR_OUT;
		packet.by_peer = i & 32;
		packet.annot = i ? &a : NULL;
		CHECK_INT(print_packet(&(struct text_config){ .brief = true }, &packet), 0);
		CHECK(strlen(text) <= 101);
		CHECK(strstr(text, "IP6 2001:db..66.65535 > 2001:db..66.65535: t"));
	}
}

static void test_brief_of_what_is_no_ip(void)
{
	/* Of a local experiment (IEEE 802): the link header is printed. */
	uint8_t data[420] = { [12] = 0x88, [13] = 0xb5 };
	struct iface odd = { .dlt = 1 /* DLT_EN10MB */, .name = (char[]){ "odd0" } };
	const struct packet packet = {
		.caplen = sizeof(data),
		.len = sizeof(data),
		.data = data,
		.iface = &odd,
		.dir = DIR_OUT,
		.annot = &curl,
	};

	CHECK_INT(print_packet(&(struct text_config){ .brief = true }, &packet), 0);
	CHECK_STR(
		text,
		"00:00:00.123456 curl.1234 > odd0 00:00:00:00:00:00 > 00:00:00:00:00:00, Unknown Ethertype (0x88b5)..\n");
	CHECK_INT(print_packet(&(struct text_config){ .brief = true, .e = 1 }, &packet), 0);
	CHECK(strlen(text) > 101);
}

#define CYAN(s) "\033[1;36m" s "\033[0m"

static void test_color(void)
{
	struct annotation a = curl;

	a.serial = 100;
	a.has |= ANNOT_CONTAINER;
	a.container = (struct container_desc){ .id = str_of("d902"), .name = str_of("w\x1b[31meb") };
	CHECK_INT(print(&(struct text_config){ .t = 1, .color = true }, &eth0, DIR_IN, &a), 0);
	CHECK_STR(text, "eth0 " CYAN("curl.1234") " \033[32mIn\033[0m " TAIL ", ParentProc [" CYAN(
				"sh.99") "], Container [\033[35mw\\x1b\\x5b31meb\033[0m]\n");
	CHECK_INT(print(&(struct text_config){ .t = 1, .brief = true, .color = true }, &eth0, DIR_OUT, &a), 0);
	CHECK_STR(text, CYAN("curl.1234") "\033[33m >\033[0m eth0 " TAIL "\n");
}

static void test_color_of_resets(void)
{
	uint8_t data[] = { 0x45, 0,    0,    40,   0, 0, 0x40, 0, 64, 6, 0, 0, 10,   0, 0, 1, 10, 0, 0, 2,
			   0x13, 0x88, 0x17, 0x70, 0, 0, 0,    1, 0,  0, 0, 0, 0x50, 4, 0, 0, 0,  0, 0, 0 };
	const struct packet packet = {
		.caplen = sizeof(data),
		.len = sizeof(data),
		.data = data,
		.iface = &eth0,
		.dir = DIR_OUT,
		.annot = &curl,
	};

	CHECK_INT(print_packet(&(struct text_config){ .t = 1, .color = true }, &packet), 0);
	CHECK(strstr(text,
		     "\033[31mIP 10.0.0.1.5000 > 10.0.0.2.6000: Flags [R], seq 1, win 0, length 0\033[0m, Parent"));
	CHECK_INT(print_packet(&(struct text_config){ .t = 1, .color = true, .brief = true }, &packet), 0);
	CHECK(strstr(text, " eth0 \033[31mIP 10.0.0.1.5000 > 10.0.0.2.6000: tcp 0\033[0m\n"));
	data[33] = 0x10;
	CHECK_INT(print_packet(&(struct text_config){ .t = 1, .color = true }, &packet), 0);
	CHECK(!strstr(text, "\033[31m"));
}

/* Labels are JSON: its own escapes are not escaped again, and the line stays one that cannot forge others. */
static void test_labels_stay_json(void)
{
	struct annotation a = { .serial = 4, .has = ANNOT_CONTAINER | ANNOT_POD };

	a.container = (struct container_desc){ str_of("d902"), str_of("te\\st"), str_of("i"),
					       str_of("{\"a\":\"say \\\"x\\\\y\\\"\\n\"}") };
	a.pod = (struct pod_desc){ str_of("p"), str_of("n"), str_of("u"), str_of("{\"k\":\"\xe2\x80\xa8\"}"),
				   str_of("{\"k\":\"a\n\x1b[2J\xff\xc2\x9b\"}") };
	CHECK_INT(print(&(struct text_config){ .t = 1, .v = 1, .K = 1 }, &eth0, DIR_OUT, &a), 0);
	CHECK(strstr(text,
		     "\n    Container (name te\\\\st, id d902, image i, labels {\"a\":\"say \\\"x\\\\y\\\"\\n\"})\n"));
	CHECK(strstr(text, "\n    Pod (name p, namespace n, UID u, labels {\"k\":\"\\u2028\"}, "
			   "annotations {\"k\":\"a\\n\\u001b[2J\\ufffd\\u009b\"})\n"));
}

/* The dump stands behind the annotation. */
static void test_dump(void)
{
	CHECK_INT(print(&(struct text_config){ .t = 1, .x = 1 }, &eth0, DIR_OUT, &curl), 0);
	CHECK(strstr(text, "length 4, ParentProc [sh.99]\n\t0x0000:  4500 0020") != NULL);
}

static void test_unknown_link_type(void)
{
	struct iface odd = { .dlt = DLT_UNKNOWN, .name = (char[]){ "odd0" } };

	CHECK_INT(print(&(struct text_config){ .t = 1 }, &odd, DIR_NONE, NULL), 0);
	CHECK(strncmp(text, "UNSUPPORTED\n\t0x0000:  4500 0020", 31) == 0);
}

static void test_wrong_options(void)
{
	CHECK_INT(print(&(struct text_config){ .A = 1, .x = 1 }, &eth0, DIR_NONE, NULL), -EINVAL);
	CHECK_INT(print(&(struct text_config){ .t = 6 }, &eth0, DIR_NONE, NULL), -EINVAL);
	CHECK_INT(print(&(struct text_config){ .type = "nonsense" }, &eth0, DIR_NONE, NULL), -EINVAL);
}

int main(void)
{
	RUN(test_plain);
	RUN(test_annotated);
	RUN(test_outside);
	RUN(test_netns);
	RUN(test_no_name);
	RUN(test_hostile_names);
	RUN(test_hostile_values);
	RUN(test_parts_of_names);
	RUN(test_look_alikes);
	RUN(test_names_of_processes);
	RUN(test_names_that_differ);
	RUN(test_verbose);
	RUN(test_thread);
	RUN(test_peer);
	RUN(test_containers_of_both_ends);
	RUN(test_context_prefix);
	RUN(test_brief_context);
	RUN(test_brief);
	RUN(test_brief_is_bounded);
	RUN(test_brief_addresses);
	RUN(test_brief_of_what_is_no_ip);
	RUN(test_color);
	RUN(test_color_of_resets);
	RUN(test_labels_stay_json);
	RUN(test_dump);
	RUN(test_unknown_link_type);
	RUN(test_wrong_options);
	return check_status();
}
