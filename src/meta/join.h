/* SPDX-License-Identifier: BSD-3-Clause */
/* From the owners that the kernel recorded to an annotation: which end is shown, what is known of it. */
#ifndef META_JOIN_H
#define META_JOIN_H

#include "meta/container.h"
#include "meta/meta.h"
#include "meta/process.h"
#include "meta/user.h"

struct join;

struct join_config {
	struct process_table *processes;
	struct containers *containers; /* NULL: none */
	struct users *users;
	uint64_t settle_ns;
	bool reverse_match, peer;
};

int join_new(struct join **ret, const struct join_config *config);
/* An owner became certain. */
void join_owner(struct join *j, const struct event_socket_owner *event);
/* Processes or containers changed: annotations that were made are looked over before they are used again. */
void join_changed(struct join *j);
/* Packets are joined from now on, CLOCK_MONOTONIC ns: earlier ones have not waited for their containers yet. */
void join_begin(struct join *j, uint64_t now);
/* As meta_join() and meta_other_end(). */
enum meta_verdict join_packet(struct join *j, struct packet *packet, uint64_t now, bool force);
const struct annotation *join_other_end(struct join *j, const struct packet *packet);
void join_free(struct join *j);

#endif
