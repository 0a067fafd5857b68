/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners of flows, each kept once; for src/flows only. */
#ifndef FLOWS_OWNERS_H
#define FLOWS_OWNERS_H

#include "flows/flows.h"
#include "util/hash.h"

struct flows_owners;

/* max 0: the usual number. NULL: out of memory. */
struct flows_owners *flows_owners_new(size_t max);
/* Never NULL: for whom there is no room, that of the others. */
struct flows_owner *flows_owner_find(struct flows_owners *o, const struct annotation *annot, bool others);
void flows_owners_each(struct flows_owners *o, void (*fn)(void *arg, struct flows_owner *owner), void *arg);
void flows_owners_free(struct flows_owners *o);
/* What tells owners apart by one of ANNOT_PROCESS, ANNOT_USER, ANNOT_CONTAINER and ANNOT_POD: whether it is the same, or known of neither;
 * and a hash of it, behind h. */
bool flows_owner_same(const struct annotation *a, const struct annotation *b, unsigned bit);
uint64_t flows_owner_hash(const struct hash_key *key, uint64_t h, const struct annotation *a, unsigned bit);
struct flows_owners *flows_owners_of(const struct flows *f);

#endif
