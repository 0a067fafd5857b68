/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_EXPEDITE_H
#define CAPTURE_EXPEDITE_H

#include <stdbool.h>
#include <sys/types.h>

/*
 * Attaching to a device, and letting go of it, waits for an RCU grace period while nobody else may change a network device: 10 ms
 * and more, 4 s for 200 devices. As long as /sys/kernel/rcu_expedited is not 0 it is 0.3 ms (Documentation/RCU, kernel/rcu/update.c).
 * That is everybody's, so a process of its own sets it, for the moment that it takes, and sets it back when we end it, or end,
 * by SIGKILL, too. Where it cannot be written, or somebody has set it, nothing is done: it takes longer.
 */
struct expedite {
	int fd;	   /* of that file; -1: it cannot be written */
	int guard; /* while it is set, a socket to the process that does it; else -1 */
	pid_t pid; /* of that process */
};

#define RCU_EXPEDITED "/sys/kernel/rcu_expedited"

/* From so many devices on it is worth it: to do it takes some ms. */
enum { EXPEDITE_DEVICES = 8 };

/* What we set it to: whoever finds it knows that it was 0 before. */
enum { EXPEDITED_BY_US = 0x70746370 };

/* While we have the right to. path: RCU_EXPEDITED, or another file of a test. */
void expedite_open(struct expedite *e, const char *path);
/* One pair for each time that many devices are attached or let go. */
void expedite_begin(struct expedite *e);
void expedite_end(struct expedite *e);
void expedite_close(struct expedite *e);
/* Resets what nobody is there to reset any more, and returns whether there was such a thing. */
bool expedite_clean(const char *path);

#endif
