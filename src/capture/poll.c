/* SPDX-License-Identifier: BSD-3-Clause */
/* What a capture waits for: one descriptor that becomes readable when there is something to do. */
#include <errno.h>
#include <string.h>
#include <sys/epoll.h>
#include <sys/timerfd.h>
#include <unistd.h>

#include "capture/private.h"
#include "util/log.h"

enum { EVENTS_AT_ONCE = 16 };

int poll_open(struct capture *c)
{
	int err = 0;

	c->poll.epoll_fd = epoll_create1(EPOLL_CLOEXEC);
	if (c->poll.epoll_fd >= 0)
		c->poll.timer_fd = timerfd_create(CLOCK_MONOTONIC, TFD_CLOEXEC | TFD_NONBLOCK);
	if (c->poll.epoll_fd < 0 || c->poll.timer_fd < 0)
		err = -errno;
	/* Setting the timer again is enough, it need not be read. */
	if (!err)
		err = poll_add(c, c->poll.timer_fd, EPOLLIN | EPOLLET, NULL);
	if (err)
		log_error("cannot wait for packets: %s", strerror(-err));
	return err;
}

int poll_add(struct capture *c, int fd, uint32_t events, struct watch *watch)
{
	struct epoll_event event = { .events = events, .data.ptr = watch };

	return epoll_ctl(c->poll.epoll_fd, EPOLL_CTL_ADD, fd, &event) != 0 ? -errno : 0;
}

void poll_timer(struct capture *c, uint64_t ns)
{
	struct itimerspec spec = { .it_value = { .tv_nsec = (long)ns } };

	timerfd_settime(c->poll.timer_fd, 0, &spec, NULL);
}

int poll_events(struct capture *c, int timeout_ms)
{
	struct epoll_event events[EVENTS_AT_ONCE];
	int n = epoll_wait(c->poll.epoll_fd, events, EVENTS_AT_ONCE, timeout_ms);

	if (n < 0)
		return errno == EINTR ? 0 : -errno;
	for (int i = 0; i < n; i++) {
		struct watch *watch = events[i].data.ptr;
		int err = watch ? watch->ready(c, watch) : 0;

		if (err) {
			log_error("network devices: %s", strerror(-err));
			return err;
		}
	}
	ring_refresh(&c->rings.wake);
	c->rings.wake.pos = c->rings.wake.limit;
	ring_release(&c->rings.wake);
	return 0;
}

void poll_close(struct capture *c)
{
	if (c->poll.epoll_fd >= 0)
		close(c->poll.epoll_fd);
	if (c->poll.timer_fd >= 0)
		close(c->poll.timer_fd);
}
