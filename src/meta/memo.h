/* SPDX-License-Identifier: BSD-3-Clause */
/* What was found of packets just before: most packets have their owners, and so the same annotation. */
#ifndef META_MEMO_H
#define META_MEMO_H

#include "meta/period.h"
#include "packet.h"

enum { MEMO_SLOTS = 16 }; /* a power of two */

/* All of a packet that its annotation depends on. */
struct memo_key {
	struct event_owner src, dst; /* but for the cookie */
	char comm[EVENT_COMM_LEN];
	uint32_t netns;
	uint8_t dir, device; /* what may change of its interface */
};

struct memo_slot {
	struct memo_key key;
	uint64_t generation; /* 0: empty */
	struct period when;
	const struct annotation *annot; /* as long as it has: */
	uint64_t serial;
};

struct memo {
	struct memo_slot slots[MEMO_SLOTS];
};

/* NULL: nothing was kept of such a packet in this generation, or it holds no longer. */
const struct annotation *memo_find(const struct memo *m, const struct packet *packet, uint64_t generation);
/* The annotation is that of all such packets of that time in this generation. What it points to must stay an annotation,
 * which may become another one. */
void memo_keep(struct memo *m, const struct packet *packet, uint64_t generation, const struct period *when,
	       const struct annotation *annot);

#endif
