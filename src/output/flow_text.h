/* SPDX-License-Identifier: BSD-3-Clause */
/* What the rows of flows say, as the cells of a table for people: names are escaped, and of any length. */
#ifndef OUTPUT_FLOW_TEXT_H
#define OUTPUT_FLOW_TEXT_H

#include "flows/flows.h"
#include "util/buf.h"

/* "curl.1234", by user "alice"; "-": nobody known; "others". */
void flow_put_who(struct buf *b, const struct flows_row *row);
/* The pod as NAME.NAMESPACE, else the container, "-": none. */
void flow_put_where(struct buf *b, const struct flows_row *row);
/* ADDRESS.PORT of the owner's end, as packets are printed, and of the other; "-": unknown. */
void flow_put_local(struct buf *b, const struct flows_row *row);
/* Of several flows the busiest's and how many there are besides: "10.0.0.2.443 +3". */
void flow_put_peer(struct buf *b, const struct flows_row *row);
/* "tcp", "udp", "icmp", a number; "-": not IP. */
void flow_put_proto(struct buf *b, const struct flows_row *row);
/* HH:MM:SS, in UTC or our time zone; "-" for 0. */
void flow_put_time(struct buf *b, uint64_t ns, bool utc);
/* In a second, of so many in ns; 0 in no time. */
uint64_t flow_rate(uint64_t bytes, uint64_t ns);
/* Of so many in ns: four characters at most and a unit, "1.24M"; "-": in no time. */
void flow_put_rate(struct buf *b, uint64_t bytes, uint64_t ns);
/* 999, 1.23k, 45.6M: for who has little room. */
void flow_put_short(struct buf *b, uint64_t n);

#endif
