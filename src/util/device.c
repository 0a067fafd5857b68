/* SPDX-License-Identifier: BSD-3-Clause */
#include "util/device.h"

#include <errno.h>
#include <net/if.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/socket.h>
#include <unistd.h>

int device_type(const char *name)
{
	struct ifreq request = { 0 };
	int fd, type;

	if (strlen(name) >= sizeof(request.ifr_name))
		return -ENODEV;
	strcpy(request.ifr_name, name);
	/* Any socket will do; this kind is always there. */
	fd = socket(AF_UNIX, SOCK_DGRAM | SOCK_CLOEXEC, 0);
	if (fd < 0)
		return -errno;
	type = ioctl(fd, SIOCGIFHWADDR, &request) ? -errno : request.ifr_hwaddr.sa_family;
	close(fd);
	return type;
}
