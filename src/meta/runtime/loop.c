/* SPDX-License-Identifier: BSD-3-Clause */
#include "meta/runtime/loop.h"

#include <errno.h>
#include <stddef.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "util/clock.h"

enum { MAX_EVENTS_PER_RUN = 128 };

static void timer_ready(struct loop_source *s, uint32_t events)
{
	uint64_t expirations;

	(void)events;
	if (read(s->fd, &expirations, sizeof(expirations)) < 0)
		return;
}

int loop_open(struct loop *l)
{
	*l = (struct loop){ .epoll_fd = -1, .timer_fd = -1, .wake = UINT64_MAX };
	l->epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	l->timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_NONBLOCK | TFD_CLOEXEC);
	if (l->epoll_fd < 0 || l->timer_fd < 0)
		return -errno;
	l->timer = (struct loop_source){ .fd = l->timer_fd, .ready = timer_ready };
	return loop_watch(l, &l->timer, EPOLLIN);
}

int loop_watch(struct loop *l, struct loop_source *s, uint32_t events)
{
	struct epoll_event ev = { .events = events, .data.ptr = s };
	int op = events == 0 ? EPOLL_CTL_DEL : s->events == 0 ? EPOLL_CTL_ADD : EPOLL_CTL_MOD;

	if (events == s->events)
		return 0;
	s->events = events;
	return epoll_ctl(l->epoll_fd, op, s->fd, &ev) < 0 ? -errno : 0;
}

void loop_wake_at(struct loop *l, uint64_t when)
{
	struct itimerspec t = { 0 };

	if (when >= l->wake)
		return;
	l->wake = when;
	/* A time in the past fires at once; all zero would disarm. */
	t.it_value.tv_sec = (time_t)(when / NSEC_PER_SEC);
	t.it_value.tv_nsec = (long)(when % NSEC_PER_SEC) | 1;
	timerfd_settime(l->timer_fd, TFD_TIMER_ABSTIME, &t, NULL);
}

void loop_run(struct loop *l)
{
	struct epoll_event ev;

	/* One event at a time: a callback may free another source. */
	for (int i = 0; i < MAX_EVENTS_PER_RUN; i++) {
		struct loop_source *s;

		if (epoll_wait(l->epoll_fd, &ev, 1, 0) <= 0)
			break;
		s = ev.data.ptr;
		s->ready(s, ev.events);
	}
	l->wake = UINT64_MAX;
}

void loop_close(struct loop *l)
{
	if (l->epoll_fd >= 0)
		close(l->epoll_fd);
	if (l->timer_fd >= 0)
		close(l->timer_fd);
	l->epoll_fd = l->timer_fd = -1;
}
