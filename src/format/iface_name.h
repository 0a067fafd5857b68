/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The names of interfaces in pcapng: as they are printed, name@namespace@host, for programs that show nothing else. What of it is
 * not the device's own name is in comments as well (iface_comment.h; "host: web1"), which tell how to take it apart.
 */
#ifndef FORMAT_IFACE_NAME_H
#define FORMAT_IFACE_NAME_H

#include "packet.h"
#include "util/buf.h"

/* Appends the options: none without a name. */
void iface_name_write(struct buf *b, const struct iface *iface);
/* Takes note of a host, which iface_name_cut() believes if the name has it. 0 or -ENOMEM. */
int iface_name_parse_comment(struct iface *iface, const uint8_t *p, size_t n);
/* Leaves the device's own name. */
void iface_name_cut(struct iface *iface);
/* Appends the options of an interface that was read, as one of that host, which is iface->host or longer. */
void iface_name_move(struct buf *b, const struct iface *iface, const char *host);

#endif
