/* SPDX-License-Identifier: BSD-3-Clause */
/* The archive that is fetched when the kernel has no BTF: as .tar.xz, or as .tar that is packed here. */
#include <lzma.h>

#include "capture/kernel_btf.h"
#include "fuzz.h"

static void unpack(const uint8_t *data, size_t size)
{
	struct buf archive = { (char *)(uintptr_t)data, size, size }, unpacked = { 0 };
	volatile char sum = 0;
	const char *why = NULL;
	struct str member;

	if (kernel_btf_unpack(&archive, &unpacked, &member, &why) == 0) {
		FUZZ_CHECK(member.p >= unpacked.p && member.p + member.n <= unpacked.p + unpacked.len);
		for (uint32_t i = 0; i < member.n; i++)
			sum ^= member.p[i];
	} else {
		FUZZ_CHECK(why);
	}
	buf_done(&unpacked);
}

/* As little as xz can, since it is the tar that is tried. */
static void unpack_tar(const uint8_t *data, size_t size)
{
	const size_t room = lzma_stream_buffer_bound(size);
	lzma_options_lzma options = { .dict_size = LZMA_DICT_SIZE_MIN,
				      .lp = 0,
				      .lc = 3,
				      .pb = 2,
				      .mode = LZMA_MODE_FAST,
				      .nice_len = 8,
				      .mf = LZMA_MF_HC3,
				      .depth = 1 };
	lzma_filter filters[] = { { LZMA_FILTER_LZMA2, &options }, { LZMA_VLI_UNKNOWN, NULL } };
	uint8_t *packed = malloc(room);
	size_t n = 0;

	if (lzma_stream_buffer_encode(filters, LZMA_CHECK_NONE, NULL, data, size, packed, &n, room) == LZMA_OK)
		unpack(packed, n);
	free(packed);
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
	if (!size)
		return 0;
	if (data[0] & 1)
		unpack_tar(data + 1, size - 1);
	else
		unpack(data + 1, size - 1);
	return 0;
}
