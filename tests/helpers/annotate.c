/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * annotate IN OUT.pcapng: gives every packet of a capture file an interface, a direction and an owner, so that the
 * printing of annotated packets can be tested with any file: take the annotations out again and the rest must be
 * unchanged. Values hold nothing that occurs in a packet's own text:
 *
 *	interface zzif, processes zzcmd.4000001 and zzcmd.4000002 and so on (a new one every third packet, 5 in turn),
 *	directions In and Out in turn, thread zzthread, parent zzparent, container zzcontainer, pod zzpod.zzspace.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "output/output.h"
#include "reader/reader.h"
#include "util/log.h"

enum { OWNERS = 5 };

struct annotate {
	struct output *out;
	struct iface ifaces[64];
	struct annotation owners[OWNERS];
	unsigned long packets;
};

static void make_owners(struct annotation owners[OWNERS])
{
	for (unsigned i = 0; i < OWNERS; i++) {
		owners[i] = (struct annotation){
			.serial = i + 1,
			.has = ANNOT_ALL & ~(ANNOT_PEER | ANNOT_PEER_USER | ANNOT_PEER_CONTAINER | ANNOT_PEER_POD |
					     ANNOT_PEER_IMAGE | ANNOT_PEER_POD_LABELS | ANNOT_EFFECTIVE),
			.process = { .pid = 4000001 + i,
				     .cmd = str_of("/usr/bin/zzcmd"),
				     .args = str_of("zzcmd --zz two\nlines") },
			.tid = 4100001 + i,
			.thread = str_of("zzthread"),
			.uid = 4200001,
			.parent = { .pid = 4300001 + i,
				    .cmd = str_of("/bin/zzparent"),
				    .args = str_of("zzparent -zz") },
			.container = { str_of("zz01"), str_of("zzcontainer"), str_of("zzimage:1"),
				       str_of("{\"zz\":\"label\"}") },
			.pod = { str_of("zzpod"), str_of("zzspace"), str_of("zzuid"), str_of("{\"zz\":\"label\"}"),
				 str_of("{}") },
		};
	}
}

static int on_iface(void *arg, const struct iface *iface)
{
	static char name[] = "zzif", none[] = "";
	struct annotate *a = arg;
	struct iface *copy;

	if (iface->id >= sizeof(a->ifaces) / sizeof(a->ifaces[0])) {
		log_error("annotate: too many interfaces");
		return -1;
	}
	copy = &a->ifaces[iface->id];
	*copy = *iface;
	copy->name = name;
	copy->description = none;
	copy->options = NULL;
	return a->out->ops->iface(a->out, copy);
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct annotate *a = arg;
	struct packet copy = *packet;

	copy.iface = &a->ifaces[packet->iface->id];
	copy.dir = a->packets % 2 ? DIR_OUT : DIR_IN;
	copy.annot = &a->owners[a->packets / 3 % OWNERS];
	copy.options = NULL;
	a->packets++;
	return a->out->ops->packet(a->out, &copy);
}

int main(int argc, char **argv)
{
	struct annotate a = { 0 };
	const struct reader_handler handler = { .arg = &a, .iface = on_iface, .packet = on_packet };
	struct file_config config = { .context = ANNOT_ALL, .dlt = -1 };
	struct reader *r;
	int ret;

	if (argc != 3) {
		fprintf(stderr, "usage: annotate IN OUT.pcapng\n");
		return 2;
	}
	config.path = argv[2];
	make_owners(a.owners);
	if (reader_open(&r, argv[1]))
		return 1;
	if (output_file_new(&a.out, &config)) {
		reader_free(r);
		return 1;
	}
	/* A damaged file is annotated as far as it goes; the status tells. */
	ret = reader_run(r, &handler);
	if (a.out->ops->finish(a.out))
		ret = -1;
	a.out->ops->free(a.out);
	reader_free(r);
	return ret ? 1 : 0;
}
