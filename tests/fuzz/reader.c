/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * libFuzzer target: any bytes as a capture file, read and written again as pcapng.
 *
 *	make fuzz FUZZ_SECONDS=600
 */
#include <stdint.h>
#include <sys/mman.h>
#include <unistd.h>

#include "output/output.h"
#include "reader/reader.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

static int on_iface(void *arg, const struct iface *iface)
{
	struct output *o = arg;

	return o->ops->iface(o, iface);
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct output *o = arg;
	struct packet copy = *packet;
	int ret = o->ops->packet(o, packet);

	/* Once more as a live packet, so that its annotation is encoded. */
	copy.options = NULL;
	return ret ? ret : o->ops->packet(o, &copy);
}

static int on_block(void *arg, const struct pcapng_block *block)
{
	struct output *o = arg;

	return o->ops->block(o, block);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	const struct file_config config = {
		.path = "/dev/null", .context = ANNOT_ALL, .compact_comments = size & 1, .dlt = -1
	};
	struct reader_handler handler = { .iface = on_iface, .packet = on_packet, .block = on_block };
	const int fd = memfd_create("fuzz", 0);
	struct output *o = NULL;
	struct reader *r = NULL;
	const int saved = dup(0);

	if (write(fd, data, size) == (ssize_t)size && lseek(fd, 0, SEEK_SET) == 0 && dup2(fd, 0) == 0 &&
	    !output_file_new(&o, &config) && !reader_open(&r, "-")) {
		handler.arg = o;
		handler.detail = size % (READER_BARE + 1);
		reader_run(r, &handler);
		o->ops->finish(o);
	}
	if (o)
		o->ops->free(o);
	reader_free(r);
	dup2(saved, 0);
	close(saved);
	close(fd);
	return 0;
}
