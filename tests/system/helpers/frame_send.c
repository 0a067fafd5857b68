/* SPDX-License-Identifier: BSD-3-Clause */
/* frame_send INTERFACE HEX: puts one frame on the wire. */
#include <linux/if_packet.h>
#include <net/if.h>
#include <stdio.h>
#include <string.h>
#include <sys/socket.h>

int main(int argc, char **argv)
{
	struct sockaddr_ll to = { .sll_family = AF_PACKET };
	unsigned char frame[2048];
	unsigned byte;
	size_t n = 0;
	int fd = socket(AF_PACKET, SOCK_RAW, 0);

	if (argc != 3 || fd < 0)
		return 2;
	to.sll_ifindex = (int)if_nametoindex(argv[1]);
	for (const char *p = argv[2]; n < sizeof(frame) && sscanf(p, "%2x", &byte) == 1; p += 2)
		frame[n++] = (unsigned char)byte;
	if (sendto(fd, frame, n, 0, (struct sockaddr *)&to, sizeof(to)) != (ssize_t)n) {
		perror("sendto");
		return 1;
	}
	return 0;
}
