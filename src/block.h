/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef BLOCK_H
#define BLOCK_H

#include <stdbool.h>
#include <stdint.h>

/* A pcapng block that is neither packet nor interface, on its way from a source to the outputs: section header (its body
 * begins a new numbering of the interfaces), name resolution, secrets, custom, statistics... */
struct pcapng_block {
	uint32_t type;	     /* enum pcapng_block_type of format/pcapng.h, or one we don't know */
	const uint8_t *body; /* without type and lengths; fields of known block types in host byte order */
	uint32_t body_len;
	uint32_t source; /* as an interface's */
	bool first;	 /* of its source: a section header */
	bool swapped; /* of a type we don't know, from a section whose byte order is not the host's: body as it was */
};

#endif
