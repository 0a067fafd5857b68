/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/notify.h"

#include <errno.h>
#include <stddef.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <sys/un.h>
#include <unistd.h>

#include "util/log.h"

/* A manager that takes nothing must not hold the capture. */
static const struct timeval patience = { .tv_sec = 1 };

/* A path, or "@" and a name that is in no file system. -errno */
static int address_of(const char *name, struct sockaddr_un *addr, socklen_t *len)
{
	const size_t n = strlen(name);

	if ((name[0] != '/' && name[0] != '@') || n < 2)
		return -EINVAL;
	if (n >= sizeof(addr->sun_path))
		return -ENAMETOOLONG;
	*addr = (struct sockaddr_un){ .sun_family = AF_UNIX };
	memcpy(addr->sun_path, name, n);
	if (name[0] == '@')
		addr->sun_path[0] = '\0';
	*len = (socklen_t)(offsetof(struct sockaddr_un, sun_path) + n);
	return 0;
}

static int send_to(const char *name, const char *state)
{
	struct sockaddr_un addr;
	socklen_t len;
	int err = address_of(name, &addr, &len), fd;

	if (err)
		return err;
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	setsockopt(fd, SOL_SOCKET, SO_SNDTIMEO, &patience, sizeof(patience));
	if (sendto(fd, state, strlen(state), MSG_NOSIGNAL, (struct sockaddr *)&addr, len) < 0)
		err = -errno;
	close(fd);
	return err;
}

void notify_manager(const char *state)
{
	const char *name = secure_getenv("NOTIFY_SOCKET");
	int err = name && *name ? send_to(name, state) : 0;

	if (err)
		log_warn("%s could not be told to NOTIFY_SOCKET '%s': %s", state, name, strerror(-err));
}
