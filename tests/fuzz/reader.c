/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture file, read and written again as pcapng: what is read from that is the same. Each packet is written
 * twice: as it was, and as a live one of an interface of its own, so that its annotation is encoded.
 */
#include "format/process_block.h"
#include "fuzz.h"
#include "output/output.h"
#include "reader/reader.h"

enum { PACKETS_MAX = 4096 };

/* What must come back of a packet. */
struct kept {
	uint32_t hash, owner;
	bool owned; /* it is told who that is, as it was */
	bool timed;
	int64_t sec, nsec;
};

struct run {
	struct output *out; /* NULL: what was written is being read */
	struct iface **ifaces;
	size_t nifaces, npackets, nread;
	bool everything; /* annotations and directions are read */
	struct kept packets[PACKETS_MAX];
};

static struct run run;

/* An object that is not told is written as an empty one, and between its parts a newline as a blank. */
/* FNV-1a */
static uint32_t hash_more(uint32_t h, const void *bytes, size_t n)
{
	const uint8_t *p = bytes;

	for (size_t i = 0; i < n; i++)
		h = (h ^ p[i]) * 16777619U;
	return h;
}

static uint32_t hash_object(uint32_t h, struct str s)
{
	if (!s.n)
		s = str_of("{}");
	for (uint32_t i = 0; i < s.n; i++)
		h = hash_more(h, s.p[i] == '\n' ? " " : s.p + i, 1);
	return h;
}

static uint32_t hash_annotation(uint32_t h, const struct annotation *a)
{
	h = hash_more(h, &a->has, sizeof(a->has));
	for (size_t i = 0; i < annotation_schema.nfields; i++) {
		const struct annot_field *f = &annotation_schema.fields[i];
		struct str s;
		uint32_t v;

		if (f->kind == FIELD_IGNORED || !(a->has & f->bit))
			continue;
		if (annot_is_string(f)) {
			s = annot_str(a, f);
			h = f->kind == FIELD_JSON ? hash_object(h, s) : hash_more(h, s.n ? s.p : "", s.n);
			h = hash_more(h, "\n", 1);
		} else {
			v = annot_u32(a, f);
			h = hash_more(h, &v, sizeof(v));
		}
	}
	return h;
}

/* By blocks of the file, which are told otherwise then, or no more. */
static bool names_process(const struct packet *p)
{
	struct process_options o = { 0 };

	if (p->options_len)
		process_options_parse(&o, p->options, p->options_len);
	return o.has_process || o.has_effective || o.has_pid;
}

static struct kept keep(const struct packet *p)
{
	const uint32_t numbers[] = { p->caplen, p->len, run.everything ? p->dir : 0, (uint32_t)p->iface->dlt };
	struct kept k = {
		.hash = hash_more(2166136261U, numbers, sizeof(numbers)),
		.owned = run.everything && (!p->options || !names_process(p)),
		.timed = true,
		.sec = p->sec,
		.nsec = p->nsec,
	};

	k.hash = hash_more(k.hash, p->data, p->caplen);
	k.hash = hash_more(k.hash, p->iface->name, strlen(p->iface->name));
	if (p->annot)
		k.owner = hash_annotation(0, p->annot);
	return k;
}

static const struct iface *add_iface(const struct iface *iface, bool live)
{
	struct iface *copy = malloc(sizeof(*copy));

	*copy = *iface;
	copy->id = (uint32_t)run.nifaces;
	if (live) {
		copy->options = NULL;
		copy->from_file = false;
	}
	run.ifaces = reallocarray(run.ifaces, run.nifaces + 1, sizeof(*run.ifaces));
	run.ifaces[run.nifaces++] = copy;
	return copy;
}

static int on_iface(void *arg, const struct iface *iface)
{
	int ret;

	(void)arg;
	if (!run.out)
		return 0;
	ret = run.out->ops->iface(run.out, add_iface(iface, false));
	return ret ? ret : run.out->ops->iface(run.out, add_iface(iface, true));
}

static int write_packet(const struct packet *p)
{
	const struct kept k = keep(p);
	const int ret = run.out->ops->packet(run.out, p);

	if (!ret)
		run.packets[run.npackets++] = k;
	return ret;
}

/* Nonsense in a pcap file is a time, too, once it is written; of others there are less ns. */
static bool is_time(const struct packet *p)
{
	return p->sec >= 0 && p->sec <= UINT32_MAX && p->nsec >= 0 && p->nsec < 1000000000;
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct packet copy = *packet;
	struct kept k, *was;
	int ret;

	(void)arg;
	if (!run.out) {
		k = keep(packet);
		FUZZ_CHECK(run.nread < run.npackets);
		was = &run.packets[run.nread++];
		FUZZ_CHECK(k.hash == was->hash);
		FUZZ_CHECK(!was->owned || k.owner == was->owner);
		FUZZ_CHECK(!was->timed || (k.sec == was->sec && k.nsec == was->nsec));
		return 0;
	}
	if (run.npackets + 2 > PACKETS_MAX)
		return 1;
	copy.iface = run.ifaces[2 * packet->iface->id];
	ret = write_packet(&copy);
	if (ret)
		return ret;
	run.packets[run.npackets - 1].timed = packet->options || is_time(packet);
	copy.iface = run.ifaces[2 * packet->iface->id + 1];
	copy.options = NULL;
	ret = write_packet(&copy);
	if (!ret)
		run.packets[run.npackets - 1].timed = is_time(packet);
	return ret;
}

static int on_block(void *arg, const struct pcapng_block *block)
{
	(void)arg;
	return run.out ? run.out->ops->block(run.out, block) : 0;
}

static int read_file(const char *path, enum reader_detail detail)
{
	const struct reader_handler handler = {
		.iface = on_iface, .packet = on_packet, .block = on_block, .detail = detail
	};
	struct reader *r = NULL;
	int ret = reader_open(&r, path);

	if (!ret)
		ret = reader_run(r, &handler);
	if (run.out) {
		FUZZ_CHECK(run.out->ops->finish(run.out) == 0);
		run.out->ops->free(run.out);
		run.out = NULL;
	}
	reader_free(r);
	return ret;
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	char in_path[32], out_path[32];
	struct file_config config = {
		.path = out_path,
		.context = ANNOT_ALL,
		.compact_comments = size & 1,
		.process_blocks = size / 4 % 4,
		.dlt = -1,
	};
	/* Bare packets are only counted. */
	const enum reader_detail detail = size / 2 % READER_BARE;

	run.nifaces = run.npackets = run.nread = 0;
	run.everything = detail == READER_EVERYTHING;
	in = fuzz_file(in, data, size, in_path);
	out = fuzz_file(out, "", 0, out_path);
	if (output_file_new(&run.out, &config))
		abort();
	read_file(in_path, detail);
	/* Without an interface it is none that could be read. */
	if (run.npackets) {
		FUZZ_CHECK(read_file(out_path, detail) == 0);
		FUZZ_CHECK(run.nread == run.npackets);
	}
	for (size_t i = 0; i < run.nifaces; i++)
		free(run.ifaces[i]);
	free(run.ifaces);
	run.ifaces = NULL;
	return 0;
}
