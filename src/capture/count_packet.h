/* SPDX-License-Identifier: BSD-3-Clause */
/* From a slot of counts to what stands for its packets where single ones are looked at. */
#ifndef CAPTURE_COUNT_PACKET_H
#define CAPTURE_COUNT_PACKET_H

#include <ptcpdump/count.h>
#include <stdbool.h>
#include <stdint.h>

#include "flows/flows.h"

enum { COUNT_HEADERS_MAX = 14 + 40 + 20 };

/* What the programs would have told of the first packet; without its bytes. */
struct event_packet count_event(const struct count_slot *slot);
/* Headers with these addresses, ports and TCP flags. l3: they start at the IP header. Returns their length. */
uint32_t count_headers(const struct count_slot *slot, bool l3, uint8_t to[COUNT_HEADERS_MAX]);
/* All but iface and annot. clock_offset: ns, from CLOCK_MONOTONIC to CLOCK_REALTIME. */
struct flows_sample count_sample(const struct count_slot *slot, int64_t clock_offset);

#endif
