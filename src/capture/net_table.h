/* SPDX-License-Identifier: BSD-3-Clause */
/* Sockets of a network namespace as /proc/net/tcp, tcp6, udp and udp6 list them: proc_net(5). Slower than sock_diag, and always there. */
#ifndef CAPTURE_NET_TABLE_H
#define CAPTURE_NET_TABLE_H

#include <ptcpdump/owner.h>
#include <stdbool.h>
#include <stdint.h>

#include "capture/diag.h"

struct net_table;

/* Of the calling thread's namespace, which it keeps from ending. proto: IPPROTO_TCP or IPPROTO_UDP. NULL: it cannot be read, or no memory. */
struct net_table *net_table_open(uint8_t proto);
/*
 * As diag_find(). now: CLOCK_MONOTONIC ns; what was read some milliseconds ago is not read again, and where that takes long, for longer. Of
 * several sockets that may be meant equally well, none is.
 */
bool net_table_find(struct net_table *t, const struct flow_key *key, uint64_t now, struct diag_socket *ret);
void net_table_close(struct net_table *t);

#endif
