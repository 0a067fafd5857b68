/* SPDX-License-Identifier: BSD-3-Clause */
/* Processes by (tgid, start time), fed by events of the process ring and by /proc. Bounded; the dead are kept for a
 * while, since their packets may still be in flight. */
#ifndef META_PROCESS_H
#define META_PROCESS_H

#include <ptcpdump/event.h>
#include <stdbool.h>
#include <stddef.h>

#include "annotation.h"
#include "meta/period.h"
#include "meta/thread.h"
#include "util/str.h"

struct process {
	uint64_t start; /* ns, CLOCK_BOOTTIME; from /proc only exact to one clock tick */
	uint64_t parent_start;
	uint64_t cgroup; /* cgroup v2 id, 0 unknown */
	uint32_t tgid, parent_tgid;
	uint32_t uid; /* at the beginning; uid_told: at the end of the time that this is of */
	uint32_t pidns, mntns, netns;
	struct str cmd;		   /* executable path, or comm when unknown */
	struct str args;	   /* joined by one space; cut ones end in "..." */
	struct str name;	   /* what it was started as: meta/name.h */
	char comm[EVENT_COMM_LEN]; /* what it calls itself now */
	uint32_t version;	   /* changes whenever anything above does (exec, cgroup move) */
	uint32_t moves;		   /* between cgroups, of any hierarchy */
	uint16_t image;		   /* EVENT_IMAGE(), 0 unknown */
	bool dead, uid_told;
	bool told; /* by events since it was forked or executed: nobody renamed its threads unheard */
	/* All above holds since then, CLOCK_MONOTONIC ns, 0: for all that is known. What held before, NULL: not known. */
	uint64_t since;
	struct process *before;
};

struct process_id {
	uint64_t start; /* 0: the living process of that tgid */
	uint32_t tgid;
	uint16_t image; /* what it ran then, 0 unknown */
	bool later;	/* or what it runs since: only its past tells */
};

struct process_table;

int process_table_new(struct process_table **ret);
/* Existing processes, from /proc. Call when events are already being queued: events win over what /proc says. */
int process_table_scan(struct process_table *t);
void process_table_event(struct process_table *t, uint32_t type, const void *event, size_t size);
/* As it is now. NULL: not known (start 0: the living process of that tgid). Falls back to /proc once. Valid until the next event. */
const struct process *process_find(struct process_table *t, uint32_t tgid, uint64_t start);
/*
 * As it was at when->at, which is narrowed to the time of which the same is true; likewise else. Its image is another one
 * than asked for when nothing is known of that.
 */
const struct process *process_at(struct process_table *t, const struct process_id *id, struct period *when);
/* The user of p, which process_at() has found, when the process's last packets are of uid. */
uint32_t process_uid(struct process_table *t, const struct process *p, uint32_t uid);
/*
 * It runs this image, as told by a packet of ts. When that is newer than all that events told, one was lost, and /proc is
 * asked. Ends what was found before.
 */
void process_catch_up(struct process_table *t, const struct process_id *id, uint64_t ts);
/* meta/ancestry.h: when it was forked, or else first seen. Absent: nothing is known. Valid until the next event. */
struct str process_ancestry(struct process_table *t, const struct process *p);
/* Those that live, in any order. */
void process_each(struct process_table *t, void (*fn)(void *arg, const struct process *p), void *arg);
/* A packet told the name of the thread that sent it. */
void process_thread_told(struct process_table *t, const struct thread_id *id, const char comm[EVENT_COMM_LEN],
			 uint64_t ts);
/* Name of a thread at when->at, which is narrowed; "" unknown. Valid until the next call. */
struct str process_thread_name(struct process_table *t, const struct thread_id *id, struct period *when);
void process_table_free(struct process_table *t);

#endif
