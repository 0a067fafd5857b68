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
	bool connects; /* else it listens */
	uint64_t cookie;
	struct sockaddr_storage local, remote;
};

struct btf_try {
	const char *begin, *end;   /* names that the thread gives itself */
	int egress_fd, ingress_fd; /* programs at a device */
	const uint32_t *egress_seen, *ingress_seen;
	/* Called in the thread, before it gives up what it has. */
	void (*ended)(void *arg);
	void *ended_arg;
	/* Filled in: */
	bool packets; /* have passed a device of its own, to be seen by both programs */
	size_t n;     /* in the order in which they came to be */
	struct btf_try_sock socks[BTF_CHECK_SOCKS];
};

/* For thread_start(), in a thread of its own, which it leaves in another namespace; arg: struct btf_try. NULL */
void *btf_try(void *arg);

#endif
