/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * A UDP server that answers each datagram, and its client.
 *
 *	echo ADDRESS PORT            answers until it is killed
 *	echo ADDRESS PORT SECONDS    keeps 16 requests of 64 bytes under way, and prints the answers per second
 */
#include <arpa/inet.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/socket.h>
#include <sys/time.h>
#include <time.h>
#include <unistd.h>

enum { UNDER_WAY = 16, SIZE = 64 };

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

_Noreturn static void serve(int fd)
{
	struct sockaddr_in from;
	char data[SIZE];

	for (;;) {
		socklen_t len = sizeof(from);
		ssize_t n = recvfrom(fd, data, sizeof(data), 0, (struct sockaddr *)&from, &len);

		if (n >= 0)
			sendto(fd, data, (size_t)n, 0, (struct sockaddr *)&from, len);
	}
}

/* What gets lost is asked for again when nothing has come for a while. */
static int ask(int fd, double seconds)
{
	const struct timeval patience = { .tv_usec = 100000 };
	const double begin = now(), end = begin + seconds;
	char data[SIZE] = { 0 };
	unsigned long answers = 0;
	int missing = UNDER_WAY;
	double t;

	setsockopt(fd, SOL_SOCKET, SO_RCVTIMEO, &patience, sizeof(patience));
	while ((t = now()) < end) {
		for (; missing; missing--)
			send(fd, data, sizeof(data), 0);
		if (recv(fd, data, sizeof(data), 0) < 0) {
			missing = UNDER_WAY;
			continue;
		}
		answers++;
		missing = 1;
	}
	printf("%.0f\n", (double)answers / (t - begin));
	return 0;
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || argc < 3 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: echo ADDRESS PORT [SECONDS]\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	if (argc > 3 ? connect(fd, (struct sockaddr *)&address, sizeof(address))
		     : bind(fd, (struct sockaddr *)&address, sizeof(address))) {
		perror("echo");
		return 1;
	}
	if (argc == 3)
		serve(fd);
	return ask(fd, atof(argv[3]));
}
