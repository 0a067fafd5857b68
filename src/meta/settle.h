/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners of sockets that were provisional when their packets were seen, by socket cookie. Bounded: the oldest go. */
#ifndef META_SETTLE_H
#define META_SETTLE_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stdint.h>

struct settle_table;

int settle_table_new(struct settle_table **ret);
/* The owner became certain at ts. */
void settle_table_event(struct settle_table *t, const struct event_owner *owner, uint64_t ts);
/* Nobody became its owner in time: further packets of this socket need not wait. */
void settle_table_expire(struct settle_table *t, const struct event_owner *owner, uint64_t ts);
/* NULL: not settled yet. ts: of the packet. Valid until the next event. */
const struct event_owner *settle_table_find(const struct settle_table *t, uint64_t cookie, uint64_t ts);
void settle_table_free(struct settle_table *t);

#endif
