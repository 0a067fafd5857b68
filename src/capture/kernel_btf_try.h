/* SPDX-License-Identifier: BSD-3-Clause */
#ifndef CAPTURE_KERNEL_BTF_TRY_H
#define CAPTURE_KERNEL_BTF_TRY_H

#include <ptcpdump/btf_check.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <sys/socket.h>

struct btf_try_sock {
	int fd;
	sa_family_t family;
	bool connects;	      /* else it listens */
	bool shares, chooses; /* its port, by a program */
	uint64_t cookie;
	struct sockaddr_storage local, remote;
};

enum { BTF_TRY_UID = 4, BTF_TRY_GID = 1 }; /* of the child, the first of three each */

struct btf_try {
	const char *begin, *end, *born; /* names that the thread gives itself, and its child */
	int egress_fd, ingress_fd;	/* programs at a device */
	const uint32_t *egress_seen, *ingress_seen;
	uint32_t *file; /* is told a descriptor on a file system that is mounted on another */
	/* Called in the thread, before it gives up what it has. */
	void (*ended)(void *arg);
	void *ended_arg;
	/* Filled in: */
	bool nested;	/* the child was the first process of a pid namespace */
	uint32_t child; /* its number here, 0: there was none */
	uint32_t child_pidns;
	bool packets; /* have passed a device of its own, to be seen by both programs */
	size_t n;     /* in the order in which they came to be */
	struct btf_try_sock socks[BTF_CHECK_SOCKS];
};

/* For thread_start(), in a thread of its own, which it leaves in another namespace; arg: struct btf_try. NULL */
void *btf_try(void *arg);

#endif
