/* SPDX-License-Identifier: BSD-3-Clause */
/* Which end of a packet is shown, by the owners that the kernel recorded. */
#ifndef META_ENDS_H
#define META_ENDS_H

#include "meta/join.h"
#include "meta/period.h"
#include "meta/settle.h"

/* The owners of both ends in the order of interest, settled as far as possible. */
struct ends {
	struct event_owner shown, other;
	bool waiting_shown, waiting_other;
	bool shown_sends; /* shown is the sending task itself: the packet knows its thread's name */
	struct period
		when; /* packets of the same owners have the same ends at this time, until the processes change, */
	bool passing; /* unless this: something is not known yet, and time may bring it */
};

/* expired: the packet does not wait for its owner any longer. */
struct ends ends_find(const struct join_config *config, struct settle_table *settled, const struct packet *packet,
		      bool expired);

#endif
