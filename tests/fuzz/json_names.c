/* SPDX-License-Identifier: BSD-3-Clause */
/* Any payload as a DNS message or a ClientHello, cut to its size: what is told of it is whole, and nothing behind it was looked at. */
#include <cjson/cJSON.h>

#include "fuzz.h"
#include "output/json_names.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	struct fuzz f = { data, size };
	const uint8_t how = fuzz_u8(&f);
	size_t n = f.n;
	uint8_t *p = fuzz_bytes(&f, &n);
	const struct headers h = {
		.has_tcp = how & 1,
		.has_ports = true,
		.tuple = { .dport = how & 2   ? 53
				    : how & 4 ? 5353
					      : 443 },
		.payload = n ? p : NULL,
		.payload_caplen = (uint32_t)n,
		.payload_len = (uint32_t)n,
	};
	const enum json_names kind = json_names_kind(&h);
	struct buf b = { 0 };
	cJSON *object;

	buf_puts(&b, "{\"x\":1");
	if (kind != NAMES_NONE && !json_names_put(&b, &h, kind))
		FUZZ_CHECK(b.len == 6);
	buf_putc(&b, '}');
	object = cJSON_ParseWithLength(b.p, b.len);
	FUZZ_CHECK(cJSON_IsObject(object));
	cJSON_Delete(object);
	buf_done(&b);
	free(p);
	return 0;
}
