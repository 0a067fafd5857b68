/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attach_ahead.h"

#include <bpf/bpf.h>
#include <linux/bpf.h>
#include <sched.h>
#include <unistd.h>

#include "capture/attach.h"
#include "util/thread.h"

void ahead_add(struct ahead *a, int netns_fd, uint32_t netns, uint32_t ifindex, bool ingress)
{
	if (a->n == AHEAD_MAX)
		return;
	a->sides[a->n++] = (struct ahead_side){
		.netns_fd = netns_fd, .netns = netns, .ifindex = ifindex, .ingress = ingress, .link_fd = -1
	};
}

/* A thread that has entered another namespace is of no use for those in the first one. False: all of them would be refused. */
static bool make_link(const struct ahead *a, struct ahead_side *side, int *entered)
{
	if (side->netns_fd != *entered && (side->netns_fd < 0 || setns(side->netns_fd, CLONE_NEWNET) != 0))
		return true;
	*entered = side->netns_fd;
	side->link_fd = attach_link(side->ifindex, side->ingress, a->prog_fd);
	/* What all kernels without tcx say. */
	return side->link_fd >= 0;
}

static void *make_links(void *arg)
{
	struct ahead *a = arg;
	bool more = true;
	int entered = -1;

	for (unsigned i = 0; i < a->n; i++) {
		more = more && make_link(a, &a->sides[i], &entered);
		sem_post(&a->more);
	}
	return NULL;
}

void ahead_begin(struct ahead *a)
{
	const struct bpf_insn pass[] = {
		{ .code = BPF_ALU64 | BPF_MOV | BPF_K, .dst_reg = BPF_REG_0, .imm = -1 },
		{ .code = BPF_JMP | BPF_EXIT },
	};

	if (!a->n)
		return;
	a->prog_fd =
		bpf_prog_load(BPF_PROG_TYPE_SCHED_CLS, "ptcp_pass", "GPL", pass, sizeof(pass) / sizeof(pass[0]), NULL);
	if (a->prog_fd < 0)
		return;
	sem_init(&a->more, 0, 0);
	a->running = thread_start(&a->thread, make_links, a) == 0;
	if (!a->running)
		close(a->prog_fd);
}

unsigned ahead_descriptors(const struct ahead *a)
{
	return a->running ? a->n - a->made : 0;
}

static void finish(struct ahead *a)
{
	if (!a->running)
		return;
	pthread_join(a->thread, NULL);
	sem_destroy(&a->more);
	close(a->prog_fd);
	a->running = false;
}

static bool is_side(const struct ahead_side *side, uint32_t netns, uint32_t ifindex, bool ingress)
{
	return side->netns == netns && side->ifindex == ifindex && side->ingress == ingress;
}

int ahead_take(struct ahead *a, uint32_t netns, uint32_t ifindex, bool ingress)
{
	unsigned i = 0;
	int fd;

	while (i < a->n && !is_side(&a->sides[i], netns, ifindex, ingress))
		i++;
	if (i == a->n)
		return -1;
	while (a->running && a->made <= i) {
		if (sem_wait(&a->more) == 0)
			a->made++;
	}
	fd = a->sides[i].link_fd;
	a->sides[i].link_fd = -1;
	return fd < 0 ? -1 : fd;
}

void ahead_end(struct ahead *a)
{
	finish(a);
	for (unsigned i = 0; i < a->n; i++) {
		if (a->sides[i].link_fd >= 0)
			close(a->sides[i].link_fd);
	}
	a->n = 0;
}
