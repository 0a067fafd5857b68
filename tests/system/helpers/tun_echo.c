/* SPDX-License-Identifier: BSD-3-Clause */
/* tun_echo INTERFACE: makes a tun device and answers IPv4 pings that are sent to it, until it is killed. */
#include <fcntl.h>
#include <linux/if_tun.h>
#include <net/if.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

int main(int argc, char **argv)
{
	struct ifreq req = { .ifr_flags = IFF_TUN | IFF_NO_PI };
	unsigned char packet[2048], address[4];
	int fd = open("/dev/net/tun", O_RDWR);
	uint32_t sum;
	ssize_t n;

	if (argc != 2 || fd < 0)
		return 2;
	snprintf(req.ifr_name, sizeof(req.ifr_name), "%s", argv[1]);
	if (ioctl(fd, TUNSETIFF, &req) != 0) {
		perror("TUNSETIFF");
		return 1;
	}
	while ((n = read(fd, packet, sizeof(packet))) > 0) {
		/* Only an echo request with a header of 20 bytes. */
		if (n < 28 || packet[0] != 0x45 || packet[9] != 1 || packet[20] != 8)
			continue;
		memcpy(address, packet + 12, 4);
		memcpy(packet + 12, packet + 16, 4);
		memcpy(packet + 16, address, 4);
		packet[20] = 0;
		/* The type fell by 8 in the high byte: the checksum rises by as much. */
		sum = (uint32_t)(packet[22] << 8 | packet[23]) + 0x800;
		sum = (sum & 0xffff) + (sum >> 16);
		packet[22] = (unsigned char)(sum >> 8);
		packet[23] = (unsigned char)sum;
		if (write(fd, packet, (size_t)n) != n)
			return 1;
	}
	return 0;
}
