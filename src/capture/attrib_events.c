/* SPDX-License-Identifier: BSD-3-Clause */
#include "capture/attrib.h"

#include <ptcpdump/event.h>
#include <string.h>

bool attrib_event_valid(const void *event, size_t size)
{
	const struct event_exec *e = event;
	uint32_t type;

	if (size < sizeof(type))
		return false;
	memcpy(&type, event, sizeof(type));
	switch (type) {
	case EVENT_EXEC:
		return size >= sizeof(*e) && e->filename_len < EVENT_FILENAME_MAX && e->args_len <= EVENT_ARGS_MAX &&
		       size - sizeof(*e) == (size_t)e->filename_len + e->args_len;
	case EVENT_FORK: return size == sizeof(struct event_fork);
	case EVENT_EXIT: return size == sizeof(struct event_exit);
	case EVENT_OWNER: return size == sizeof(struct event_socket_owner);
	case EVENT_SEEN: return size == sizeof(struct event_seen);
	case EVENT_RENAME: return size == sizeof(struct event_rename);
	case EVENT_USER: return size == sizeof(struct event_user);
	case EVENT_FLOW: return size == sizeof(struct event_flow);
	case EVENT_CGROUP: return size == sizeof(struct event_cgroup);
	case EVENT_NETNS: return size == sizeof(struct event_netns);
	default: return false;
	}
}
