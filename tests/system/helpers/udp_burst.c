/* SPDX-License-Identifier: BSD-3-Clause */
/* udp_burst ADDRESS PORT COUNT SIZE: sends COUNT datagrams of SIZE bytes, numbered, as fast as one process can. */
#include <arpa/inet.h>
#include <errno.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/socket.h>

enum { BATCH = 64, SIZE = 1400 };

int main(int argc, char **argv)
{
	struct sockaddr_in to = { .sin_family = AF_INET };
	static char data[BATCH][SIZE];
	struct mmsghdr msgs[BATCH];
	struct iovec iov[BATCH];
	unsigned long count, sent = 0;
	size_t size;
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (argc != 5 || inet_pton(AF_INET, argv[1], &to.sin_addr) != 1 || fd < 0)
		return 2;
	to.sin_port = htons((uint16_t)atoi(argv[2]));
	count = strtoul(argv[3], NULL, 10);
	size = strtoul(argv[4], NULL, 10);
	if (size < sizeof(uint32_t) || size > SIZE)
		return 2;
	memset(msgs, 0, sizeof(msgs));
	while (sent < count) {
		unsigned n = count - sent < BATCH ? (unsigned)(count - sent) : BATCH;
		int done;

		for (unsigned i = 0; i < n; i++) {
			uint32_t number = (uint32_t)(sent + i);

			memcpy(data[i], &number, sizeof(number));
			iov[i] = (struct iovec){ data[i], size };
			msgs[i].msg_hdr = (struct msghdr){
				.msg_name = &to, .msg_namelen = sizeof(to), .msg_iov = &iov[i], .msg_iovlen = 1
			};
		}
		done = sendmmsg(fd, msgs, n, 0);
		if (done < 0 && errno != ENOBUFS && errno != ECONNREFUSED) {
			perror("sendmmsg");
			return 1;
		}
		sent += done > 0 ? (unsigned long)done : 0;
	}
	return 0;
}
