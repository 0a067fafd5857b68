/* SPDX-License-Identifier: BSD-3-Clause */
/* Headers of packets of any link type, cut anywhere: what is told lies within them. */
#include <pcap/dlt.h>

#include "fuzz.h"
#include "headers.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	static const int types[] = { DLT_EN10MB, DLT_RAW, DLT_NULL, DLT_LOOP, DLT_LINUX_SLL, DLT_LINUX_SLL2, DLT_PPP };
	struct fuzz f = { data, size };
	const struct iface iface = { .dlt = types[fuzz_u8(&f) % (sizeof(types) / sizeof(types[0]))] };
	const uint32_t more = fuzz_u8(&f);
	size_t n = f.n;
	uint8_t *p = fuzz_bytes(&f, &n);
	const struct packet packet = { .data = p, .caplen = (uint32_t)n, .len = (uint32_t)n + more, .iface = &iface };
	struct headers h;

	headers_parse(&h, &packet);
	FUZZ_CHECK(h.payload_caplen <= h.payload_len && h.payload_len <= packet.len);
	FUZZ_CHECK(!h.payload || (h.payload >= p && h.payload + h.payload_caplen <= p + n));
	FUZZ_CHECK(!h.has_tcp || (h.has_ports && h.tuple.family));
	free(p);
	return 0;
}
