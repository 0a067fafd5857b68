/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Any bytes as a capture file, printed by the dissectors, with annotations; the last ones choose the options. No text moves the
 * cursor but by newlines and tabs.
 */
#include "fuzz.h"
#include "output/color.h"
#include "output/output.h"
#include "reader/reader.h"

static int on_iface(void *arg, const struct iface *iface)
{
	struct output *o = arg;

	return o->ops->iface(o, iface);
}

static int on_packet(void *arg, const struct packet *packet)
{
	struct output *o = arg;

	return o->ops->packet(o, packet);
}

static struct text_config choose(const uint8_t *data, size_t size)
{
	static const char *const types[] = { NULL,   "vat",	  "wb",	  "rpc",  "rtp",    "rtcp",   "snmp",
					     "cnfp", "tftp",	  "aodv", "carp", "radius", "zmtp1",  "vxlan",
					     "pgm",  "pgm_zmtp1", "lmp",  "resp", "ptp",    "someip", "domain" };
	const unsigned a = size ? data[size - 1] : 0, b = size > 1 ? data[size - 2] : 0;
	struct text_config c = { .program = "ptcpdump", .n = 2, .endless = size & 1, .v = a & 3, .e = a >> 2 & 1 };

	switch (a >> 3 & 7) {
	case 1: c.x = 2; break;
	case 2: c.X = 2; break;
	case 3: c.A = 2; break;
	case 4: c.q = 1; break;
	case 5: c.brief = c.v == 0; break;
	case 6: c.S = c.u = c.b = c.H = 1; break;
	case 7: c.oneline = true; break;
	}
	c.color = a >> 6 & 1;
	c.peer = a >> 7;
	c.t = (b & 7) % 6;
	c.nano = b >> 3 & 1;
	c.context_prefix = b >> 4 & 1;
	/* Only with some, since most of the traffic would be taken for something else. */
	c.type = b >> 5 == 7 ? types[b % (sizeof(types) / sizeof(types[0]))] : NULL;
	c.esp_secret = b >> 5 == 6 ? "0x12345678@127.0.0.1 aes-cbc:0x123456789abcdef0123456789abcdef0" : NULL;
	c.md5_secret = b >> 5 == 6 ? "secret" : NULL;
	return c;
}

/* What follows a colour that we have put there. */
static const char *skip_color(const char *p, const char *end)
{
	static const char *const colors[] = {
		COLOR_PROCESS, COLOR_CONTAINER, COLOR_IN, COLOR_OUT, COLOR_BAD, COLOR_END
	};

	for (size_t i = 0; i < sizeof(colors) / sizeof(colors[0]); i++) {
		const size_t n = strlen(colors[i]);

		if ((size_t)(end - p) >= n && memcmp(p, colors[i], n) == 0)
			return p + n;
	}
	return p;
}

static void check_text(int fd, bool color)
{
	const off_t size = lseek(fd, 0, SEEK_END);
	char *text = malloc((size_t)size + 1), *end = text + size;

	FUZZ_CHECK(pread(fd, text, (size_t)size, 0) == size);
	for (const char *p = text; p < end; p++) {
		if (color)
			while (p < end && *p == 0x1b && skip_color(p, end) != p)
				p = skip_color(p, end);
		if (p < end)
			FUZZ_CHECK((unsigned char)*p >= ' ' ? *p != 0x7f : *p == '\n' || *p == '\t');
	}
	free(text);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static int in = -1, out = -1;
	struct text_config config = choose(data, size);
	struct reader_handler handler = { .iface = on_iface, .packet = on_packet };
	struct output *o;
	struct reader *r = NULL;
	char path[32];

	config.fd = out = fuzz_file(out, "", 0, NULL);
	in = fuzz_file(in, data, size, path);
	if (reader_open(&r, path))
		return 0;
	FUZZ_CHECK(output_text_new(&o, &config) == 0);
	handler.arg = o;
	reader_run(r, &handler);
	o->ops->finish(o);
	o->ops->free(o);
	reader_free(r);
	check_text(out, config.color);
	return 0;
}
