/* SPDX-License-Identifier: BSD-3-Clause */
/* Owners of flows, each kept once; for src/flows only. */
#ifndef FLOWS_OWNERS_H
#define FLOWS_OWNERS_H

#include "flows/flows.h"

struct flows_owners;

/* max 0: the usual number. NULL: out of memory. */
struct flows_owners *flows_owners_new(size_t max);
/* Never NULL: for whom there is no room, that of the others. */
struct flows_owner *flows_owner_find(struct flows_owners *o, const struct annotation *annot, bool others);
void flows_owners_each(struct flows_owners *o, void (*fn)(void *arg, struct flows_owner *owner), void *arg);
void flows_owners_free(struct flows_owners *o);
void flows_counts_join(struct flows_counts *to, const struct flows_counts *n);
struct flows_owners *flows_owners_of(const struct flows *f);

#endif
