/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * An output whose work another process does: a child that holds no rights gets interfaces, annotations and packets through
 * memory that it may read, and hands them to an output of its own. Nothing that the child says is believed unchecked.
 */
#ifndef OUTPUT_RELAY_H
#define OUTPUT_RELAY_H

#include "output/output.h"

struct relay_config {
	/* In the child, which has no descriptors but the standard ones and its own: makes the output that does the work, and
	 * gives up all rights. interrupted, taken: as of fd_write(), which may change the latter at any time. -errno, logged. */
	int (*prepare)(void *arg, const volatile sig_atomic_t *interrupted, size_t *taken, struct output **ret);
	void *arg;
	/* How many of its first bytes the child needs of a packet that is not short, and absent_sum of the rest; NULL: all. */
	uint32_t (*needs)(void *arg, const struct packet *packet, uint16_t *absent_sum);
	void *needs_arg;
	int keep_fd;   /* of the child as well, -1: none */
	bool json;     /* the texts of labels and the like are shown, too */
	bool prompt;   /* what there is, is handed over at the end of each batch */
	uint64_t tick; /* ns, how often the child's output is to be called for the time; 0: it is not */
};

/* Forks: before there are threads, and while there is little memory to be inherited. -errno, logged. */
int output_relay_new(struct output **ret, const struct relay_config *config);
/* Waits until the child is prepared. -errno, logged. */
int output_relay_ready(struct output *o);
/* Readable once the child has ended. */
int output_relay_fd(const struct output *o);
/* As the operations of an output: why it ended. */
int output_relay_check(struct output *o);
/* We have been asked to end. As fd_write() does: if its reader takes nothing now, and goes on so, or the child is
 * stopped, the rest is lost. */
void output_relay_interrupt(struct output *o);

#endif
