/* SPDX-License-Identifier: BSD-3-Clause */
/*
 * conns ADDRESS PORT SECONDS [RATE]: makes TCP connections to itself, RATE a second or as many as it can, each with a
 * request and an answer. Prints how many it made and the CPU microseconds that each took, both ends and the kernel's part.
 */
#include <arpa/inet.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <time.h>
#include <unistd.h>

static double now(void)
{
	struct timespec t;

	clock_gettime(CLOCK_MONOTONIC, &t);
	return (double)t.tv_sec + (double)t.tv_nsec / 1e9;
}

static double cpu_us(void)
{
	struct rusage use;

	getrusage(RUSAGE_SELF, &use);
	return (double)(use.ru_utime.tv_sec + use.ru_stime.tv_sec) * 1e6 +
	       (double)(use.ru_utime.tv_usec + use.ru_stime.tv_usec);
}

static void *serve(void *arg)
{
	const int listener = *(const int *)arg;
	struct sockaddr_in from;
	char data[64];

	for (;;) {
		socklen_t len = sizeof(from);
		const int fd = accept(listener, (struct sockaddr *)&from, &len);
		const ssize_t n = fd < 0 ? -1 : read(fd, data, sizeof(data));

		if (n > 0 && write(fd, data, (size_t)n) != n)
			perror("conns: write");
		if (fd >= 0)
			close(fd);
	}
	return NULL;
}

/* Resets, so that no port is kept in TIME_WAIT. */
static int connect_once(const struct sockaddr_in *to)
{
	const struct linger reset = { .l_onoff = 1 };
	const int fd = socket(AF_INET, SOCK_STREAM, 0);
	char data[64];
	int made = 0;

	if (fd < 0)
		return 0;
	if (connect(fd, (const struct sockaddr *)to, sizeof(*to)) == 0 && write(fd, "hello", 5) == 5 &&
	    read(fd, data, sizeof(data)) > 0) {
		setsockopt(fd, SOL_SOCKET, SO_LINGER, &reset, sizeof(reset));
		made = 1;
	}
	close(fd);
	return made;
}

static void wait_until(double due)
{
	const double left = due - now();

	if (left > 0)
		usleep((useconds_t)(left * 1e6));
}

int main(int argc, char **argv)
{
	struct sockaddr_in address = { .sin_family = AF_INET };
	int listener = socket(AF_INET, SOCK_STREAM, 0), one = 1;
	unsigned long made = 0, tried = 0;
	double begin, end, rate, used;
	pthread_t server;

	if (argc < 4 || inet_pton(AF_INET, argv[1], &address.sin_addr) != 1) {
		fprintf(stderr, "usage: conns ADDRESS PORT SECONDS [RATE]\n");
		return 2;
	}
	address.sin_port = htons((uint16_t)atoi(argv[2]));
	setsockopt(listener, SOL_SOCKET, SO_REUSEADDR, &one, sizeof(one));
	if (bind(listener, (struct sockaddr *)&address, sizeof(address)) || listen(listener, 512) ||
	    pthread_create(&server, NULL, serve, &listener)) {
		perror("conns");
		return 1;
	}
	rate = argc > 4 ? atof(argv[4]) : 0;
	used = cpu_us();
	begin = now();
	end = begin + atof(argv[3]);
	while (now() < end) {
		made += (unsigned long)connect_once(&address);
		tried++;
		if (rate > 0)
			wait_until(begin + (double)tried / rate);
	}
	printf("%lu %.2f\n", made, made ? (cpu_us() - used) / (double)made : 0);
	return made < tried;
}
