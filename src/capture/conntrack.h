/* SPDX-License-Identifier: BSD-3-Clause */
/* What the kernel's connection tracking knows of a flow, asked by ctnetlink. */
#ifndef CAPTURE_CONNTRACK_H
#define CAPTURE_CONNTRACK_H

#include <ptcpdump/owner.h>
#include <stddef.h>

/* Opens it for the calling thread's network namespace: a descriptor; -ENOENT: nothing is tracked there; or another -errno. */
int conntrack_open(void);
/*
 * k: a flow as its receiver's end sees it before NAT. 0, and *ret is that end after NAT, which k is where there is none;
 * k's namespace and protocol stay. CONNTRACK_ANSWER: k gets answers, and *ret is its end as it sent what they answer.
 * -ENOENT: no such flow. Needs CAP_NET_ADMIN.
 */
enum { CONNTRACK_ANSWER = 1 };
int conntrack_ask(int fd, const struct flow_key *k, struct flow_key *ret);
/* The same of an answer of n bytes; for tests. */
int conntrack_parse(const void *answer, size_t n, const struct flow_key *k, struct flow_key *ret);

#endif
