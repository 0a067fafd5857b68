/* SPDX-License-Identifier: BSD-3-Clause */
/* Some link types begin with a header of the capturing host's own, in its byte order. In a file of the other byte order
 * those fields are turned, as libpcap does, so that whoever looks at the packet finds them in the host's. */
#ifndef READER_PSEUDO_HEADER_H
#define READER_PSEUDO_HEADER_H

#include <stdint.h>

void pseudo_header_to_host(int dlt, uint8_t *p, uint32_t caplen);

#endif
