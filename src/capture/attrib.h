/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * Whose sockets: the hooks that feed bpf/owner.bpf.h, the process events, and the process filter in the kernel. Every
 * hook is optional; what a kernel lacks costs that source only and is said once at info.
 *
 *	attrib_new            probes the kernel, touches nothing
 *	open the skeleton, attrib_prepare
 *	load; when it fails and attrib_retry(): open a fresh skeleton, attrib_prepare, load again
 *	attrib_attach         hooks are on, process events are being queued
 *	attach the packet programs
 *	attrib_scan           sockets that exist already; packets need not wait for it, unless attrib_scan_first(): then
 *	                      before the packet programs are attached
 *	attrib_consume        before each batch of packets
 */
#ifndef CAPTURE_ATTRIB_H
#define CAPTURE_ATTRIB_H

#include <stdbool.h>
#include <stdint.h>
#include <stdio.h>

#include "capture/capture.h"

struct attrib;
struct ptcpdump;
struct sections;

/* 0 or -ENOMEM. config is borrowed until attrib_scan() returned. */
int attrib_new(struct attrib **ret, const struct capture_config *config);
/* Adds what our programs attach to, before the skeleton is opened; keeps it, to load from. -E2BIG */
int attrib_sections(struct attrib *a, struct sections *ret);
/* Between open and load: which of our programs load, their settings, sizes of our maps. skel stays until the end, or
 * until the next call. */
int attrib_prepare(struct attrib *a, struct ptcpdump *skel);
/* After a load that failed with err: true when some of our programs were refused. They are given up; open the skeleton again and retry. */
bool attrib_retry(struct attrib *a, int err);
/* After the load. Fails only when the process ring or the filter maps cannot be used (logged). Without a load, config has
 * no attribution. */
int attrib_attach(struct attrib *a, const struct capture_handler *handler);
/* Sockets of every network namespace that exist already. */
int attrib_scan(struct attrib *a);
/* The scan cannot tell of packets that were seen before it: it has to come before the packet programs are attached. */
bool attrib_scan_first(const struct attrib *a);
/* Readable when process events wait; -1 without attribution, and where attrib_polled(). */
int attrib_fd(const struct attrib *a);
/* Hands all queued process events, validated, to handler->process. Returns their number or a negative errno. */
int attrib_consume(struct attrib *a);
/* Events come, and nobody wakes us for them. */
bool attrib_polled(const struct attrib *a);
/* Whether ptcp_flows has all that sockets send and receive: after attrib_attach(). */
bool attrib_tells_flows(const struct attrib *a);
/* Process events that did not fit into the ring. */
uint64_t attrib_lost(const struct attrib *a);
/* As capture_set_verdict(). */
int attrib_set_verdict(struct attrib *a, uint64_t cgroup, uint32_t tgid, bool match);
/* A table: each hook, whether this kernel has it, what is lost without. */
int attrib_probe(FILE *out);
void attrib_free(struct attrib *a);

/* attrib_events.c */
/* True when an event of the process ring is whole and its lengths agree with its size. */
bool attrib_event_valid(const void *event, size_t size);

#endif
