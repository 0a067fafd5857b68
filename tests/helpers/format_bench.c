/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * format_bench FILE [PACKETS]: what the file formats cost per packet, in CPU nanoseconds. Writes PACKETS
 * (1,000,000) annotated packets of 90 bytes of 40 processes to FILE as pcapng, with blocks of processes and without, and as pcap,
 * and reads each back.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <unistd.h>

#include <pcap/dlt.h>

#include "output/output.h"
#include "reader/reader.h"

enum { OWNERS = 40, CAPLEN = 90 };

static struct iface eth0 = { .ifindex = 2, .dlt = DLT_EN10MB, .snaplen = 262144, .name = (char *)"eth0" };
static struct annotation owners[OWNERS];

struct cpu {
	double user, sys; /* ns */
};

static struct cpu cpu_now(void)
{
	struct rusage ru;

	getrusage(RUSAGE_SELF, &ru);
	return (struct cpu){ (double)ru.ru_utime.tv_sec * 1e9 + (double)ru.ru_utime.tv_usec * 1e3,
			     (double)ru.ru_stime.tv_sec * 1e9 + (double)ru.ru_stime.tv_usec * 1e3 };
}

static void report(const char *what, const char *name, const struct cpu *a, const struct cpu *b, unsigned long packets)
{
	printf("%-5s %-8s %6.1f user, %6.1f system, ns per packet\n", what, name, (b->user - a->user) / (double)packets,
	       (b->sys - a->sys) / (double)packets);
}

static void make_owners(void)
{
	for (unsigned i = 0; i < OWNERS; i++) {
		owners[i] = (struct annotation){
			.serial = i + 1,
			.has = ANNOT_PROCESS | ANNOT_THREAD | ANNOT_USER | ANNOT_PARENT,
			.process = { .pid = 1000 + i,
				     .cmd = str_of("/usr/bin/curl"),
				     .args = str_of("curl -s http://10.0.0.1:8080/index.html") },
			.tid = 1000 + i,
			.thread = str_of("curl"),
			.uid = 1000,
			.parent = { .pid = 900, .cmd = str_of("/usr/bin/bash"), .args = str_of("-bash") },
		};
	}
}

static const struct kind {
	const char *name;
	bool pcap;
	unsigned process_blocks;
} kinds[] = {
	{ "pcapng", false, PROCESS_BLOCKS_APPLE },
	{ "comments", false, PROCESS_BLOCKS_NONE },
	{ "pcap", true, PROCESS_BLOCKS_NONE },
};

static int write_file(const char *path, unsigned long packets, const struct kind *kind)
{
	static uint8_t data[CAPLEN] = { 1, 2, 3 };
	const struct file_config config = {
		.path = path, .pcap = kind->pcap, .context = ANNOT_ALL, .process_blocks = kind->process_blocks
	};
	struct packet p = { .caplen = CAPLEN, .len = CAPLEN, .data = data, .iface = &eth0, .dir = DIR_OUT };
	struct output *o;
	int ret;

	if (output_file_new(&o, &config))
		return -1;
	ret = o->ops->iface(o, &eth0);
	for (unsigned long i = 0; i < packets && !ret; i++) {
		p.sec = 1700000000 + (int64_t)(i / 100000);
		p.nsec = i % 100000 * 10000;
		p.annot = &owners[i / 4 % OWNERS];
		ret = o->ops->packet(o, &p);
	}
	if (!ret)
		ret = o->ops->finish(o);
	o->ops->free(o);
	return ret;
}

static int count(void *arg, const struct packet *p)
{
	unsigned long *n = arg;

	(*n)++;
	return 0;
}

static unsigned long read_file(const char *path)
{
	unsigned long n = 0;
	const struct reader_handler h = { .arg = &n, .packet = count };
	struct reader *r;

	if (reader_open(&r, path))
		return 0;
	reader_run(r, &h);
	reader_free(r);
	return n;
}

int main(int argc, char **argv)
{
	const unsigned long packets = argc > 2 ? strtoul(argv[2], NULL, 10) : 1000000;

	if (argc < 2 || !packets) {
		fprintf(stderr, "usage: format_bench FILE [PACKETS]\n");
		return 2;
	}
	make_owners();
	for (size_t i = 0; i < sizeof(kinds) / sizeof(kinds[0]); i++) {
		struct cpu start, written, read;
		struct stat st;

		unlink(argv[1]); /* emptying a large file would count as writing */
		start = cpu_now();
		if (write_file(argv[1], packets, &kinds[i]) || stat(argv[1], &st))
			return 1;
		written = cpu_now();
		if (read_file(argv[1]) != packets)
			return 1;
		read = cpu_now();
		report("write", kinds[i].name, &start, &written, packets);
		report("read", kinds[i].name, &written, &read, packets);
		printf("%21.1f bytes per packet\n", (double)st.st_size / (double)packets);
	}
	unlink(argv[1]);
	return 0;
}
