/* SPDX-License-Identifier: BSD-3-Clause */
/* Link types as files store them (LINKTYPE_*, https://www.tcpdump.org/linktypes.html) and as libpcap's interface names
 * them (DLT_*, pcap/dlt.h). They differ where systems once gave one DLT_* number to several things. */
#ifndef UTIL_LINKTYPE_H
#define UTIL_LINKTYPE_H

#include <stdint.h>

/* An unknown number stays as it is: newer libraries may know it. */
int linktype_to_dlt(uint32_t linktype);
uint32_t linktype_from_dlt(int dlt);
/* The largest packet, in bytes, that libpcap takes for sane; never below 262144. */
uint32_t linktype_max_snaplen(int dlt);

#endif
