/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes by (tgid, start time), fed by events of the process ring and by /proc. Bounded; the dead are kept for a
 * while, since their packets may still be in flight. */
#ifndef META_PROCESS_H
#define META_PROCESS_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "annotation.h"
#include "util/str.h"

struct process {
	uint64_t start; /* ns, CLOCK_BOOTTIME; from /proc only exact to one clock tick */
	uint64_t parent_start;
	uint64_t cgroup; /* cgroup v2 id, 0 unknown */
	uint32_t tgid, parent_tgid, uid;
	uint32_t pidns, mntns, netns;
	struct str cmd;		   /* executable path, or comm when unknown */
	struct str args;	   /* joined by one space; cut ones end in "..." */
	struct str name;	   /* what it was started as: meta/name.h */
	char comm[EVENT_COMM_LEN]; /* what it calls itself now */
	uint32_t version;	   /* changes whenever anything above does (exec, cgroup move) */
	uint32_t moves;		   /* between cgroups, of any hierarchy */
	bool dead;
};

struct process_table;

int process_table_new(struct process_table **ret);
/* Existing processes, from /proc. Call when events are already being queued: events win over what /proc says. */
int process_table_scan(struct process_table *t);
void process_table_event(struct process_table *t, uint32_t type, const void *event, size_t size);
/* NULL: not known (start 0: the living process of that tgid). Falls back to /proc once. Valid until the next event. */
const struct process *process_find(struct process_table *t, uint32_t tgid, uint64_t start);
struct process_desc process_describe(const struct process *p);
/* Those that live, in any order. */
void process_each(struct process_table *t, void (*fn)(void *arg, const struct process *p), void *arg);
/* Name of a thread, from the table, else /proc; "" unknown. Valid until the next call. */
struct str process_thread_name(struct process_table *t, uint32_t tgid, uint32_t tid);
void process_table_free(struct process_table *t);

#endif
