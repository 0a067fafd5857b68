/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * The pid namespace that is meant wherever the program speaks of pids: that of the mounted /proc, whose pids ps and pgrep
 * show. The eBPF programs are told which it is (shown_pidns) and translate; what is outside of it has PID_OUTSIDE.
 */
#ifndef UTIL_PIDNS_H
#define UTIL_PIDNS_H

#include <stdbool.h>
#include <stdint.h>
#include <sys/types.h>

struct pidns {
	uint32_t inode; /* 0: not known */
	bool initial;	/* of the whole machine, or as far as is known */
	bool ours;	/* fork() and kill() count pids as it does */
};

struct pidns pidns_of_proc(void);
/* What /proc calls one of our processes; 0: it does not show it. */
uint32_t pidns_shown(pid_t pid);
/* Reads the numbers of a process from its /proc/PID/status, or /proc/PID/fdinfo of a descriptor of it: those in the namespace of /proc and, from
 * there inward, in those it is in. Returns how many there are, 0: none; *ret: the first. */
unsigned pidns_parse(const char *text, uint32_t *ret);

#endif
