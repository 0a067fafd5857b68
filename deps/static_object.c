/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The BPF object is a tenth as large in the static program as it is. Less than a millisecond unpacks it, of the hundred that a
 * capture takes to begin; reading files takes none.
 */
#include <stdint.h>
#include <stdlib.h>
#include <zstd.h>

#include "ptcpdump.skel.h"

__asm__(".section .rodata\n"
	".balign 8\n"
	"packed_object:\n"
	".incbin \"" PACKED_OBJECT "\"\n"
	"packed_object_end:\n"
	".previous\n");

extern const char packed_object[] __attribute__((visibility("hidden")));
extern const char packed_object_end[] __attribute__((visibility("hidden")));

/* Instead of the skeleton's; where there is no memory, nothing, which is no object for libbpf. It is kept. */
const void *ptcpdump__elf_bytes(size_t *size)
{
	static void *object;
	static size_t object_size;
	const size_t packed_size = (size_t)(packed_object_end - packed_object);

	if (!object) {
		object_size = (size_t)ZSTD_getFrameContentSize(packed_object, packed_size);
		object = malloc(object_size);
		if (object && ZSTD_decompress(object, object_size, packed_object, packed_size) != object_size)
			abort();
	}
	*size = object ? object_size : 0;
	return object ? object : "";
}
