/* SPDX-License-Identifier: BSD-3-Clause */
/* The daemons that may know a container: which sockets there are, those of users too, and how often they are asked. */
#ifndef META_RUNTIMES_H
#define META_RUNTIMES_H

#include <stdbool.h>
#include <stdint.h>

#include "util/buf.h"
#include "util/clock.h"

struct container_entry;
struct container_store;
struct loop;
struct runtimes;

/* How long a container may hold up its packets; less than the join waits, by as much as it looks at a packet late. */
#define RUNTIMES_WAIT_NS (300 * NSEC_PER_MSEC)

/* addresses: sockets by enum runtime_kind, with or without "unix://"; NULL: the usual ones. Nobody is silent before
 * runtimes_listen(). -errno. */
int runtimes_new(struct runtimes **ret, struct loop *loop, struct container_store *store, const char *const *addresses);
/* After loop_run(): connects, looks for daemons of users, asks again; sets the wake time. now: CLOCK_MONOTONIC ns. */
void runtimes_step(struct runtimes *rs, uint64_t now);
/* From now on runtimes_step() is called as soon as there is something to do: who does not answer is silent. */
void runtimes_listen(struct runtimes *rs);
/* Somebody can be asked. */
bool runtimes_alive(const struct runtimes *rs);
/* Somebody has told what exists. */
bool runtimes_ready(const struct runtimes *rs);
/* Their names: of those that answer, and of those whose sockets are there and may not be opened. How many there are. */
size_t runtimes_put_ready(const struct runtimes *rs, struct buf *b);
size_t runtimes_put_denied(const struct runtimes *rs, struct buf *b);
/* Of those that do not answer and of whom one would expect it, why. */
void runtimes_put_down(const struct runtimes *rs, struct buf *b);
/* Nobody need be waited for (any longer): all have told what exists, or are silent, or not there. */
bool runtimes_answered(const struct runtimes *rs, uint64_t now);
/* Asks for what is not known of a container: at once, a few times soon, and seldom later. */
void runtimes_want(struct runtimes *rs, struct container_entry *e, uint64_t now);
/* Its packets may wait, for a while from the first on. waits: for a packet; else nothing depends on the answer yet. */
bool runtimes_may_wait(struct runtimes *rs, struct container_entry *e, uint64_t now, bool waits);
/* Before the store and the loop. */
void runtimes_free(struct runtimes *rs);

#endif
