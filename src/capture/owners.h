/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose packet is it, asked in user space: for packets that none of our programs has seen. The tuple is looked up in
 * the maps that bpf/cgroup.bpf.c and its likes fill and, where these do not have all flows, by sock_diag and /proc.
 */
#ifndef CAPTURE_OWNERS_H
#define CAPTURE_OWNERS_H

#include <ptcpdump/owner.h>
#include <stdbool.h>
#include <stdint.h>

struct owners;

/* Descriptors of ptcp_flows and ptcp_cookies; -1: there are none. 0 or a negative errno. */
int owners_new(struct owners **ret, int flows_fd, int cookies_fd);
/*
 * Opens a door to the sockets of the calling thread's network namespace, which has this inode number: what the maps do not know is
 * asked for in /proc.
 */
int owners_add_netns(struct owners *o, uint32_t inode);
/* Closes it. */
void owners_forget_netns(struct owners *o, uint32_t inode);
/*
 * Fills e->src and e->dst as far as known, unless a cookie is there to wait for; e->netns and e->caplen are filled
 * already. now: CLOCK_MONOTONIC ns. Returns false when an end that shall be shown is unknown and may become known soon.
 */
bool owners_find(struct owners *o, int dlt, struct event_packet *e, const uint8_t *data, uint64_t now);
/* From then on a flow is another's in the maps: packets from before are still the one's that had it. */
void owners_flow_was(struct owners *o, const struct event_flow *e);
/* The destination's end of a packet, seen as the local one; *request: it is a TCP SYN. False: it has no ports. */
bool owners_destination(int dlt, const struct event_packet *e, const uint8_t *data, struct flow_key *ret,
			bool *request);
/* What ptcp_flows and ptcp_cookies know of a flow, in its namespace or from any. */
bool owners_record(int flows_fd, int cookies_fd, const struct flow_key *key, struct owner_rec *ret);
struct event_owner owners_of_record(const struct owner_rec *rec);
/* The direction that a cooked header (LINUX_SLL, LINUX_SLL2) tells: EVENT_DIR_*. */
uint8_t owners_direction(int dlt, const uint8_t *data, uint32_t caplen);
void owners_free(struct owners *o);

#endif
